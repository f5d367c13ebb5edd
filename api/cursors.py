"""Signed, opaque cursors: they say where a page ended and for which listing, and nobody else can make one."""

import base64
import hashlib
import json
import uuid
from bisect import bisect_left
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar, cast

from django.core.signing import BadSignature, Signer
from django.db.models import F, Model, Q, QuerySet

from api.requests import MIB, InvalidParameter

DEFAULT_LIMIT = 50
MAX_LIMIT = 100
PAGE_BYTES = 8 * MIB

M = TypeVar("M", bound=Model)
# A value of the unique column; before it, where another column comes first, the time there or None.
Position = str | int | list[str | None]


class InvalidCursor(InvalidParameter):
    """Raised for a cursor that was altered, or made for another listing, filter or organization."""


@dataclass(frozen=True)
class Listing:
    """A listing as its cursors know it: a name, the organization, and the filters in force."""

    name: str
    organization_id: uuid.UUID
    filters: tuple[Any, ...] = ()

    def encode(self, position: Position) -> str:
        """Return the cursor that continues after `position`, what the listing's last row has in what orders it."""
        payload = json.dumps([self._fingerprint(), position], separators=(",", ":")).encode()
        return _signer().sign(base64.urlsafe_b64encode(payload).decode().rstrip("="))

    def decode(self, cursor: str) -> Position:
        """Return the position in `cursor`; raises InvalidCursor."""
        try:
            payload = _signer().unsign(cursor)
            fingerprint, position = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        except (BadSignature, ValueError) as error:
            raise InvalidCursor("The cursor is not one that this service made.") from error
        if fingerprint != self._fingerprint() or not isinstance(position, str | int | list):
            raise InvalidCursor("The cursor belongs to another listing or to other filters.")
        return cast(Position, position)

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
    longest_ago: str | None = None,
    bytes_before: str | None = None,
) -> Page[M]:
    """Return one page ordered by `by`, a unique column of the listing that grows with time; one query.

    One row more than asked for is read: only then is there a next page to point to. Where rows are large,
    `bytes_before` names the column that says what all earlier ones take: the page then ends with the row that passes
    PAGE_BYTES, which a first query of that column alone finds; only for listings that begin with the oldest.
    `longest_ago` names a time that may repeat or be null: rows come by it, never first and oldest next, and only among
    equals by the unique column. A row whose time moves on between two pages moves to where it then belongs.
    """
    if cursor is not None:
        position = listing.decode(cursor)
        unique = f"{by}__{'lt' if newest_first else 'gt'}"
        queryset = queryset.filter(_after(position, unique, longest_ago))
    before = () if longest_ago is None else (F(longest_ago).asc(nulls_first=True),)
    queryset = queryset.order_by(*before, f"-{by}" if newest_first else by)
    if bytes_before is not None:
        starts = list(queryset.values_list(bytes_before, flat=True)[:limit])
        limit = bisect_left(starts, starts[0] + PAGE_BYTES) if starts else limit
    rows = list(queryset[: limit + 1])
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], listing.encode(_position(rows[limit - 1], by, longest_ago)))


def _after(position: Position, unique: str, longest_ago: str | None) -> Q:
    if longest_ago is None or not isinstance(position, list):
        return Q(**{unique: position})
    since, key = position
    if since is None:
        return Q(**{f"{longest_ago}__isnull": False}) | Q(**{f"{longest_ago}__isnull": True, unique: key})
    # The first condition adds nothing but a place where the index can begin.
    return Q(**{f"{longest_ago}__gte": since}) & (Q(**{f"{longest_ago}__gt": since}) | Q(**{unique: key}))


def _position(row: Model, by: str, longest_ago: str | None) -> Position:
    last = getattr(row, by)
    key = last if isinstance(last, int) else str(last)
    if longest_ago is None:
        return key
    since: datetime | None = getattr(row, longest_ago)
    return [None if since is None else since.isoformat(), str(key)]


def _signer() -> Signer:
    return Signer(salt="holdfast.cursor", sep=".")
