"""What every schema of the wire is made of."""

from typing import Annotated, Any, Generic, TypeVar

from pydantic import BaseModel, ConfigDict, StringConstraints

from orgs.models import SLUG

T = TypeVar("T")


Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]


Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]


Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=63)]


def not_null(value: T) -> T:
    """Refuse null for a field that a patch may leave out."""
    if value is None:
        raise ValueError("may be left out, but not be null")
    return value


class In(BaseModel):
    """What a caller sends: a field that is not known is refused. What is no text has its type from `api.values`."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)


class PageOut(BaseModel, Generic[T]):
    """One page of a listing; `next_cursor` is null on the last."""

    model_config = ConfigDict(from_attributes=True)
    items: list[T]
    next_cursor: str | None


class ProblemOut(BaseModel):
    """An error (RFC 9457): `code` is stable, `errors` lists the fields at fault where there are any."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[dict[str, Any]] | None = None
