"""Periodic work. Each job may run twice at once: rows decide.

A worker's threads cannot be interrupted, so Celery's time limits would be without effect. The database limits each
statement instead; a job that fails of it has kept what it committed, and beat starts it again.
"""

import uuid
from collections.abc import Callable
from typing import Any

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ConsoleSession, Erasure, FailureCount
from api.models import IdempotentAnswer
from orgs import tenancy
from orgs.connections import limit_statements
from orgs.models import Invitation
from orgs.services import person_erasing

BATCH = 1000
STATEMENT_TIMEOUT = "60s"


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prune_idempotent_answers() -> int:
    """Delete answers whose time is over, in batches; return how many went."""
    return _prune(lambda: IdempotentAnswer.objects.expired(timezone.now()))


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prune_console_sessions() -> int:
    """Delete sessions of the console whose time is over."""
    return _prune(lambda: ConsoleSession.objects.over(timezone.now()))


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prune_failure_counts() -> int:
    """Delete counts of failed sign-ins that keep nobody waiting; one that is being charged stays."""
    return _prune(lambda: FailureCount.objects.over(timezone.now()).select_for_update(skip_locked=True))


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prune_invitations() -> int:
    """Delete invitations long after they ran out; return how many went."""
    return _prune(lambda: Invitation.objects.past(timezone.now()))


def _prune(due: Callable[[], QuerySet[Any]]) -> int:
    deleted: int = 0
    while True:
        with tenancy.system():
            limit_statements(STATEMENT_TIMEOUT)
            rows = due()
            count, _ = rows.model.objects.filter(id__in=list(rows.values_list("id", flat=True)[:BATCH])).delete()
        deleted += count
        if count < BATCH:
            return deleted


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def finish_erasures() -> int:
    """Have each erasure that is not finished carried on, by a job of its own: one that fails stops no other."""
    with tenancy.system():
        ids = list(Erasure.objects.filter(finished_at=None).order_by("id").values_list("id", flat=True))
    for erasure_id in ids:
        carry_on_erasure.delay(erasure_id=str(erasure_id))
    return len(ids)


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def carry_on_erasure(*, erasure_id: str) -> bool:
    """Erase what is left, and tell whether the person is gone."""
    return person_erasing.carry_on(uuid.UUID(erasure_id), now=timezone.now()).finished_at is not None
