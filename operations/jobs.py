"""Periodic work. Each job may run twice at once: rows decide.

A worker's threads cannot be interrupted, so Celery's time limits would be without effect. The database limits each
statement instead; a job that fails of it has kept what it committed, and beat starts it again.
"""

from collections.abc import Callable
from typing import Any

from celery import shared_task
from django.db.models import QuerySet
from django.utils import timezone

from accounts.models import ConsoleSession, FailureCount
from api.models import IdempotentAnswer
from orgs import tenancy
from orgs.connections import limit_statements
from orgs.models import Invitation

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
