"""The organization's members."""

import uuid

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status

from api import etags
from api.cursors import DEFAULT_LIMIT, Listing, Page, paginate
from api.headers import reads
from api.values import SubjectId
from orgs import tenancy
from orgs.api.parameters import Cursor, Limit
from orgs.models import Membership, Role
from orgs.permissions import Scope, of_users, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.members import MemberOut, MemberPatch
from orgs.services import members
from orgs.subjects import expected_generations, get_subject, tagged

router = Router(tags=["members"])


@router.get("/members", response=PageOut[MemberOut])
@requires(Scope.MEMBERS_READ)
def list_members(
    request: Request,
    role: Role | None = None,
    user_id: SubjectId | None = None,
    cursor: Cursor | None = None,
    limit: Limit = DEFAULT_LIMIT,
) -> Page[Membership]:
    """List the organization's members, newest first."""
    organization_id = request.principal.organization_id
    wanted = {name: value for name, value in (("role", role), ("user_id", user_id)) if value is not None}
    with tenancy.organization(organization_id):
        found = Membership.objects.filter(organization_id=organization_id, **wanted).with_users()
        listing = Listing("members", organization_id, (role, user_id))
        return paginate(found, listing, cursor=cursor, limit=limit)


@router.get("/members/{id:membership_id}", response=MemberOut)
@requires(Scope.MEMBERS_READ)
@etags.always_sent
def get_member(request: Request, membership_id: uuid.UUID, response: HttpResponse) -> Membership:
    """Return one membership. It shows the user's name too, which changes without the membership: never 304."""
    return get_subject(request, response, Membership.objects.with_users().filter(id=membership_id))


@router.patch("/members/{id:membership_id}", response=MemberOut)
@requires(Scope.MEMBERS_ADMIN)
@reads(etags.IF_MATCH)
def change_member(request: Request, membership_id: uuid.UUID, body: MemberPatch, response: HttpResponse) -> Membership:
    """Give a member another role. To make or unmake an owner needs `orgs:admin`; the last owner stays one."""
    changed = members.change_member(
        request.principal,
        membership_id,
        role=body.role,
        expected=expected_generations(request, Membership, membership_id),
        now=timezone.now(),
    )
    return tagged(response, changed)


@router.delete("/members/{id:membership_id}", response={204: None})
@requires(Scope.MEMBERS_ADMIN)
@reads(etags.IF_MATCH)
def remove_member(request: Request, membership_id: uuid.UUID) -> Status[None]:
    """Take a member's place away; their keys of the organization are refused. Of an owner's it needs `orgs:admin`."""
    expected = expected_generations(request, Membership, membership_id)
    members.dismiss(request.principal, membership_id, expected=expected, now=timezone.now())
    return Status(204, None)


@router.delete("/me/membership", response={204: None})
@requires(Scope.ME_WRITE)
@of_users
def leave(request: Request) -> Status[None]:
    """Leave the organization, as the user who calls. The last owner cannot; their keys of it are refused."""
    members.leave(request.principal)
    return Status(204, None)
