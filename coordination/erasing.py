"""What an organization has in Valkey for good: its queues. All else there ends by itself."""

import uuid
from contextlib import suppress

from coordination.connections import Unavailable
from coordination.queue_calls import Calls
from coordination.queue_messages import QueueMissing
from coordination.shared import connection
from orgs.organization_erasers import HeldUp, Step

# Each is a call; the transaction that notes the step is open meanwhile.
BATCH = 100


def erase_queues(organization_id: uuid.UUID, most: int, position: int) -> Step:
    """Delete some of an organization's queues, with all that is in them; raises HeldUp without Valkey."""
    calls = Calls(organization_id)
    try:
        names = connection.run(calls.names("", min(most, BATCH)))
        for name in names:
            # One that was listed alone leaves the list thereby.
            with suppress(QueueMissing):
                connection.run(calls.delete(name))
    except Unavailable as error:
        raise HeldUp(f"The queues are left: {error}") from error
    return Step({"queues": len(names)}, over=not names)
