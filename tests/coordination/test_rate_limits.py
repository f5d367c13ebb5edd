import asyncio
import math
import os
import subprocess
import sys
import time
import uuid
from typing import Any

import pytest
import redis.asyncio
from django.conf import settings

from coordination import keys
from coordination.connections import AsyncConnection, Connection
from coordination.names import InvalidName
from coordination.rate_limits import (
    MAX_REQUESTS,
    AsyncRateLimits,
    Decision,
    InvalidCost,
    InvalidLimit,
    InvalidWindow,
    RateLimits,
)
from tests.coordination.servers import ValkeyServer
from tests.service.live import CHECKOUT
from tests.service.test_docs import blocks

MINUTE: dict[str, Any] = {"max_requests": 3, "window_seconds": 60}


@pytest.fixture
def limits(connection: Connection, tenant: uuid.UUID) -> RateLimits:
    return RateLimits(connection, tenant)


@pytest.fixture
def key(tenant: uuid.UUID) -> str:
    return keys.rate_limit(tenant, "model", "large")


def _state(connection: Connection, key: str) -> tuple[Any, Any]:
    client = connection.client()
    return client.dump(key), client.pexpiretime(key)


def test_what_fits_is_allowed_and_spent(limits: RateLimits) -> None:
    found = limits.check("model", "large", **MINUTE)

    assert found == Decision(allowed=True, remaining=2, retry_after=0.0, reset=60.0)


def test_an_answer_unpacks_in_its_documented_order(limits: RateLimits) -> None:
    allowed, remaining, retry_after, reset = limits.check("model", "large", **MINUTE)

    assert (allowed, remaining, retry_after, reset) == (True, 2, 0.0, 60.0)


def test_what_does_not_fit_is_refused_and_told_when_it_will(limits: RateLimits) -> None:
    for _ in range(3):
        limits.check("model", "large", **MINUTE)

    found = limits.check("model", "large", **MINUTE)

    assert (found.allowed, found.remaining) == (False, 0)
    assert 50 < found.retry_after <= found.reset <= 60


def test_what_is_refused_writes_nothing(limits: RateLimits, connection: Connection, key: str) -> None:
    limits.check("model", "large", cost=2, **MINUTE)
    before = _state(connection, key)

    found = limits.check("model", "large", cost=2, **MINUTE)

    assert (found.allowed, found.remaining) == (False, 1)
    assert _state(connection, key) == before


def test_a_cost_is_spent_as_a_whole(limits: RateLimits) -> None:
    found = [limits.check("model", "large", cost=cost, **MINUTE) for cost in (2, 2, 1)]

    assert [(one.allowed, one.remaining) for one in found] == [(True, 1), (False, 1), (True, 0)]


def test_a_peek_tells_what_a_check_would(limits: RateLimits) -> None:
    limits.check("model", "large", **MINUTE)

    fits, fits_not = (limits.peek("model", "large", cost=cost, **MINUTE) for cost in (2, 3))

    assert (fits.allowed, fits.remaining, fits.retry_after) == (True, 2, 0.0)
    assert (fits_not.allowed, fits_not.remaining) == (False, 2)
    assert fits_not.retry_after > 50


def test_a_peek_changes_nothing(limits: RateLimits, connection: Connection, key: str) -> None:
    limits.check("model", "large", **MINUTE)
    before = _state(connection, key)

    limits.peek("model", "large", **MINUTE)
    limits.peek("model", "small", **MINUTE)

    assert _state(connection, key) == before
    assert connection.client().exists(key.replace("large", "small")) == 0


def test_a_reset_gives_everything_back(limits: RateLimits) -> None:
    limits.check("model", "large", cost=3, **MINUTE)

    limits.reset("model", "large")

    assert limits.peek("model", "large", **MINUTE) == Decision(True, 3, 0.0, 0.0)


def test_a_lower_limit_holds_at_once(limits: RateLimits) -> None:
    limits.check("model", "large", cost=3, **MINUTE)

    found = limits.check("model", "large", max_requests=2, window_seconds=60)

    assert (found.allowed, found.remaining) == (False, 0)


def test_a_higher_limit_holds_at_once(limits: RateLimits) -> None:
    limits.check("model", "large", cost=3, **MINUTE)

    found = limits.check("model", "large", max_requests=MAX_REQUESTS, window_seconds=60)

    assert (found.allowed, found.remaining) == (True, MAX_REQUESTS - 4)


def test_a_shorter_window_and_a_larger_limit_forget_nothing(
    limits: RateLimits, connection: Connection, key: str
) -> None:
    limits.check("model", "large", cost=3, **MINUTE)
    before = connection.client().pexpiretime(key)

    assert limits.check("model", "large", max_requests=MAX_REQUESTS, window_seconds=0.001).allowed

    assert connection.client().pexpiretime(key) >= before
    assert not limits.check("model", "large", **MINUTE).allowed


def test_names_and_organizations_have_limits_of_their_own(limits: RateLimits, connection: Connection) -> None:
    limits.check("model", "large", cost=3, **MINUTE)

    others = [
        limits.check("model", "small", **MINUTE),
        limits.check("tool", "large", **MINUTE),
        RateLimits(connection, uuid.uuid4()).check("model", "large", **MINUTE),
    ]

    assert [one.remaining for one in others] == [2, 2, 2]


