"""Verbs of coordination that are in PostgreSQL, or leave an entry of audit there."""

import uuid
from collections.abc import Mapping

from django.db import transaction

from audit.models import Action
from audit.services import record
from coordination.api_limits import own
from coordination.lock_calls import wanted
from coordination.locks import LockNotHeld
from coordination.models import OrganizationRateLimits
from coordination.shared import connection
from orgs import limits, tenancy
from orgs.services.recording import note


def set_rate_limits(
    organization_id: uuid.UUID, *, changes: Mapping[str, int | None], actor: str
) -> OrganizationRateLimits:
    """Change an operator's rate limits of an organization, inside the open system scope.

    They hold everywhere within about five seconds: numbers are believed for four, permits and refusals for one more,
    and a slow draw waits half a second at most. This process reads them anew at once.
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


def break_lock(organization_id: uuid.UUID, resource: str, name: str, *, actor: str) -> None:
    """End a lock whoever holds it, and record who did; raises InvalidName, LockNotHeld, Unavailable.

    The entry is written first, so that no lock is broken where none can be, and taken back where no lock was. Only a
    commit that fails after that leaves a lock broken without an entry.
    """
    call = wanted(organization_id, resource, name, token=None).break_open()
    with tenancy.organization(organization_id):
        record(
            Action.LOCK_BROKEN,
            organization_id=organization_id,
            actor=actor,
            subject_type="lock",
            subject_id=f"{resource}:{name}",
            resource=resource,
            name=name,
        )
        if not connection.run(call):
            raise LockNotHeld("Nobody holds the lock.")
