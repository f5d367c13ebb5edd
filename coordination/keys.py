"""The keys on the wire: `{organization}:pattern`. Needs no Django.

The braces are the hash tag of Redis' cluster specification: all keys of one organization have one slot, so whatever
keys a script names, it touches one. Nothing but these functions makes a key.

docs/reference/keys.md is written from them: the first sentence of each says what the key names, the second its type
and, after a semicolon, how long it lives.
"""

import uuid

# The tag of those who use the classes without an organization.
NOBODY = "-"
Tenant = uuid.UUID | str


def prefix(organization: Tenant | None) -> str:
    """Return what every key of an organization begins with, and no key of another."""
    return f"{{{organization or NOBODY}}}:"


def cache(organization: Tenant | None, resource: str, name: str) -> str:
    """Name a value that is kept for a while. String; lives as long as the value was given, and as it may be stale."""
    return f"{prefix(organization)}cache:{resource}:{name}"


def computing(organization: Tenant | None, resource: str, name: str) -> str:
    """Name who computes the value that is missing from the cache. String; lives while it is computed."""
    return f"{prefix(organization)}computing:{resource}:{name}"


def rate_limit(organization: Tenant | None, resource: str, name: str) -> str:
    """Name the log of what was spent of a limit. List; lives for the longest window after the last that was spent."""
    return f"{prefix(organization)}ratelimit:{resource}:{name}"


def lock(organization: Tenant | None, resource: str, name: str) -> str:
    """Name who holds a lock. String; lives as long as the holder asked for, or until it is released."""
    return f"{prefix(organization)}lock:{resource}:{name}"


def lock_awaited(organization: Tenant | None, resource: str, name: str) -> str:
    """Name when those who wait for a lock will look for it by themselves. String; lives until then."""
    return f"{prefix(organization)}lock-awaited:{resource}:{name}"


def fencing(organization: Tenant | None) -> str:
    """Name the counter that the organization's fencing numbers come from. String; lives for two days after the last."""
    return f"{prefix(organization)}fencing"


def queue(organization: Tenant | None, name: str) -> str:
    """Name the messages of a queue. Stream; lives until the queue is deleted."""
    return f"{prefix(organization)}queue:{name}"


def queues(organization: Tenant | None) -> str:
    """Name the names of the organization's queues. Sorted set; lives while there are any."""
    return f"{prefix(organization)}queues"


def of_queue(organization: Tenant | None, name: str) -> tuple[str, ...]:
    """Name all that a queue has, in the order in which coordination/scripts/queue.lua takes it."""
    beside = ("delayed", "leases", "returned", "dead", "settings")
    own = (f"{prefix(organization)}queue-{one}:{name}" for one in beside)
    return (queue(organization, name), *own, queues(organization))


def pushed(organization: Tenant | None, name: str, mark: str) -> str:
    """Name what one push of a queue that may be repeated pushed. String; lives as long as answers are kept."""
    return f"{prefix(organization)}queue-pushed:{name}:{mark}"


def session(organization: Tenant | None, session_id: Tenant) -> str:
    """Name what is kept of a session for a moment (kept for sessions; nothing writes it yet). String; lives as long as
    its writer says.
    """
    return f"{prefix(organization)}session:{session_id}"


def api_limit(organization: Tenant | None, limit: str, counted: str) -> str:
    """Name the log of one of the API's own limits. List; lives for one window after the last that was spent."""
    return f"{prefix(organization)}apilimit:{limit}:{counted}"
