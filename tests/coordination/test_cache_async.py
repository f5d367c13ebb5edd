"""The cache for asyncio: the same calls, with waiters of one event loop."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.conf import settings

from coordination import keys
from coordination.cache import AsyncCache, StillComputing
from tests.coordination.caching import PATIENCE, connected_async
from tests.coordination.servers import ValkeyServer


@asynccontextmanager
async def _cache(tenant: uuid.UUID, url: str | None = None) -> AsyncIterator[AsyncCache]:
    async with connected_async(url or settings.REDIS_URL, PATIENCE if url else 5) as connection:
        yield AsyncCache(connection, tenant)


class Computation:
    """Something to compute that takes until it is let go."""

    def __init__(self, value: Any = "computed") -> None:
        self.value, self.count = value, 0
        self.begun, self.let_go = asyncio.Event(), asyncio.Event()

    async def __call__(self) -> Any:
        self.count += 1
        self.begun.set()
        await self.let_go.wait()
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


async def _quick() -> str:
    return "quick"


def _compute(cache: AsyncCache, compute: Callable[[], Awaitable[Any]], **times: float) -> Coroutine[Any, Any, Any]:
    return cache.get_or_compute("report", "daily", compute, **{"ttl": 60, "compute_seconds": 600, **times})


async def _until_waiting(cache: AsyncCache) -> None:
    channel = keys.cache(cache.organization, "report", "daily")
    async with asyncio.timeout(10):
        while (await cache.connection.client().pubsub_numsub(channel))[0][1] == 0:
            await asyncio.sleep(0.005)


def test_values_are_stored_found_and_deleted(tenant: uuid.UUID) -> None:
    async def use() -> list[Any]:
        async with _cache(tenant) as cache:
            stored = [await cache.set("report", "a", None, 60), await cache.set_many("report", {"b": 1.0, "c": 2}, 60)]
            one, many = await cache.get("report", "a"), await cache.get_many("report", ["b", "c", "d"])
            deleted = [await cache.delete("report", "a"), await cache.delete_many("report", ["b"])]
            left = await cache.get_many("report", ["a", "b", "c"])
            values = {name: entry.value for name, entry in many.items()}
            return [stored, one and one.text, values, deleted, list(left)]

    assert asyncio.run(use()) == [[True, True], b"null", {"b": 1.0, "c": 2}, [True, True], ["c"]]


def test_a_hundred_at_once_compute_once(tenant: uuid.UUID) -> None:
    async def use() -> tuple[list[Any], int]:
        computation = Computation()
        async with _cache(tenant) as cache, asyncio.TaskGroup() as group:
            calls = [group.create_task(_compute(cache, computation)) for _ in range(100)]
            await _until_waiting(cache)
            computation.let_go.set()
            return [await call for call in calls], computation.count

    assert asyncio.run(use()) == (["computed"] * 100, 1)


def test_a_stale_value_is_taken_while_one_computes(tenant: uuid.UUID) -> None:
    async def use() -> tuple[Any, Any, Any]:
        computation = Computation("new")
        async with _cache(tenant) as cache:
            await cache.set("report", "daily", "old", 0.001, stale_seconds=60)
            while (found := await cache.get("report", "daily")) is not None and found.fresh:
                await asyncio.sleep(0.001)
            computing = asyncio.ensure_future(_compute(cache, computation))
            await computation.begun.wait()
            meanwhile = await _compute(cache, _quick)
            computation.let_go.set()
            return meanwhile, await computing, await _compute(cache, _quick)

    assert asyncio.run(use()) == ("old", "new", "new")


@pytest.mark.parametrize("end", ["fails", "is cancelled"])
def test_a_waiter_takes_over_from_who(tenant: uuid.UUID, end: str) -> None:
    async def use() -> Any:
        failing = Computation(ValueError("broken"))
        async with _cache(tenant) as cache:
            computing = asyncio.ensure_future(_compute(cache, failing))
            await failing.begun.wait()
            waiting = asyncio.ensure_future(_compute(cache, _quick, wait_seconds=600))
            await _until_waiting(cache)
            if end == "fails":
                failing.let_go.set()
            else:
                computing.cancel()
            taken_over = await asyncio.wait_for(waiting, 10)
            await asyncio.wait([computing])
            assert computing.cancelled() or isinstance(computing.exception(), ValueError)
            return taken_over

    assert asyncio.run(use()) == "quick"


def test_a_caller_who_is_cancelled_while_it_stores_lets_the_lease_go(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def use() -> tuple[bool, Any]:
        computation = Computation()
        async with _cache(tenant, valkey.url) as cache:
            computing = asyncio.ensure_future(_compute(cache, computation))
            await computation.begun.wait()
            # What is stored is not carried out before the caller is cancelled.
            with valkey.client() as client:
                client.client_pause(60_000, all=False)
                computation.let_go.set()
                for _ in range(10):
                    await asyncio.sleep(0)
                computing.cancel()
                client.client_unpause()
            await asyncio.wait([computing])
            return computing.cancelled(), await _compute(cache, _quick, wait_seconds=0)

    cancelled, value = asyncio.run(use())

    assert cancelled
    assert value in ("computed", "quick")


def test_whoever_waits_for_too_long_is_told_that_others_still_compute(tenant: uuid.UUID) -> None:
    async def use() -> Any:
        computation = Computation()
        async with _cache(tenant) as cache:
            computing = asyncio.ensure_future(_compute(cache, computation))
            await computation.begun.wait()
            for seconds in (0, 0.05):
                with pytest.raises(StillComputing):
                    await _compute(cache, _quick, wait_seconds=seconds)
            computation.let_go.set()
            return await computing

    assert asyncio.run(use()) == "computed"


@pytest.mark.parametrize("what", ["killed", "paused"])
def test_without_valkey_everything_fails_open(valkey: ValkeyServer, tenant: uuid.UUID, what: str) -> None:
    async def use() -> list[Any]:
        async with _cache(tenant, valkey.url) as cache:
            await cache.set("report", "daily", "stored", 60)
            if what == "killed":
                valkey.kill()
            else:
                valkey.pause()
            found = [await cache.get("report", "daily"), await cache.get_many("report", ["daily"])]
            stored = [await cache.set("report", "daily", 1, 60), await cache.delete("report", "daily")]
            computed = await _compute(cache, _quick)
            if what == "paused":
                valkey.resume()
            return [*found, *stored, computed]

    assert asyncio.run(use()) == [None, {}, False, False, "quick"]


def test_who_waits_when_valkey_is_killed_computes(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def use() -> tuple[Any, Any]:
        computation = Computation()
        async with _cache(tenant, valkey.url) as cache:
            computing = asyncio.ensure_future(_compute(cache, computation))
            await computation.begun.wait()
            waiting = asyncio.ensure_future(_compute(cache, _quick, wait_seconds=600))
            await _until_waiting(cache)
            valkey.kill()
            waited = await asyncio.wait_for(waiting, 20)
            computation.let_go.set()
            return await computing, waited

    assert asyncio.run(use()) == ("computed", "quick")
