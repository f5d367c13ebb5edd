"""The organization, and the caller's others."""

import uuid
from typing import Annotated

from django.conf import settings
from django.http import HttpResponse
from django.utils import timezone
from ninja import Router
from ninja.responses import Status
from pydantic import StringConstraints

from api import etags
from api.cursors import DEFAULT_LIMIT, Page
from api.headers import reads
from orgs import limits, listings, rate_limiting, tenancy
from orgs.api.api_keys import minted_out
from orgs.api.parameters import Cursor, Limit
from orgs.models import Organization
from orgs.permissions import Scope, across_organizations, of_users, precheck, requires
from orgs.principals import Request
from orgs.schemas import PageOut
from orgs.schemas.members import TransferIn
from orgs.schemas.organizations import (
    LimitsOut,
    MadeOrganizationOut,
    OrganizationIn,
    OrganizationOut,
    OrganizationPatch,
    OwnOrganizationOut,
)
from orgs.services import members, organization_deletion, organizations
from orgs.subjects import expected_generations, require_own, tagged

router = Router(tags=["identity"])


class OrganizationCreationClosed(Exception):
    """Raised when this installation does not let its users make further organizations."""


def _require_open_creation() -> None:
    if settings.ORG_CREATION != "open":
        raise OrganizationCreationClosed("Users make no organizations here; ask the operator for one.")


@router.post("/orgs", response={201: MadeOrganizationOut})
@requires(Scope.ME_WRITE)
@of_users
@precheck(_require_open_creation)
@across_organizations
@etags.tells_tag
def create_organization(request: Request, body: OrganizationIn, response: HttpResponse) -> Status[MadeOrganizationOut]:
    """Create one more organization, which the calling user owns, and its first API key, which is shown once.

    The key is for the environment of the calling one, ends no later, and has of the scopes `me:*` no more.
    """
    made, minted = organizations.create_further(request.principal, name=body.name, slug=body.slug, now=timezone.now())
    request.made_for = (made.id, request.principal.actor_id)
    response["Location"] = f"/api/v1/orgs/{made.id}"
    tagged(response, made)
    return Status(201, MadeOrganizationOut.model_validate({"organization": made, "api_key": minted_out(minted)}))


@router.get("/orgs", response=PageOut[OwnOrganizationOut])
@requires(Scope.ORGS_READ)
def list_organizations(
    request: Request, cursor: Cursor | None = None, limit: Limit = DEFAULT_LIMIT
) -> Page[Organization]:
    """List the organizations of the calling user, newest first.

    Who is no user, and a key without `me:read`, sees the one of the key.
    """
    return listings.page_of_own(request.principal, cursor=cursor, limit=limit)


@router.get("/orgs/{id:organization_id}", response=OrganizationOut)
@requires(Scope.ORGS_READ)
def get_organization(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> Organization:
    """Return the caller's organization; any other is not found."""
    require_own(request, organization_id)
    with tenancy.organization(organization_id):
        return tagged(response, Organization.objects.get(id=organization_id))


@router.patch("/orgs/{id:organization_id}", response=OrganizationOut)
@requires(Scope.ORGS_WRITE)
@reads(etags.IF_MATCH)
def rename_organization(
    request: Request, organization_id: uuid.UUID, body: OrganizationPatch, response: HttpResponse
) -> Organization:
    """Change the organization's name, its slug, or both. The slug that it had is free for others at once."""
    require_own(request, organization_id)
    renamed = organizations.rename_organization(
        request.principal,
        changes=body.model_dump(exclude_unset=True),
        expected=expected_generations(request, Organization, organization_id),
        now=timezone.now(),
    )
    return tagged(response, renamed)


@router.post("/orgs/{id:organization_id}/transfer", response=OrganizationOut)
@requires(Scope.ORGS_ADMIN)
@reads(etags.IF_MATCH)
def transfer_organization(
    request: Request, organization_id: uuid.UUID, body: TransferIn, response: HttpResponse
) -> Organization:
    """Make another member the owner in the caller's stead, or in that of the owner whom a key of no user names."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    transferred = members.transfer(
        request.principal,
        to=body.to(),
        from_membership_id=body.from_membership_id,
        role=body.role,
        expected=expected_generations(request, Organization, organization_id),
        now=timezone.now(),
    )
    return tagged(response, transferred)


@router.delete("/orgs/{id:organization_id}", response={202: OrganizationOut})
@requires(Scope.ORGS_ADMIN)
@reads(etags.IF_MATCH)
def delete_organization(
    request: Request,
    organization_id: uuid.UUID,
    response: HttpResponse,
    confirm: Annotated[str, StringConstraints(max_length=63)] = "",
) -> Status[Organization]:
    """Have the organization deleted at `deletes_at`, with all that it has; `confirm` must be its slug.

    Until then everything works, and `restore` cancels it. Asked again, the first request's time stands.
    """
    require_own(request, organization_id)
    expected = expected_generations(request, Organization, organization_id)
    found = organization_deletion.request_deletion(
        request.principal, confirm=confirm, expected=expected, now=timezone.now()
    )
    return Status(202, tagged(response, found))


@router.post("/orgs/{id:organization_id}/restore", response=OrganizationOut)
@requires(Scope.ORGS_ADMIN)
@reads(etags.IF_MATCH)
def restore_organization(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> Organization:
    """Cancel the organization's deletion; where none was asked for, nothing changes.

    Refused once its last owner was erased, until an operator has named another.
    """
    require_own(request, organization_id)
    expected = expected_generations(request, Organization, organization_id)
    return tagged(response, organization_deletion.restore(request.principal, expected=expected, now=timezone.now()))


@router.get("/orgs/{id:organization_id}/limits", response=LimitsOut)
@requires(Scope.ORGS_READ)
def get_organization_limits(request: Request, organization_id: uuid.UUID) -> LimitsOut:
    """Say how many of each thing the organization may have, and how many it has; and how many calls it may make."""
    require_own(request, organization_id)
    with tenancy.organization(organization_id):
        found = limits.usages(Organization.objects.get(id=organization_id))
        rates = rate_limiting.rates(organization_id)
    return LimitsOut.model_validate({"limits": found, "rate_limits": rates})
