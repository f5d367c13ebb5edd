"""The organization."""

import uuid

from django.http import HttpResponse
from django.utils import timezone
from ninja import Router

from api import etags
from api.headers import reads
from orgs import tenancy
from orgs.models import Organization
from orgs.permissions import Scope, requires
from orgs.principals import Request
from orgs.schemas.members import TransferIn
from orgs.schemas.organizations import OrganizationOut, OrganizationPatch
from orgs.services import members, organizations
from orgs.subjects import expected_generations, tagged

router = Router(tags=["identity"])


@router.get("/orgs/{id:organization_id}", response=OrganizationOut)
@requires(Scope.ORGS_READ)
def get_organization(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> Organization:
    """Return the caller's organization; any other is not found."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    with tenancy.organization(organization_id):
        return tagged(response, Organization.objects.get(id=organization_id))


@router.patch("/orgs/{id:organization_id}", response=OrganizationOut)
@requires(Scope.ORGS_WRITE)
@reads(etags.IF_MATCH)
def rename_organization(
    request: Request, organization_id: uuid.UUID, body: OrganizationPatch, response: HttpResponse
) -> Organization:
    """Change the organization's name."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    renamed = organizations.rename_organization(
        request.principal, name=body.name, expected=expected_generations(request, Organization, organization_id)
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
