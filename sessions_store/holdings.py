"""What this app holds of a person: the sessions that they own, states and all."""

from accounts.holdings import Holding, Lines
from sessions_store.erasing import erase_sessions

SESSIONS = Holding(
    "sessions",
    claims=("sessions_store.Session.owner_id",),
    lines=(
        Lines(
            "sessions",
            "sessions_store_session",
            "id, organization_id, agent_id, title, state, metadata, generation, created_at, updated_at",
            "owner_id = %(user)s",
            # Each may have 16 MiB.
            batch=4,
        ),
    ),
    erase=erase_sessions,
)
