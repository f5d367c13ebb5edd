"""Reading an organization's audit trail: page by page, and as lines for whoever follows it."""

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from api import documents
from api.cursors import PAGE_BYTES, Listing, Page
from audit.following import settled_before
from audit.models import Action, Entry, EntryQuerySet
from audit.services import record
from orgs import tenancy
from orgs.principals import Principal
from orgs.schemas.audit import AuditFilter

MAX_LINES = 10_000
CHUNK = 500
EQUAL = ("actor", "subject_type", "subject_id", "outcome", "request_id", "address")
# The cursor of a trail of which nothing was read yet.
BEGINNING = ""


@dataclass(frozen=True)
class Export:
    """Entries as lines, and where the next ones begin; `more` says whether there are any now."""

    lines: list[bytes]
    next_cursor: str
    more: bool


def page(organization_id: uuid.UUID, filters: AuditFilter, *, cursor: str | None, limit: int) -> Page[Entry]:
    """Return one page of the entries that the filters mean, newest first."""
    listing = _listing("audit", organization_id, filters)
    with tenancy.organization(organization_id):
        entries = _meant(organization_id, filters)
        if cursor is not None:
            entries = entries.preceding(*_place(str(listing.decode(cursor))))
        rows = list(entries.first_of(filters.actions, count=limit + 1, newest_first=True))
    if len(rows) <= limit:
        return Page(rows, None)
    return Page(rows[:limit], listing.encode(_position(rows[limit - 1])))


def export(principal: Principal, filters: AuditFilter, *, cursor: str | None, limit: int) -> Export:
    """Return the entries that the filters mean, oldest first: at most `limit`, and no line beyond 8 MiB.

    Only entries are given before which none can appear any more, so that the cursor passes over none. What is handed
    out is recorded, unless it is nothing but such records: whoever follows the trail would else never reach its end.
    """
    organization_id = principal.organization_id
    listing = _listing("audit-export", organization_id, filters)
    position = BEGINNING if cursor is None else str(listing.decode(cursor))
    settled = settled_before()
    lines: list[bytes] = []
    size, more, telling = 0, False, False
    with tenancy.organization(organization_id):
        entries = _meant(organization_id, filters).filter(created_at__lt=settled)
        for entry in _in_chunks(entries, filters.actions, position, limit + 1):
            line = _line(entry)
            size += len(line)
            if len(lines) == limit or (lines and size > PAGE_BYTES):
                more = True
                break
            lines.append(line)
            position = _position(entry)
            telling = telling or entry.action != Action.AUDIT_EXPORTED
        if telling:
            record(
                Action.AUDIT_EXPORTED,
                organization_id=organization_id,
                actor=principal.actor,
                subject_type="audit",
                lines=len(lines),
                filters=filters.model_dump(mode="json", exclude_none=True),
            )
    return Export(lines, listing.encode(position), more)


def _in_chunks(entries: EntryQuerySet, actions: list[str], position: str, count: int) -> Iterator[Entry]:
    """Yield the entries behind the position, at most `count`; few are held at a time."""
    while count > 0:
        rest = entries if position == BEGINNING else entries.following(*_place(position))
        rows = list(rest.first_of(actions, count=min(CHUNK, count), newest_first=False))
        yield from rows
        if len(rows) < CHUNK:
            return
        count -= len(rows)
        position = _position(rows[-1])


def _meant(organization_id: uuid.UUID, filters: AuditFilter) -> EntryQuerySet:
    given = {name: value for name in EQUAL if (value := getattr(filters, name)) is not None}
    entries = Entry.objects.of_organization(organization_id).filter(**given)
    if filters.since is not None:
        entries = entries.filter(created_at__gte=filters.since)
    if filters.until is not None:
        entries = entries.filter(created_at__lt=filters.until)
    return entries


def _listing(name: str, organization_id: uuid.UUID, filters: AuditFilter) -> Listing:
    return Listing(name, organization_id, (filters.model_dump_json(exclude_none=True),))


def _position(entry: Entry) -> str:
    return f"{documents.timestamp(entry.created_at)} {entry.id}"


def _place(position: str | int) -> tuple[datetime, uuid.UUID]:
    created_at, _, entry_id = str(position).partition(" ")
    return datetime.fromisoformat(created_at), uuid.UUID(entry_id)


def _line(entry: Entry) -> bytes:
    shown = {
        "id": entry.id,
        "actor": entry.actor,
        "action": entry.action,
        "subject_type": entry.subject_type,
        "subject_id": entry.subject_id,
        "outcome": entry.outcome,
        "address": entry.address,
        "request_id": entry.request_id,
        "detail": entry.detail,
        "created_at": entry.created_at,
    }
    return f"{documents.dumps(shown)}\n".encode()
