"""Documents that Python programs hand to a store: what is read equals what was written, to the digit.

JSON has one kind of number and Python three. An integer stays one. Of the rest, a text as Python writes a float is read
as that float, and every other one as a Decimal; so a Decimal that would be written like a float gets one zero more,
which is the same number to everybody else.
"""

import math
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

from api import documents

# What pydantic writes in place of a secret.
MASK = "**********"


class InvalidDocument(Exception):
    """Raised for what could not come back as it is: no JSON, or a secret that was masked when it was written."""


def document_of(value: Any) -> dict[str, Any]:
    """Return the document of a dictionary or of a pydantic model, with the secrets that the model agrees to show.

    A model shows them where its serializers ask for `context["expose_secrets"]`. Raises InvalidDocument where one came
    out masked: stored, it would take the place of the secret itself.
    """
    dump = getattr(value, "model_dump", None)
    found = value if dump is None else dump(mode="json", context={"expose_secrets": True})
    if not isinstance(found, dict):
        raise InvalidDocument(f"Give a dictionary or a pydantic model, not {type(value).__name__}.")
    return found


def write(document: dict[str, Any]) -> str:
    """Return the text of a document that `read` gives back; raises InvalidDocument, documents.TooManyValues."""
    try:
        text = documents.dumps(_written(document, ""))
        documents.parse(text.encode())
    except RecursionError:
        raise InvalidDocument(f"The document nests deeper than {documents.MAX_DEPTH} levels.") from None
    except documents.InvalidJSON as error:
        raise InvalidDocument(str(error).replace("The body", "The document")) from None
    except ValueError:
        # Half a surrogate pair, or an integer with more digits than Python writes.
        raise InvalidDocument("The document holds text or a number that JSON cannot.") from None
    return text


def read(text: str) -> Any:
    """Return the document in a text that was stored, with floats and Decimals as they were given."""
    return documents.read(text, number=_number)


def _number(text: str) -> float | Decimal:
    found = float(text)
    return found if repr(found) == text else Decimal(text)


def _written(value: Any, place: str) -> Any:
    if isinstance(value, dict):
        return dict(_members(value, place))
    if isinstance(value, list | tuple):
        return [_written(item, f"{place}[{number}]") for number, item in enumerate(value)]
    if isinstance(value, Decimal):
        return _decimal(value, place)
    if isinstance(value, str):
        if value == MASK:
            raise InvalidDocument(f"{place} is masked ({MASK}): storing it would lose the secret that it hides.")
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise InvalidDocument(f"{place} is {value}, which is not JSON.")
    elif not isinstance(value, int | None):
        raise InvalidDocument(f"{place} is a {type(value).__name__}, which is not JSON.")
    return value


def _members(value: dict[Any, Any], place: str) -> Iterator[tuple[str, Any]]:
    for name, item in value.items():
        if not isinstance(name, str):
            raise InvalidDocument(f"{place or 'The document'} has the name {name!r}, which is no text.")
        yield name, _written(item, f"{place}.{name}" if place else name)


def _decimal(value: Decimal, place: str) -> Decimal:
    if not value.is_finite():
        raise InvalidDocument(f"{place} is {value}, which is not JSON.")
    text = str(value)
    return Decimal(f"{text}0") if "." in text and repr(float(text)) == text else value
