"""Deleting sessions in batches, in the open system scope."""

import uuid

from django.db.models import Q

from events.services import publish_all
from orgs.changes import Change
from sessions_store.models import Session

BATCH = 100


def delete_sessions_batch(where: Q, *, actor: str, limit: int = BATCH) -> int:
    """Delete up to `limit` of these sessions, each with its last event, and return how many went."""
    rows = Session.objects.filter(where).order_by("id").select_for_update().defer("state", "metadata")
    gone = list(rows[:limit])
    publish_all(
        Change(row.organization_id, "session", row.id, row.generation + 1, "session.deleted", row.owner_id, actor)
        for row in gone
    )
    Session.objects.filter(id__in=[row.id for row in gone]).delete()
    return len(gone)


def erase_sessions(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    return {"sessions": delete_sessions_batch(Q(owner_id=user_id), actor=actor)}
