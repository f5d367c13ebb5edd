"""RedisCacheManager, as a program meets it that knows no Django."""

import asyncio
import itertools
import subprocess
import sys
import time
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from api.valkey_addresses import ValkeyAddress, parse_valkey_url
from coordination import RedisCacheManager, keys
from coordination.connections import Unavailable
from coordination.locks import EPOCHS_A_SECOND, clock_epoch
from coordination.manager import TIDIED_FROM
from coordination.names import InvalidName, InvalidTTL, InvalidValue
from tests.coordination.locking import acquired_number, locks_on, until
from tests.coordination.servers import PASSWORD, ValkeyServer
from tests.orgs.servers import CHECKOUT

ALONE = """
import asyncio, sys
from coordination import RedisCacheManager

async def main():
    async with RedisCacheManager("127.0.0.1", int(sys.argv[1]), sys.argv[2]) as manager:
        await manager.set("user:7", {"a": 1}, 60)
        assert await manager.get("user:7") == {"a": 1}
        assert await manager.rate_limit("mail:7", 2, 60) == (True, 1)
        assert await manager.acquire_lock("report", 60)
        await manager.push_to_queue("mail", [1])
        assert await manager.pop_from_queue("mail") == [1]
        await manager.push_to_queue("mail", [2])

asyncio.run(main())
assert "django" not in sys.modules
"""
Act = Callable[[RedisCacheManager], Awaitable[Any]]


@pytest.fixture
def address(valkey: ValkeyServer) -> ValkeyAddress:
    return parse_valkey_url(valkey.url)


def _manager(valkey: ValkeyServer, tenant: uuid.UUID | None = None) -> RedisCacheManager:
    return RedisCacheManager("127.0.0.1", valkey.port, PASSWORD, organization_id=tenant)


def _run(valkey: ValkeyServer, *acts: Act) -> list[Any]:
    """Return what each act answers, of one manager."""

    async def scenario() -> list[Any]:
        async with _manager(valkey) as manager:
            return [await act(manager) for act in acts]

    return asyncio.run(scenario())


def test_a_program_without_django_uses_all_of_it_in_the_documented_keys(valkey: ValkeyServer) -> None:
    command = [sys.executable, "-W", "error", "-c", ALONE, str(valkey.port), PASSWORD]
    subprocess.run(command, cwd=CHECKOUT, env={"PYTHONPATH": str(CHECKOUT)}, check=True, timeout=60)

    with valkey.client() as client:
        found = {key.decode() for key in client.scan_iter()}
    expected = {
        keys.cache(None, "user", "7"), keys.rate_limit(None, "mail", "7"), keys.lock(None, "-", "report"),
        keys.queue(None, "mail"),
    }  # fmt: skip
    assert found >= expected
    assert all(key.startswith("{-}:") for key in found)


