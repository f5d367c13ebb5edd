"""Primary keys: UUIDv7 (RFC 9562 §5.7), made in Python so that they work on PostgreSQL 15."""

import uuid

from uuid_utils.compat import uuid7


def new_id() -> uuid.UUID:
    """Return a time-ordered UUID; ids made later in one process sort later."""
    return uuid7()
