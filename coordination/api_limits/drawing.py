"""Drawing permits from Valkey. Needs no Django."""

from collections.abc import Sequence
from dataclasses import dataclass

from coordination.api_limits.table import Quota, Standing
from coordination.calls import Call, Script

DRAW = Script("window", "draw")
MICROSECONDS = 1_000_000
# For how long several permits stay good, in Valkey's log; whoever holds them stops a little before (permits.py).
LIFE_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Drawn:
    """How many permits a draw brought, 0 where a limit is reached, and how the limits stand after it."""

    granted: int
    standings: tuple[Standing, ...]


def draw(quotas: Sequence[Quota], *, window_seconds: int, wanted: int) -> Call[Drawn]:
    """Take up to so many permits from all of the quotas, or none; their keys have one slot.

    Fewer come where any limit has little left: at most one for each 64 that remain, but one where one fits.
    """

    def read(found: list[int]) -> Drawn:
        granted, *numbers = found
        standings = tuple(
            Standing(quota.limit.name, quota.most, remaining, delay / MICROSECONDS, reset / MICROSECONDS)
            for quota, remaining, delay, reset in zip(quotas, numbers[::3], numbers[1::3], numbers[2::3], strict=True)
        )
        return Drawn(granted, standings)

    times = (window_seconds * MICROSECONDS, wanted, int(LIFE_SECONDS * MICROSECONDS))
    return Call(DRAW, tuple(quota.key for quota in quotas), (*times, *(quota.most for quota in quotas)), read)
