"""Periodic work. Each job may run twice at once: rows decide."""

from celery import shared_task
from django.utils import timezone

from api.models import IdempotentAnswer
from orgs import tenancy

BATCH = 1000


@shared_task(time_limit=300)  # type: ignore[untyped-decorator]  # celery ships no types
def prune_idempotent_answers() -> int:
    """Delete answers whose time is over, in batches; return how many went."""
    deleted = 0
    while True:
        with tenancy.system():
            due = IdempotentAnswer.objects.expired(timezone.now()).values_list("id", flat=True)[:BATCH]
            count, _ = IdempotentAnswer.objects.filter(id__in=list(due)).delete()
        deleted += count
        if count < BATCH:
            return deleted
