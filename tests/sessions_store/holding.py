import time
import uuid

from orgs import tenancy
from orgs.models import TenantModel


def wait_until_held(model: type[TenantModel], organization_id: uuid.UUID, row_id: uuid.UUID | str) -> None:
    """Return once another transaction has locked the row, so that what follows has to wait for it."""
    ends = time.monotonic() + 10
    held = False
    while not held:
        assert time.monotonic() < ends, "nobody holds the row"
        with tenancy.organization(organization_id):
            held = not model._default_manager.select_for_update(skip_locked=True).filter(id=row_id).values("id")
