"""What an organization has decided for itself."""

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
from orgs.schemas.settings import ChangedSettingsOut, SettingsOut, SettingsPatch, settings_of
from orgs.services import settings
from orgs.subjects import expected_generations, require_own, tagged

router = Router(tags=["identity"])


@router.get("/orgs/{id:organization_id}/settings", response=SettingsOut)
@requires(Scope.ORGS_READ)
def get_organization_settings(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> SettingsOut:
    """Return the organization's settings; their ETag is the organization's own."""
    require_own(request, organization_id)
    with tenancy.organization(organization_id):
        found = tagged(response, Organization.objects.get(id=organization_id))
    return SettingsOut(**settings_of(found))


@router.patch("/orgs/{id:organization_id}/settings", response=ChangedSettingsOut)
@requires(Scope.ORGS_WRITE)
@reads(etags.IF_MATCH)
def change_organization_settings(
    request: Request, organization_id: uuid.UUID, body: SettingsPatch, response: HttpResponse
) -> ChangedSettingsOut:
    """Change the given settings. A deletion that is under way keeps the delay that it began with.

    Those of `api_keys` take a key for production. `shortened_keys` counts keys that got an earlier end: at 500, send it
    again.
    """
    require_own(request, organization_id)
    changed = settings.change_settings(
        request.principal,
        changes=body.changes(),
        apply_to_existing=body.apply_to_existing,
        expected=expected_generations(request, Organization, organization_id),
        now=timezone.now(),
    )
    organization = tagged(response, changed.organization)
    return ChangedSettingsOut(**settings_of(organization), shortened_keys=changed.shortened_keys)
