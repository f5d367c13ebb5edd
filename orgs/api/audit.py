"""The organization's audit trail."""

from ninja import Router

from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from audit.models import Action, Entry
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.audit import AuditEntryOut

router = Router(tags=["audit"])


@router.get("/audit", response=PageOut[AuditEntryOut])
@requires(Scope.AUDIT_READ)
def list_audit_entries(
    request: Request,
    action: Action | None = None,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Entry]:
    """List what was done and what was refused in the organization, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        entries = Entry.objects.of_organization(organization_id)
        if action is not None:
            entries = entries.filter(action=action)
        listing = Listing("audit", organization_id, (action,))
        return paginate(entries, listing, cursor=cursor, limit=limit)