def test_the_key_is_the_documented_one_and_ends_with_the_window(
    limits: RateLimits, connection: Connection, tenant: uuid.UUID
) -> None:
    limits.check("model", "large", **MINUTE)

    [found] = connection.client().scan_iter(match=f"*{tenant}*", count=1000)

    assert found.decode() == f"{{{tenant}}}:ratelimit:model:large"
    assert 50_000 < connection.client().pttl(found) <= 60_001


def test_a_key_is_gone_when_its_window_is(limits: RateLimits, connection: Connection, key: str) -> None:
    limits.check("model", "large", max_requests=3, window_seconds=0.001)
    ends = time.monotonic() + 10

    while connection.client().exists(key):
        assert time.monotonic() < ends

    assert limits.peek("model", "large", **MINUTE).remaining == 3


def test_a_check_is_one_round_trip(valkey: ValkeyServer) -> None:
    mark = "the end"
    with valkey.client() as client:
        limits = RateLimits(Connection(lambda: client))
        limits.check("model", "large", **MINUTE)
        with client.monitor() as monitor:
            client.echo("the beginning")
            limits.check("model", "large", **MINUTE)
            client.echo(mark)
            seen = [monitor.next_command()]
            while mark not in seen[-1]["command"]:
                seen.append(monitor.next_command())

    sent = [one["command"].split()[0] for one in seen if one["client_type"] != "lua"]
    assert sent[-3:] == ["ECHO", "EVALSHA", "ECHO"]


@pytest.mark.parametrize("limit", [0, -1, MAX_REQUESTS + 1, 10**400, True, 1.0, "5", None, math.nan], ids=repr)
def test_a_limit_that_none_can_be_is_refused(limits: RateLimits, limit: Any) -> None:
    with pytest.raises(InvalidLimit):
        limits.check("model", "large", max_requests=limit, window_seconds=60)


@pytest.mark.parametrize(
    "window", [0, -1, 0.0009, 86_400.001, 1e308, math.inf, -math.inf, math.nan, 10**400, True, "5", None], ids=repr
)
def test_a_window_that_none_can_be_is_refused(limits: RateLimits, window: Any) -> None:
    with pytest.raises(InvalidWindow):
        limits.check("model", "large", max_requests=1, window_seconds=window)


@pytest.mark.parametrize("cost", [0, -1, 4, 10**400, True, 1.0, "1", None], ids=repr)
def test_a_cost_that_would_never_fit_or_is_none_is_refused(limits: RateLimits, cost: Any) -> None:
    with pytest.raises(InvalidCost):
        limits.check("model", "large", cost=cost, **MINUTE)


@pytest.mark.parametrize("window", [0.001, 0.0015, 1, 86_400], ids=repr)
def test_the_shortest_and_the_longest_window_are_taken(limits: RateLimits, window: float) -> None:
    assert limits.check("model", "large", max_requests=4, window_seconds=window).reset == window


@pytest.mark.parametrize(("resource", "name"), [("", "a"), ("a:b", "c"), ("a", ""), ("a", "b\n"), ("a", "x" * 201)])
def test_a_name_that_none_can_be_is_refused(limits: RateLimits, resource: str, name: str) -> None:
    with pytest.raises(InvalidName):
        limits.check(resource, name, **MINUTE)
    with pytest.raises(InvalidName):
        limits.peek(resource, name, **MINUTE)
    with pytest.raises(InvalidName):
        limits.reset(resource, name)


@pytest.mark.parametrize("name", ["{a}", "a:b", "🙂", "x" * 200, "100%", "*"], ids=ascii)
def test_other_names_are_taken_as_they_are(limits: RateLimits, name: str) -> None:
    limits.check("model", name, cost=2, **MINUTE)

    assert limits.peek("model", name, **MINUTE).remaining == 1


def test_async_callers_share_limits_with_the_others(limits: RateLimits, tenant: uuid.UUID) -> None:
    limits.check("model", "large", **MINUTE)

    async def spend() -> list[Decision]:
        async with redis.asyncio.Redis.from_url(settings.REDIS_URL, protocol=2) as client:
            ours = AsyncRateLimits(AsyncConnection(lambda: client), tenant)
            found = [await ours.check("model", "large", **MINUTE), await ours.peek("model", "large", **MINUTE)]
            await ours.reset("model", "large")
            return [*found, await ours.peek("model", "large", **MINUTE)]

    assert [one.remaining for one in asyncio.run(spend())] == [1, 1, 3]


def test_the_program_of_the_how_to_waits_as_long_as_it_is_told(tenant: uuid.UUID) -> None:
    [program] = blocks("docs/how-to/limit-rates.md", "python")
    environ = {"PATH": os.environ["PATH"], "REDIS_URL": settings.REDIS_URL, "ORGANIZATION_ID": str(tenant)}

    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=CHECKOUT,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [line for line in done.stdout.splitlines() if "made" in line] == [f"call {call}: made" for call in range(5)]
