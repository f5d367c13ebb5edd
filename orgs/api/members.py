"""The organization's members."""

import uuid

from django.http import HttpResponse
from ninja import Router

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.models import Membership
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.members import MemberOut
from orgs.subjects import get_subject

router = Router(tags=["identity"])


@router.get("/members", response=PageOut[MemberOut])
@requires(Scope.MEMBERS_READ)
def list_members(request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT) -> Page[Membership]:
    """List the organization's members, newest first."""
    organization_id = request.principal.organization_id
    with tenancy.organization(organization_id):
        members = Membership.objects.filter(organization_id=organization_id).with_users()
        return paginate(members, Listing("members", organization_id), cursor=cursor, limit=limit)


@router.get("/members/{id:membership_id}", response=MemberOut)
@requires(Scope.MEMBERS_READ)
@etags.always_sent
def get_member(request: Request, membership_id: uuid.UUID, response: HttpResponse) -> Membership:
    """Return one membership. It shows the user's name too, which changes without the membership: never 304."""
    return get_subject(request, response, Membership.objects.with_users().filter(id=membership_id))
