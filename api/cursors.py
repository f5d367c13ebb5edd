"""Signed, opaque cursors: they say where a page ended and for which listing, and nobody else can make one."""

import base64
import hashlib
import json
import uuid
from bisect import bisect_left
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from django.core.signing import BadSignature, Signer
from django.db.models import Model, QuerySet

from api.requests import MIB, InvalidParameter

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
PAGE_BYTES = 8 * MIB

M = TypeVar("M", bound=Model)


class InvalidCursor(InvalidParameter):
    """Raised for a cursor that was altered, or made for another listing, filter or organization."""


@dataclass(frozen=True)
class Listing:
    """A listing as its cursors know it: a name, the organization, and the filters in force."""

    name: str
    organization_id: uuid.UUID
    filters: tuple[Any, ...] = ()

    def encode(self, position: str | int) -> str:
        """Return the cursor that continues after `position`, a value of the listing's unique column."""
        payload = json.dumps([self._fingerprint(), position], separators=(",", ":")).encode()
        return _signer().sign(base64.urlsafe_b64encode(payload).decode().rstrip("="))

    def decode(self, cursor: str) -> str | int:
        """Return the position in `cursor`; raises InvalidCursor."""
        try:
            payload = _signer().unsign(cursor)
            fingerprint, position = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (BadSignature, ValueError) as error:
            raise InvalidCursor("The cursor is not one that this service made.") from error
        if fingerprint != self._fingerprint() or not isinstance(position, str | int):
            raise InvalidCursor("The cursor belongs to another listing or to other filters.")
        return position

    def _fingerprint(self) -> str:
        subject = json.dumps([self.name, str(self.organization_id), [str(part) for part in self.filters]])
        return hashlib.sha256(subject.encode()).hexdigest()[:16]


@dataclass(frozen=True)
class Page(Generic[M]):
    items: list[M]
    next_cursor: str | None


def paginate(
    queryset: QuerySet[M],
    listing: Listing,
    *,
    cursor: str | None,
    limit: int,
    by: str = "pk",
    newest_first: bool = True,
    bytes_before: str | None = None,
) -> Page[M]:
    """Return one page ordered by `by`, a unique column of the listing that grows with time; one query.

    One row more than asked for is read: only then is there a next page to point to. Where rows are large,
    `bytes_before` names the column that says what all earlier ones take: the page then ends with the row that passes
    PAGE_BYTES, which a first query of that column alone finds; only for listings that begin with the oldest.
    """
    if cursor is not None:
        queryset = queryset.filter(**{f"{by}__{'lt' if newest_first else 'gt'}": listing.decode(cursor)})
    queryset = queryset.order_by(f"-{by}" if newest_first else by)
    if bytes_before is not None:
        starts = list(queryset.values_list(bytes_before, flat=True)[:limit])
        limit = bisect_left(starts, starts[0] + PAGE_BYTES) if starts else limit
    rows = list(queryset[: limit + 1])
    if len(rows) <= limit:
        return Page(rows, None)
    last = getattr(rows[limit - 1], by)
    return Page(rows[:limit], listing.encode(last if isinstance(last, int) else str(last)))


def _signer() -> Signer:
    return Signer(salt="holdfast.cursor", sep=".")
