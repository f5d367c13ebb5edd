"""The organization's settings."""

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
from orgs.schemas.settings import ChangedSettingsOut, KeySettingsOut, SettingsOut, SettingsPatch
from orgs.services import key_policy
from orgs.subjects import expected_generations, tagged

router = Router(tags=["identity"])


@router.get("/orgs/{id:organization_id}/settings", response=SettingsOut)
@requires(Scope.ORGS_READ)
def get_organization_settings(request: Request, organization_id: uuid.UUID, response: HttpResponse) -> SettingsOut:
    """Return the settings of the caller's organization. Their ETag is the organization's."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    with tenancy.organization(organization_id):
        organization = tagged(response, Organization.objects.get(id=organization_id))
    return SettingsOut(api_keys=_of_keys(organization), generation=organization.generation)


@router.patch("/orgs/{id:organization_id}/settings", response=ChangedSettingsOut)
@requires(Scope.ORGS_WRITE)
@reads(etags.IF_MATCH)
def change_organization_settings(
    request: Request, organization_id: uuid.UUID, body: SettingsPatch, response: HttpResponse
) -> ChangedSettingsOut:
    """Change the given settings. `shortened_keys` counts keys that got an earlier end: at 500, send it again."""
    if organization_id != request.principal.organization_id:
        raise Organization.DoesNotExist
    changed = key_policy.set_key_policy(
        request.principal,
        changes=body.api_keys.model_dump(exclude_unset=True, exclude={"apply_to_existing"}),
        apply_to_existing=body.api_keys.apply_to_existing,
        expected=expected_generations(request, Organization, organization_id),
        now=timezone.now(),
    )
    organization = tagged(response, changed.organization)
    return ChangedSettingsOut(
        api_keys=_of_keys(organization), generation=organization.generation, shortened_keys=changed.shortened
    )


def _of_keys(organization: Organization) -> KeySettingsOut:
    return KeySettingsOut(max_lifetime_days=organization.key_max_days, reminder_days=organization.key_reminder_days)
