"""What tests of limits share: quotas, calls counted by a limiter, and the most that a window of them holds."""

import time
import uuid
from collections.abc import Callable, Iterable

from coordination import keys
from coordination.api_limits.limiter import Limiter
from coordination.api_limits.table import DEFAULT, ORGANIZATION, Quota


def quotas(tenant: uuid.UUID, key: str = "key", *, of_key: int = 0, of_organization: int = 0) -> list[Quota]:
    """Return those of one key; 0 is no limit."""
    found = [(DEFAULT, key, of_key), (ORGANIZATION, str(tenant), of_organization)]
    return [Quota(limit, keys.api_limit(tenant, limit.name, counted), most) for limit, counted, most in found if most]


def passes(limiter: Limiter, limits: list[Quota], window_seconds: int = 60) -> bool:
    """Count one call by the key of these quotas, and tell whether it may pass."""
    found = limiter.take(limits[0].key, lambda: limits, window_seconds)
    assert found is not None
    return found[0][0].granted > 0


def most_in_a_window(times: Iterable[float], window: float) -> int:
    """Return how many of these times the fullest half-open window of this length holds.

    In whole microseconds, as the script counts: two times a window apart must not differ by the last digit of a float.
    """
    length = round(window * 1_000_000)
    ordered, most, first = sorted(round(at * 1_000_000) for at in times), 0, 0
    for index, at in enumerate(ordered):
        while ordered[first] <= at - length:
            first += 1
        most = max(most, index - first + 1)
    return most


def until(holds: Callable[[], bool], seconds: float = 15) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends
        time.sleep(0.01)
