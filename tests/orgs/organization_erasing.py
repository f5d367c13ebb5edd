"""An organization that is due, and the time that its end takes."""

import time
import uuid
from datetime import timedelta

from django.utils import timezone

from orgs import tenancy
from orgs.models import Organization, OrganizationErasure
from orgs.services import organization_deletion, organization_erasing

# Each is past the end of what the one before it waits for.
DUE = timezone.now() + timedelta(days=200)
SETTLED = DUE + organization_erasing.SETTLING
GONE = SETTLED + organization_erasing.SETTLING


def request_deletion(organization: Organization) -> None:
    with tenancy.system():
        organization_deletion.mark_for_deletion(organization.id, actor="test", now=timezone.now())


def close(organization: Organization) -> None:
    """Have the organization's time come."""
    request_deletion(organization)
    organization_erasing.delete_due(now=DUE)


def erase_row(organization: Organization) -> None:
    """Erase a closed organization up to and with its own row."""
    organization_erasing.delete_due(now=SETTLED)


def erase(organization: Organization) -> None:
    """Take the organization from the request to its end."""
    close(organization)
    erase_row(organization)
    finish(organization)


def finish(organization: Organization) -> None:
    """Go on until it is over: transactions of others, such as the server's own, may take a moment to end."""
    ends = time.monotonic() + 20
    while organization.id in {erasure.id for erasure in organization_erasing.delete_due(now=GONE).waiting}:
        assert time.monotonic() < ends, "the erasing does not end"


def erasure_of(organization_id: uuid.UUID) -> OrganizationErasure | None:
    with tenancy.system():
        return OrganizationErasure.objects.filter(id=organization_id).first()
