"""The limits that operators have given single organizations, read anew every four seconds by each process."""

import uuid
from threading import Lock
from typing import NamedTuple

from coordination.api_limits import clock as clocks
from orgs import functions

BELIEVED_SECONDS = 4.0
MOST = 20_000


class Own(NamedTuple):
    """An organization's numbers; None where the installation's holds, 0 where there is no limit."""

    key_requests: int | None
    organization_requests: int | None


clock = clocks.now
_known: dict[uuid.UUID, tuple[float, Own]] = {}
_lock = Lock()
# How often one was forgotten; tells a query that began before from one that began after.
_forgotten = 0
NONE = Own(None, None)


def find(organization_id: uuid.UUID) -> Own:
    """Return an organization's own numbers, outside of any scope, as they were four seconds ago at most."""
    known = _known.get(organization_id)
    # Before the query, so that belief never outlasts its time.
    read_at, forgotten = clock(), _forgotten
    if known is not None and read_at - known[0] < BELIEVED_SECONDS:
        return known[1]
    row = functions.find("SELECT * FROM coordination_find_rate_limits(%s)", [organization_id])
    own = NONE if row is None else Own(*row)
    with _lock:
        if forgotten != _forgotten:
            # What was read may be from before the change.
            return own
        if len(_known) >= MOST:
            _known.clear()
        _known[organization_id] = (read_at, own)
    return own


def forget(organization_id: uuid.UUID) -> None:
    """Stop believing what was read of this organization; called once its change has committed."""
    global _forgotten  # noqa: PLW0603
    with _lock:
        _forgotten += 1
        _known.pop(organization_id, None)
