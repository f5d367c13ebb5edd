"""What callers hang on the things they make: a JSON object, kept as it is, small enough to be in every answer."""

from typing import Annotated, Any

from pydantic import AfterValidator, Field

from api import documents

MAX_METADATA_BYTES = 64 * 1024


def _small(value: dict[str, Any]) -> dict[str, Any]:
    if value and len(documents.dumps(value).encode()) > MAX_METADATA_BYTES:
        raise ValueError(f"takes at most {MAX_METADATA_BYTES} bytes")
    return value


# Where it may be left out of a change.
MetadataPatch = Annotated[
    dict[str, Any],
    AfterValidator(_small),
    Field(description="A JSON object of at most 64 KiB, kept as it is, in place of the one there was."),
]
Metadata = Annotated[
    dict[str, Any],
    AfterValidator(_small),
    Field(default_factory=dict, description="A JSON object of at most 64 KiB, kept as it is."),
]
