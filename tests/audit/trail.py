"""Trails made at will: entries whose time and content a test names."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

from audit.models import Action, Entry
from orgs import tenancy
from orgs.models import Organization

ADA, BEN = f"user:{uuid.UUID(int=1)}", f"user:{uuid.UUID(int=2)}"
START = datetime(2026, 1, 1, tzinfo=UTC)


def at(minute: float) -> datetime:
    return START + timedelta(minutes=minute)


def add_entry(organization: Organization, minute: float = 0, **fields: Any) -> str:
    """Write an entry of that minute of 2026 and return its id."""
    given = {"action": Action.AGENT_CHANGED, "actor": "system", "subject_type": "agent", "outcome": "success"} | fields
    with tenancy.organization(organization.id):
        made = Entry.objects.create(organization_id=organization.id, created_at=at(minute), **given)
    return str(made.id)


def add_many(organization: Organization, count: int, **fields: Any) -> None:
    """Write `count` alike entries, a second apart, the last just before the first of 2026."""
    given = {"action": Action.AGENT_CHANGED, "actor": "system", "subject_type": "agent", "outcome": "success"} | fields
    times = (START - timedelta(seconds=number) for number in range(count, 0, -1))
    rows = [Entry(id=uuid.uuid4(), organization_id=organization.id, created_at=time, **given) for time in times]
    with tenancy.organization(organization.id):
        Entry.objects.bulk_create(rows, batch_size=2000)
