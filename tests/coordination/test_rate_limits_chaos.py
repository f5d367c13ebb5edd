"""Valkey killed, flushed and paused in the middle of a limit's use."""

import asyncio
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.connections import AsyncConnection, Connection, Unavailable
from coordination.rate_limits import AsyncRateLimits, RateLimits
from tests.coordination.servers import ValkeyServer

TIMEOUT = 0.3
PATIENCE = 20.0
HOUR: dict[str, Any] = {"max_requests": 100_000, "window_seconds": 3600}


@pytest.fixture
def limits(valkey: ValkeyServer) -> Iterator[RateLimits]:
    options: dict[str, Any] = {"socket_timeout": TIMEOUT, "retry": Retry(NoBackoff(), 0), "protocol": 2}
    with redis.Redis.from_url(valkey.url, **options) as client:
        yield RateLimits(Connection(lambda: client))


def _spent(limits: RateLimits) -> int:
    """Return what is spent, as soon as the server answers again."""
    ends = time.monotonic() + PATIENCE
    while True:
        try:
            return int(HOUR["max_requests"]) - limits.peek("model", "large", **HOUR).remaining
        except Unavailable:
            assert time.monotonic() < ends
            time.sleep(0.02)


class Spender(threading.Thread):
    """Spends one after the other until a call fails."""

    def __init__(self, limits: RateLimits) -> None:
        super().__init__()
        self.limits, self.answered, self.failed = limits, 0, False

    def run(self) -> None:
        try:
            while True:
                self.answered += self.limits.check("model", "large", **HOUR).allowed
        except Unavailable:
            self.failed = True

    def has_spent(self, count: int) -> None:
        ends = time.monotonic() + PATIENCE
        while self.answered < count:
            assert time.monotonic() < ends
            time.sleep(0.001)


def test_what_was_answered_counts_after_a_kill(valkey: ValkeyServer, limits: RateLimits) -> None:
    spender = Spender(limits)
    spender.start()
    spender.has_spent(200)

    valkey.kill()
    spender.join()
    valkey.start()

    # The call under way may have been carried out without an answer.
    assert spender.failed
    assert spender.answered <= _spent(limits) <= spender.answered + 1


def test_a_window_goes_on_over_a_kill(valkey: ValkeyServer, limits: RateLimits) -> None:
    limits.check("model", "large", cost=100_000, **HOUR)
    valkey.kill()
    valkey.start()
    assert _spent(limits) == 100_000

    found = limits.check("model", "large", **HOUR)

    assert not found.allowed
    assert 3500 < found.retry_after <= 3601


def test_every_limit_begins_anew_after_a_flush(valkey: ValkeyServer, limits: RateLimits) -> None:
    limits.check("model", "large", cost=100_000, **HOUR)

    valkey.flush()

    found = limits.check("model", "large", **HOUR)
    assert (found.allowed, found.remaining, found.retry_after) == (True, 99_999, 0.0)


def test_without_valkey_nothing_is_known(valkey: ValkeyServer, limits: RateLimits) -> None:
    valkey.kill()

    with pytest.raises(Unavailable):
        limits.check("model", "large", **HOUR)
    with pytest.raises(Unavailable):
        limits.peek("model", "large", **HOUR)
    with pytest.raises(Unavailable):
        limits.reset("model", "large")


def test_without_valkey_async_callers_know_nothing_either(valkey: ValkeyServer) -> None:
    valkey.kill()

    async def ask() -> None:
        options: dict[str, Any] = {"socket_timeout": TIMEOUT, "retry": AsyncRetry(NoBackoff(), 0), "protocol": 2}
        async with redis.asyncio.Redis.from_url(valkey.url, **options) as client:
            await AsyncRateLimits(AsyncConnection(lambda: client)).check("model", "large", **HOUR)

    with pytest.raises(Unavailable):
        asyncio.run(ask())


def test_a_paused_server_is_unavailable_within_the_timeout(valkey: ValkeyServer, limits: RateLimits) -> None:
    limits.check("model", "large", **HOUR)
    valkey.pause()
    began = time.monotonic()

    with pytest.raises(Unavailable):
        limits.check("model", "large", **HOUR)

    assert time.monotonic() - began < TIMEOUT + 1
    valkey.resume()


def test_a_limit_works_on_after_a_pause(valkey: ValkeyServer, limits: RateLimits) -> None:
    spender = Spender(limits)
    spender.start()
    spender.has_spent(50)

    valkey.pause()
    spender.join()
    valkey.resume()

    assert spender.failed
    assert spender.answered <= _spent(limits) <= spender.answered + 1
    assert limits.check("model", "large", **HOUR).allowed
