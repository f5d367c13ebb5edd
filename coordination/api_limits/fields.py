"""What answers tell of limits: draft-ietf-httpapi-ratelimit-headers, Lists of Strings with parameters (RFC 9651).

Needs no Django.
"""

import math
from collections.abc import Sequence

from coordination.api_limits.permits import Taken
from coordination.api_limits.table import Standing

Fields = tuple[tuple[str, str], ...]


def fields(taken: Sequence[Taken], window_seconds: int, now: float) -> Fields:
    """Return RateLimit-Policy and RateLimit for the limits of one call, in whole seconds, rounded up.

    `r` is what was left when Valkey was last asked, less what this process has spent since; `t` is when nothing of it
    counts any more, and for a limit that is reached when one more call fits.
    """
    policies, states = [], []
    for drawn, received_at, left in taken:
        for standing in drawn.standings:
            policies.append(f'"{standing.name}";q={standing.most};w={window_seconds}')
            reached = not drawn.granted and standing.delay > 0
            until = received_at + (standing.delay if reached else standing.reset)
            remaining = 0 if reached else standing.remaining + left
            states.append(f'"{standing.name}";r={remaining};t={max(0, math.ceil(until - now))}')
    return ("RateLimit-Policy", ", ".join(policies)), ("RateLimit", ", ".join(states))


def violated(taken: Taken) -> list[Standing]:
    """Return the limits that a refused call met."""
    return [standing for standing in taken[0].standings if standing.delay > 0]


def retry_after(taken: Taken, now: float) -> int:
    """Return the whole seconds, at least one, after which a refused call may be sent again."""
    _, received_at, _ = taken
    latest = max(standing.delay for standing in violated(taken))
    return max(1, math.ceil(received_at + latest - now))
