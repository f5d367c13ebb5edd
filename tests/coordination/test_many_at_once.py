"""More calls at once than there are turns: they wait, and a server that serves them all is not thought to hang."""

import asyncio
import threading
import uuid
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest
import redis
import redis.asyncio

from api.valkey_addresses import parse_valkey_url
from coordination import bells, connections
from coordination.cache import AsyncCache, Cache
from coordination.clients import async_client_for, client_for
from coordination.connections import CALLS_AT_ONCE, CROWDED, AsyncConnection, Connection, Unavailable
from coordination.entries import get
from tests.coordination.servers import ValkeyServer

MANY = 300


def test_as_many_coroutines_as_like_are_answered(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def main() -> list[object]:
        async with async_client_for(parse_valkey_url(valkey.url)) as client:
            cache = AsyncCache(AsyncConnection(lambda: client), tenant)
            await cache.set("report", "daily", 1, 60)
            return await asyncio.gather(*(cache.get("report", "daily") for _ in range(MANY)))

    assert None not in asyncio.run(main())


def test_as_many_threads_as_like_are_answered(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with client_for(parse_valkey_url(valkey.url)) as client, ThreadPoolExecutor(MANY) as threads:
        cache = Cache(Connection(lambda: client), tenant)
        cache.set("report", "daily", 1, 60)
        together = threading.Barrier(MANY)

        def work(_: int) -> object:
            together.wait(30)
            return cache.get("report", "daily")

        found = list(threads.map(work, range(MANY)))

    assert None not in found


def test_no_more_connections_are_opened_than_there_are_turns(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def main() -> int:
        async with async_client_for(parse_valkey_url(valkey.url)) as client:
            cache = AsyncCache(AsyncConnection(lambda: client), tenant)
            await asyncio.gather(*(cache.get("report", "daily") for _ in range(MANY)))
            return len(await client.client_list())

    assert asyncio.run(main()) <= CALLS_AT_ONCE


def test_threads_that_wait_for_bells_take_no_turn(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with client_for(parse_valkey_url(valkey.url)) as client, ExitStack() as waiting:
        connection = Connection(lambda: client)
        for number in range(2 * CALLS_AT_ONCE):
            waiting.enter_context(bells.listen(connection, f"report-{number}"))

        stored = Cache(connection, tenant).set("report", "daily", 1, 60)

    assert stored


def test_whose_turn_does_not_come_is_told_so_and_nobody_pauses(
    valkey: ValkeyServer, tenant: uuid.UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "CALLS_AT_ONCE", 1)
    monkeypatch.setattr(connections, "TURN_SECONDS", 0.2)
    call = get(tenant, "report", ["daily"])

    async def main() -> tuple[list[object], bool]:
        async with async_client_for(parse_valkey_url(valkey.url)) as client:
            connection = AsyncConnection(lambda: client)
            await connection.run(call)
            valkey.pause()
            first = asyncio.create_task(connection.run(call))
            second = await asyncio.gather(connection.run(call), return_exceptions=True)
            valkey.resume()
            await first
            return list(second), connection.breaker.is_shut

    [refused], shut = asyncio.run(main())

    assert isinstance(refused, Unavailable)
    assert (str(refused), shut) == (CROWDED, False)


def test_a_pool_of_the_callers_own_that_is_empty_is_no_reason_to_pause(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    call = get(tenant, "report", ["daily"])

    with redis.Redis.from_url(valkey.url, max_connections=1) as client:
        connection = Connection(lambda: client)
        with bells.listen(connection, "report"), pytest.raises(Unavailable, match=CROWDED):
            connection.run(call)
        found = connection.run(call)

    assert (found.entries, connection.breaker.is_shut) == ({}, False)


def test_a_coroutine_that_is_cancelled_while_it_waits_or_calls_leaves_its_turn(
    valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    async def main() -> list[object]:
        async with async_client_for(parse_valkey_url(valkey.url)) as client:
            cache = AsyncCache(AsyncConnection(lambda: client), tenant)
            await cache.set("report", "daily", 1, 60)
            for _ in range(5):
                calling = [asyncio.create_task(cache.get("report", "daily")) for _ in range(MANY)]
                await asyncio.sleep(0)
                [one.cancel() for one in calling]
                await asyncio.gather(*calling, return_exceptions=True)
            return await asyncio.gather(*(cache.get("report", "daily") for _ in range(MANY)))

    assert None not in asyncio.run(main())