def test_the_keys_of_an_organization_are_the_service_s(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def scenario() -> None:
        async with _manager(valkey, tenant) as manager:
            await manager.set("user:7", 1, 60)

    asyncio.run(scenario())

    with valkey.client() as client:
        assert list(client.scan_iter()) == [keys.cache(tenant, "user", "7").encode()]


def test_one_manager_works_in_two_event_loops(valkey: ValkeyServer) -> None:
    manager = _manager(valkey)

    async def count() -> tuple[bool, int]:
        found = await manager.rate_limit("mail:7", 5, 60)
        await manager.close()
        return found

    assert [asyncio.run(count()), asyncio.run(count())] == [(True, 4), (True, 3)]


def test_a_deleted_value_is_none(valkey: ValkeyServer) -> None:
    found = _run(
        valkey, lambda m: m.set("a", [1], 60), lambda m: m.get("a"), lambda m: m.delete("a"), lambda m: m.get("a")
    )

    assert found == [True, [1], True, None]


def test_a_spent_limit_is_refused(valkey: ValkeyServer) -> None:
    assert _run(valkey, *[lambda m: m.rate_limit("a", 2, 60)] * 3) == [(True, 1), (True, 0), (False, 0)]


def test_a_lock_is_released_only_by_the_manager_that_acquired_it(valkey: ValkeyServer) -> None:
    async def scenario() -> list[bool]:
        async with _manager(valkey) as holder, _manager(valkey) as other:
            return [
                await holder.acquire_lock("a", 60),
                await other.acquire_lock("a", 60),
                await other.release_lock("a"),
                await holder.acquire_lock("a", 60),
                await holder.release_lock("a"),
                await other.acquire_lock("a", 60),
                await holder.release_lock("a"),
            ]

    assert asyncio.run(scenario()) == [True, False, False, False, True, True, False]


def test_of_many_who_acquire_at_once_one_does(valkey: ValkeyServer) -> None:
    async def scenario() -> list[bool]:
        async with _manager(valkey) as one, _manager(valkey) as other:
            return await asyncio.gather(*(manager.acquire_lock("a", 60) for manager in (one, other) * 8))

    assert sum(asyncio.run(scenario())) == 1


def test_locks_that_ended_by_themselves_are_forgotten(valkey: ValkeyServer) -> None:
    async def scenario() -> int:
        async with _manager(valkey) as manager:
            for number in range(TIDIED_FROM):
                await manager.acquire_lock(f"brief:{number}", 0.001)
            await manager.acquire_lock("long", 60)
            until(lambda: all(ends <= time.monotonic() for _, ends in list(manager._tokens.values())[:-1]))
            manager._tidied_at = 0
            await manager.acquire_lock("last", 60)
            assert await manager.release_lock("long")
            return len(manager._tokens)

    assert asyncio.run(scenario()) == 1


def test_many_locks_that_are_held_are_all_released(valkey: ValkeyServer) -> None:
    async def scenario() -> list[bool]:
        async with _manager(valkey) as manager:
            names = [f"held:{number}" for number in range(3 * TIDIED_FROM)]
            for name in names:
                await manager.acquire_lock(name, 60)
            return [await manager.release_lock(name) for name in names]

    assert all(asyncio.run(scenario()))


def test_an_organization_s_counter_of_numbers_is_left_alone(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def scenario() -> None:
        async with _manager(valkey, tenant) as manager:
            await manager.acquire_lock("report", 60)

    asyncio.run(scenario())

    with valkey.client() as client:
        assert list(client.scan_iter()) == [keys.lock(tenant, "-", "report").encode()]


def test_a_clock_that_is_behind_does_no_harm_to_the_service_s_numbers(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    # The service's epochs are a minute ahead of what this machine's clock would give.
    epochs = itertools.count(clock_epoch(1) + 60 * EPOCHS_A_SECOND)
    before = acquired_number(locks_on(valkey, tenant, lambda least: next(epochs)))
    valkey.flush()

    async def scenario() -> None:
        async with _manager(valkey, tenant) as manager:
            await manager.acquire_lock("report", 60)

    asyncio.run(scenario())

    assert acquired_number(locks_on(valkey, tenant, lambda least: next(epochs))) > before


def test_items_come_in_their_order_and_once(valkey: ValkeyServer) -> None:
    _run(valkey, *[lambda m, item=item: m.push_to_queue("q", item) for item in range(3)])

    assert _run(valkey, *[lambda m: m.pop_from_queue("q")] * 4) == [0, 1, 2, None]


@pytest.mark.parametrize("key", ["-:a", "a:", ":a", "", "a\n"])
def test_a_key_that_is_none_is_refused(valkey: ValkeyServer, key: str) -> None:
    with pytest.raises(InvalidName):
        _run(valkey, lambda m: m.get(key))


def test_a_time_to_live_of_zero_is_refused(valkey: ValkeyServer) -> None:
    with pytest.raises(InvalidTTL):
        _run(valkey, lambda m: m.set("a", 1, 0))


@pytest.mark.parametrize("act", [lambda m: m.set("a", {1: 2}, 60), lambda m: m.push_to_queue("q", {1: 2})])
def test_a_value_that_would_come_back_as_another_is_refused(valkey: ValkeyServer, act: Act) -> None:
    with pytest.raises(InvalidValue):
        _run(valkey, act)


def test_without_the_server_the_cache_is_empty(valkey: ValkeyServer) -> None:
    valkey.kill()

    assert _run(valkey, lambda m: m.set("a", 1, 60), lambda m: m.get("a"), lambda m: m.delete("a")) == [
        False, None, False,
    ]  # fmt: skip


@pytest.mark.parametrize(
    "act",
    [
        lambda m: m.rate_limit("a", 1, 60),
        lambda m: m.acquire_lock("a", 60),
        lambda m: m.push_to_queue("q", 1),
        lambda m: m.pop_from_queue("q"),
    ],
    ids=["limit", "lock", "push", "pop"],
)
def test_without_the_server_the_rest_is_unavailable(valkey: ValkeyServer, act: Act) -> None:
    valkey.kill()

    with pytest.raises(Unavailable):
        _run(valkey, act)


def test_the_defaults_are_those_of_redis() -> None:
    assert RedisCacheManager()._address == ValkeyAddress((("localhost", 6379),))
