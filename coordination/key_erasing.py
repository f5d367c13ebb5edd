"""How what an organization has in Valkey is erased.

Its keys are found by going through all keys once: nothing lists them, since every write would pay for the list. What is
not erased when Valkey is gone waits until it is back.
"""

import uuid
from typing import Any

from coordination import keys
from coordination.calls import Call, Script
from coordination.connections import Connection, Unavailable
from coordination.shared import connection
from orgs.organization_erasers import HeldUp, Step

ERASE = Script("erase")
# Keys looked at for each that may go: most are of others.
KEYS_A_ROW = 5
# A position is one number below 2^63: the cursor, which is below the size of the server's table, and above it the 16
# bits that tell one run of a server from another.
CURSOR_BITS = 46


def erase(organization_id: uuid.UUID, most: int, position: int) -> Step:
    """Erase some of the keys; raises HeldUp without Valkey."""
    try:
        return erase_keys(connection, organization_id, most, position)
    except Unavailable as error:
        raise HeldUp(f"The keys are left: {error}") from error


def erase_keys(connection: Connection, organization_id: uuid.UUID, most: int, position: int) -> Step:
    """The same over any connection; raises Unavailable. With another run of the server it begins again."""
    mark, cursor = position >> CURSOR_BITS, position & ((1 << CURSOR_BITS) - 1)
    matched = f"{keys.prefix(organization_id)}*"
    mark, cursor, count = connection.run(Call(ERASE, (), (matched, mark, cursor, most * KEYS_A_ROW), _read))
    return Step({"valkey": count}, over=not cursor, position=(mark << CURSOR_BITS | cursor) if cursor else 0)


def _read(found: Any) -> tuple[int, int, int]:
    mark, cursor, count = found
    return int(mark), int(cursor), int(count)
