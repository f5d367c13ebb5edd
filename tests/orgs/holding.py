import time
import uuid

from orgs import tenancy
from orgs.models import Organization


def wait_until_organization_held(organization_id: uuid.UUID) -> None:
    """Return once another transaction has locked the organization, so that what follows has to wait for it."""
    ends = time.monotonic() + 10
    held = False
    while not held:
        assert time.monotonic() < ends, "nobody holds the organization"
        with tenancy.organization(organization_id):
            free = Organization.objects.select_for_update(skip_locked=True, no_key=True).filter(id=organization_id)
            held = not free.values("id")
