"""Periodic work. Each job may run twice at once: rows decide.

A worker's threads cannot be interrupted, so Celery's time limits would be without effect. The database limits each
statement instead; a job that fails of it has kept what it committed, and beat starts it again.
"""

from celery import shared_task
from django.db import connection
from django.utils import timezone

from api.models import IdempotentAnswer
from orgs import tenancy

BATCH = 1000
STATEMENT_TIMEOUT = "60s"


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def prune_idempotent_answers() -> int:
    """Delete answers whose time is over, in batches; return how many went."""
    deleted = 0
    while True:
        with tenancy.system():
            _limit_statements()
            due = IdempotentAnswer.objects.expired(timezone.now()).values_list("id", flat=True)[:BATCH]
            count, _ = IdempotentAnswer.objects.filter(id__in=list(due)).delete()
        deleted += count
        if count < BATCH:
            return deleted


def _limit_statements() -> None:
    """Have PostgreSQL cancel any statement of this transaction that takes too long, also one that waits for a lock."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [STATEMENT_TIMEOUT])
