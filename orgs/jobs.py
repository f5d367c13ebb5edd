"""Periodic work on organizations and their keys. Each job may run twice at once: rows decide."""

from celery import shared_task
from django.utils import timezone

from orgs import tenancy
from orgs.connections import limit_statements
from orgs.services.key_reminders import remind_of_keys
from orgs.services.organization_erasing import delete_due

BATCH = 200


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def remind_of_expiring_keys() -> int:
    """Publish the reminders that are due, batch by batch, each committed for itself; return how many."""
    reminded = 0
    while True:
        with tenancy.system():
            limit_statements()
            count = remind_of_keys(timezone.now(), most=BATCH)
        reminded += count
        if count < BATCH:
            return reminded


@shared_task  # type: ignore[untyped-decorator]  # celery ships no types
def delete_organizations() -> int:
    """Delete the organizations that are due, some steps at a time; return how many are not over yet."""
    return len(delete_due(now=timezone.now()).waiting)
