"""The audit trail over HTTP: read page by page, one entry, or followed as JSON lines."""

import uuid
from typing import Annotated, Any
from urllib.parse import urlencode

from django.http import HttpResponse
from ninja import Query, Router
from pydantic import Field

from api import etags
from api.cursors import DEFAULT_LIMIT, Page
from api.values import IN_DIGITS
from audit.models import Entry
from orgs import audit_trail, tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.audit import AuditEntryOut, AuditFilter

router = Router(tags=["audit"])
Lines = Annotated[int, Field(ge=1, le=audit_trail.MAX_LINES), IN_DIGITS]
NDJSON = "application/x-ndjson"
EXPORTED: dict[str, Any] = {
    "description": "One entry a line, oldest first, each as `GET /audit/{id}` gives it.",
    "content": {NDJSON: {"schema": {"type": "string"}}},
    "headers": {
        "Holdfast-Next-Cursor": {
            "description": "Where the next lines begin, also where there are none yet.",
            "schema": {"type": "string"},
        },
        "Holdfast-More": {
            "description": "Whether there are more lines now.",
            "schema": {"type": "string", "enum": ["true", "false"]},
        },
        "Link": {
            "description": 'The next lines (RFC 8288, rel="next"), where there are more now.',
            "schema": {"type": "string"},
        },
    },
}


@router.get("/audit", response=PageOut[AuditEntryOut])
@requires(Scope.AUDIT_READ)
def list_audit_entries(
    request: Request, filters: Query[AuditFilter], cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Entry]:
    """List what was done and what was refused in the organization, newest first."""
    return audit_trail.page(request.principal.organization_id, filters, cursor=cursor, limit=limit)


@router.get("/audit/export", openapi_extra={"responses": {200: EXPORTED}})
@requires(Scope.AUDIT_READ)
@etags.always_sent
def export_audit_entries(
    request: Request, filters: Query[AuditFilter], cursor: Cursor | None = None, limit: Lines = 1000
) -> HttpResponse:
    """Give entries as JSON lines, oldest first: at most `limit` of them and 8 MiB.

    `Holdfast-Next-Cursor` continues there, now or later; no entry that is committed late is passed over. An entry is
    given once every transaction that began before it is over, at once as a rule. The export is itself recorded, unless
    it gives nothing but records of exports.
    """
    made = audit_trail.export(request.principal, filters, cursor=cursor, limit=limit)
    response = HttpResponse(b"".join(made.lines), content_type=NDJSON)
    response.headers["Content-Disposition"] = 'attachment; filename="audit.jsonl"'
    response.headers["Cache-Control"] = "no-store"
    response.headers["Holdfast-Next-Cursor"] = made.next_cursor
    response.headers["Holdfast-More"] = "true" if made.more else "false"
    if made.more:
        query = urlencode({**request.GET.dict(), "cursor": made.next_cursor})
        response.headers["Link"] = f'<{request.path}?{query}>; rel="next"'
    return response


@router.get("/audit/{id:entry_id}", response=AuditEntryOut)
@requires(Scope.AUDIT_READ)
def get_audit_entry(request: Request, entry_id: uuid.UUID) -> Entry:
    """Return one entry."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        return Entry.objects.of_organization(organization_id).get(id=entry_id)
