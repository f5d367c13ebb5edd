"""Verbs of coordination that are in PostgreSQL."""

import uuid
from collections.abc import Mapping

from django.db import transaction

from audit.models import Action
from coordination.api_limits import own
from coordination.models import OrganizationRateLimits
from orgs import limits
from orgs.services.recording import note


def set_rate_limits(
    organization_id: uuid.UUID, *, changes: Mapping[str, int | None], actor: str
) -> OrganizationRateLimits:
    """Change an operator's rate limits of an organization, inside the open system scope.

    They hold everywhere within five seconds, in this process at once.
    """
    organization = limits.lock(organization_id)
    row = OrganizationRateLimits.objects.filter(organization=organization).first()
    if row is None:
        row = OrganizationRateLimits.objects.create(organization=organization, generation=0)
    for field, number in changes.items():
        setattr(row, field, number)
    row.save_change(*changes)
    organization.save_change()
    note(Action.ORGANIZATION_LIMITS_CHANGED, organization, actor, rate_limits=dict(changes))
    transaction.on_commit(lambda: own.forget(organization_id))
    return row
