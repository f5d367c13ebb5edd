"""Rate limits: an exact sliding window on the server's clock. Needs no Django.

Within any window of `window_seconds` no more than `max_requests` is ever spent, whoever spends it: one script in one
round trip looks and spends. Windows are half-open: what was spent at a time counts until the window's length has
passed. Up to EXACT_LIMIT the decision is that of a log of every call. Above, times are rounded up to a 4,096th of the
window, so that no log has more entries than that: a call may then be refused that little longer, and never sooner be
allowed. Limits and windows may differ from call to call; each call holds to its own, and a shorter window forgets
nothing that a longer one counts. What was spent is kept for the longest window that was spent through, until nothing is
left of it. Where calls with several windows fill a log (8,192 entries), its older half is merged: what was spent then
leaves up to a 2,048th of the longest window later; limits up to EXACT_LIMIT stay exact. Every check spends: two limits
at once take two names.

When Valkey is gone every function raises `Unavailable`: nothing is known, and the caller decides what that means. A
call that was not answered may have been spent. When Valkey comes back without its data, every limit begins anew; with
the append-only file of `make up` it comes back with all that was spent and answered. A clock that is set back has what
was spent leave later by as much; set forward, sooner.
"""

from collections.abc import Sequence
from typing import NamedTuple

from coordination import keys
from coordination.calls import Call, Script
from coordination.connections import AsyncConnection, Connection
from coordination.names import check_name, check_resource

MAX_REQUESTS = 1_000_000
MIN_WINDOW_SECONDS = 0.001
MAX_WINDOW_SECONDS = 24 * 3600
# As in scripts/window.lua.
EXACT_LIMIT = 4096

CHECK = Script("window", "rate_limit")
RESET = Script("rate_limit_reset")


class InvalidLimit(Exception):
    """Raised for a `max_requests` that is no whole number from 1 to MAX_REQUESTS."""


class InvalidWindow(Exception):
    """Raised for a window that is shorter than a millisecond or longer than a day."""


class InvalidCost(Exception):
    """Raised for a cost that is no whole number from 1 to `max_requests`: one above would never be allowed."""


class Decision(NamedTuple):
    """What a limit says to one call."""

    allowed: bool
    # What may still be spent now: after this call, where it was allowed to spend.
    remaining: int
    # Seconds until this cost fits, if nobody else spends; 0.0 when it is allowed.
    retry_after: float
    # Seconds until nothing is spent any more.
    reset: float


def check(
    organization: keys.Tenant | None,
    resource: str,
    name: str,
    *,
    max_requests: int,
    window_seconds: float,
    cost: int = 1,
) -> Call[Decision]:
    """Spend `cost` if it fits, all of it or nothing; what is refused writes nothing.

    Raises InvalidName, InvalidLimit, InvalidWindow, InvalidCost.
    """
    key = _key(organization, resource, name)
    return Call(CHECK, (key,), (*_arguments(max_requests, window_seconds, cost), 1), _decision)


def peek(
    organization: keys.Tenant | None,
    resource: str,
    name: str,
    *,
    max_requests: int,
    window_seconds: float,
    cost: int = 1,
) -> Call[Decision]:
    """Tell what `check` would decide, and what remains now; changes nothing. Raises as `check` does."""
    key = _key(organization, resource, name)
    return Call(CHECK, (key,), (*_arguments(max_requests, window_seconds, cost), 0), _decision)


def reset(organization: keys.Tenant | None, resource: str, name: str) -> Call[None]:
    """Forget what was spent; raises InvalidName."""
    return Call(RESET, (_key(organization, resource, name),), (), _nothing)


class RateLimits:
    """The limits of an organization, or of nobody; see the module for what they promise."""

    def __init__(self, connection: Connection, organization: keys.Tenant | None = None) -> None:
        self._connection, self._organization = connection, organization

    def check(self, resource: str, name: str, *, max_requests: int, window_seconds: float, cost: int = 1) -> Decision:
        """Spend `cost` if it fits; raises Unavailable, InvalidName, InvalidLimit, InvalidWindow, InvalidCost."""
        return self._connection.run(
            check(
                self._organization,
                resource,
                name,
                max_requests=max_requests,
                window_seconds=window_seconds,
                cost=cost,
            )
        )

    def peek(self, resource: str, name: str, *, max_requests: int, window_seconds: float, cost: int = 1) -> Decision:
        """Tell what `check` would decide, and what remains now; changes nothing. Raises as `check` does."""
        return self._connection.run(
            peek(
                self._organization,
                resource,
                name,
                max_requests=max_requests,
                window_seconds=window_seconds,
                cost=cost,
            )
        )

    def reset(self, resource: str, name: str) -> None:
        """Forget what was spent; raises Unavailable, InvalidName."""
        self._connection.run(reset(self._organization, resource, name))


class AsyncRateLimits:
    """The same for asyncio."""

    def __init__(self, connection: AsyncConnection, organization: keys.Tenant | None = None) -> None:
        self._connection, self._organization = connection, organization

    async def check(
        self, resource: str, name: str, *, max_requests: int, window_seconds: float, cost: int = 1
    ) -> Decision:
        """As RateLimits.check."""
        return await self._connection.run(
            check(
                self._organization,
                resource,
                name,
                max_requests=max_requests,
                window_seconds=window_seconds,
                cost=cost,
            )
        )

    async def peek(
        self, resource: str, name: str, *, max_requests: int, window_seconds: float, cost: int = 1
    ) -> Decision:
        """As RateLimits.peek."""
        return await self._connection.run(
            peek(
                self._organization,
                resource,
                name,
                max_requests=max_requests,
                window_seconds=window_seconds,
                cost=cost,
            )
        )

    async def reset(self, resource: str, name: str) -> None:
        """As RateLimits.reset."""
        await self._connection.run(reset(self._organization, resource, name))


def _key(organization: keys.Tenant | None, resource: str, name: str) -> str:
    return keys.rate_limit(organization, check_resource(resource), check_name(name, "name"))


def _arguments(max_requests: int, window_seconds: float, cost: int) -> tuple[int, int, int]:
    if not _is_whole(max_requests) or not 1 <= max_requests <= MAX_REQUESTS:
        raise InvalidLimit(f"The limit must be a whole number from 1 to {MAX_REQUESTS:,}.")
    if not _is_whole(cost) or not 1 <= cost <= max_requests:
        raise InvalidCost(f"The cost must be a whole number from 1 to the limit, {max_requests:,}.")
    return max_requests, _microseconds(window_seconds), cost


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _microseconds(window_seconds: float) -> int:
    number = isinstance(window_seconds, int | float) and not isinstance(window_seconds, bool)
    # What is not a number compares false.
    if not number or not MIN_WINDOW_SECONDS <= window_seconds <= MAX_WINDOW_SECONDS:
        raise InvalidWindow(f"The window must be from {MIN_WINDOW_SECONDS:g} to {MAX_WINDOW_SECONDS:,} seconds, a day.")
    return round(window_seconds * 1_000_000)


def _decision(found: Sequence[int]) -> Decision:
    allowed, remaining, delay, left = found
    return Decision(allowed == 1, remaining, delay / 1_000_000, left / 1_000_000)


def _nothing(found: object) -> None:
    return None
