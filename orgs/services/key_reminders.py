"""The event that a key is about to end."""

import math
from datetime import datetime, timedelta

from audit.models import Action
from orgs.models import APIKey
from orgs.services.recording import note


def remind_of_keys(now: datetime, *, most: int) -> int:
    """Publish `api-key.expiring` for keys that end soon, once for each end; return for how many.

    Inside the system scope. A key that another transaction holds, such as this same work elsewhere or a rotation, is
    left to it and to the next time.
    """
    due = APIKey.objects.to_remind_of(now).order_by("expires_at", "id")
    found = list(due.select_for_update(no_key=True, skip_locked=True, of=("self",))[:most])
    for key in found:
        assert key.expires_at is not None
        days = math.ceil((key.expires_at - now) / timedelta(days=1))
        key.reminded_at = now
        key.save_change("reminded_at")
        note(Action.API_KEY_EXPIRING, key, "system", expires_at=key.expires_at.isoformat(), days=days)
    return len(found)
