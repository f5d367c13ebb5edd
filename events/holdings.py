"""What the log holds of a person."""

from accounts.holdings import Holding, Lines
from accounts.own_holdings import PSEUDONYM

EVENTS = Holding(
    "events",
    claims=("events.Event.owner_id", "events.Event.actor", "events.Event.subject_id"),
    lines=(
        Lines(
            "events",
            "events_event",
            "id, subject_type, subject_id, generation, type, owner_id, actor, request_id, facts, created_at",
            "owner_id = %(user)s OR actor = 'user:' || %(user)s::text",
        ),
    ),
    kept={"events": f"readers follow the log without a gap; they hold states, numbers and {PSEUDONYM}, never content"},
)
