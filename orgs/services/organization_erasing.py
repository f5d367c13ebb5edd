"""The end of an organization: closed when it is due, then erased in steps that each commit by themselves.

Where it stands is a row of its own, `OrganizationErasure`, written in the transaction of each step: a process that dies
leaves nothing to repair, and two that work at once take turns.

Nothing may come after it was looked for. Rows that refer to the organization, directly or through others, cannot: its
own row is not deleted while there is one, and none can be made afterwards. Events come only with a change of such a
row. The rest, entries of the trail and kept answers, is refused to a tenant whose organization has no row; it is looked
for once the last transaction that began before then is over.
"""

import logging
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, OperationalError, connection

from audit.models import Action
from audit.services import record
from orgs import organization_erasers, tenancy
from orgs.connections import limit_statements
from orgs.models import Organization, OrganizationErasure

logger = logging.getLogger("holdfast.deletion")

# Longer than a key is believed and any call takes: a body may take five minutes to come.
SETTLING = timedelta(minutes=10)
BATCH = 1000
MOST_STEPS = 500
STATEMENT_TIMEOUT = "60s"
OVER = "over"
# A restored database counts its transactions anew: a number from before the restore says nothing there.
SETTLED = """
SELECT NOT %s::bigint BETWEEN pg_snapshot_xmin(pg_current_snapshot())::text::bigint + 1
                          AND pg_snapshot_xmax(pg_current_snapshot())::text::bigint
"""
NEXT_TRANSACTION = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"


@dataclass(frozen=True)
class Round:
    """What has come of going through all erasures once: those that are over, by organization, and the others."""

    ended: list[uuid.UUID]
    waiting: list[OrganizationErasure]


def delete_due(*, now: datetime, most_steps: int = MOST_STEPS) -> Round:
    """Close what is due, take every erasure some steps further, and return which are over and which are not.

    One that cannot go on at this moment, because somebody holds a row of it or Valkey is gone, is left for the next
    time.
    """
    while _close_next(now):
        pass
    with tenancy.system():
        ids = list(OrganizationErasure.objects.order_by("closed_at").values_list("id", flat=True))
    for organization_id in ids:
        try:
            for _ in _steps(organization_id, now, most_steps):
                pass
        except (OperationalError, organization_erasers.HeldUp):
            logger.exception("The erasing of the organization %s is held up.", organization_id)
    with tenancy.system():
        waiting = list(OrganizationErasure.objects.order_by("closed_at"))
    still = {erasure.id for erasure in waiting}
    return Round([organization_id for organization_id in ids if organization_id not in still], waiting)


def _close_next(now: datetime) -> bool:
    """Close one organization that is due; its keys are refused once nobody believes them any more."""
    with tenancy.system():
        found = Organization.objects.due(now).order_by("deletes_at").select_for_update(skip_locked=True).first()
        if found is None:
            return False
        found.closed_at = now
        found.save(update_fields=["closed_at"])
        OrganizationErasure.objects.create(id=found.id, closed_at=now)
    logger.info("The organization %s is closed and will be erased.", found.id)
    return True


def _steps(organization_id: uuid.UUID, now: datetime, most: int) -> Iterator[None]:
    for _ in range(most):
        try:
            if not _go_on(organization_id, now):
                return
        except IntegrityError as error:
            # Something came to a table after its turn, from a call that was under way: all have their turn again.
            logger.warning("The organization %s is gone through again: %s", organization_id, error)
            _begin_again(organization_id)
            return
        yield


def _go_on(organization_id: uuid.UUID, now: datetime) -> bool:
    """Take one step in one transaction; tell whether another can follow at once."""
    with tenancy.system():
        limit_statements(STATEMENT_TIMEOUT)
        erasure = OrganizationErasure.objects.select_for_update(skip_locked=True).filter(id=organization_id).first()
        if erasure is None:
            return False
        if erasure.row_gone_at is not None and erasure.horizon is None:
            # In a transaction after that of the deletion: whoever still saw the row has begun by now.
            erasure.horizon = _value(NEXT_TRANSACTION)
            erasure.save(update_fields=["horizon"])
        if not _is_settled(erasure, now):
            return False
        eraser = _current(erasure)
        if eraser is not None:
            _erase(erasure, eraser)
        elif erasure.row_gone_at is None:
            _erase_row(erasure, now)
        elif erasure.eraser == OVER:
            _end(erasure)
            return False
        return True


def _is_settled(erasure: OrganizationErasure, now: datetime) -> bool:
    """Is what was under way over, when the organization was closed, or when its row went?"""
    if now < (erasure.row_gone_at or erasure.closed_at) + SETTLING:
        return False
    return erasure.horizon is None or bool(_value(SETTLED, erasure.horizon))


def _current(erasure: OrganizationErasure) -> organization_erasers.Eraser | None:
    """Return the eraser whose turn it is. One that this release does not know any more begins the round anew."""
    if erasure.eraser == OVER:
        return None
    found = organization_erasers.erasers(after_organization=erasure.row_gone_at is not None)
    return next((eraser for eraser in found if eraser.name == erasure.eraser), found[0])


def _erase(erasure: OrganizationErasure, eraser: organization_erasers.Eraser) -> None:
    step = eraser.erase(erasure.id, BATCH, erasure.position)
    for table, count in step.counts.items():
        erasure.counts[table] = erasure.counts.get(table, 0) + count
    erasure.eraser, erasure.position = eraser.name, step.position
    if step.over:
        names = [one.name for one in organization_erasers.erasers(after_organization=erasure.row_gone_at is not None)]
        erasure.eraser, erasure.position = [*names, OVER][names.index(eraser.name) + 1], 0
        logger.info("Of the organization %s, %s is erased: %s", erasure.id, eraser.name, erasure.counts)
    erasure.save(update_fields=["eraser", "position", "counts"])


def _erase_row(erasure: OrganizationErasure, now: datetime) -> None:
    """Delete the organization's own row; raises IntegrityError where something still refers to it."""
    organization_erasers.run("DELETE FROM orgs_organization WHERE id = %s AND closed_at IS NOT NULL", erasure.id)
    organization_erasers.run("SET CONSTRAINTS ALL IMMEDIATE")
    erasure.row_gone_at, erasure.eraser = now, ""
    erasure.counts["orgs_organization"] = 1
    erasure.save(update_fields=["row_gone_at", "eraser", "counts"])


def _begin_again(organization_id: uuid.UUID) -> None:
    with tenancy.system():
        OrganizationErasure.objects.filter(id=organization_id).update(eraser="", position=0)


def _end(erasure: OrganizationErasure) -> None:
    """Leave the one entry that says that it happened, and nothing else."""
    organization_id = erasure.id
    record(
        Action.ORGANIZATION_ERASED,
        organization_id=None,
        actor="system",
        subject_type="organization",
        subject_id=organization_id,
        rows={table: count for table, count in sorted(erasure.counts.items()) if count},
    )
    # Takes the id of the object too.
    erasure.delete()
    logger.info("The organization %s is erased.", organization_id)


def _value(statement: str, *parameters: int) -> Any:
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return cursor.fetchone()[0]
