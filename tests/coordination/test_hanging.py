"""A server that hangs: one call at a time looks whether it is back, the others are refused at once."""

import asyncio
import threading
import time
import uuid
from collections.abc import Iterator

import pytest

from coordination import entries
from coordination.cache import AsyncCache, Cache
from coordination.connections import Connection, Unavailable
from tests.coordination.caching import PATIENCE, connected, connected_async, until
from tests.coordination.servers import ValkeyServer

# More than a call takes that waits for nothing.
LONG = PATIENCE * 0.8


@pytest.fixture
def connection(valkey: ValkeyServer) -> Iterator[Connection]:
    with connected(valkey) as found:
        yield found


def test_of_eight_threads_one_waits_after_each_pause(
    connection: Connection, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    cache, waited, ended = Cache(connection, tenant), list[float](), threading.Event()
    cache.set("report", "daily", 1, 60)
    valkey.pause()
    cache.get("report", "daily")
    began = time.monotonic()

    def work() -> None:
        while not ended.is_set():
            called = time.monotonic()
            cache.get("report", "daily")
            if time.monotonic() - called > LONG:
                waited.append(time.monotonic() - began)
            ended.wait(0.002)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for one in threads:
        one.start()
    until(lambda: len(waited) >= 2, 20)
    ended.set()
    for one in threads:
        one.join()
    valkey.resume()

    assert len(waited) == 2
    # After a pause of one second, and after one of two.
    assert waited[0] >= 1 + LONG
    assert waited[1] - waited[0] >= 2 + LONG


def test_of_many_coroutines_one_waits(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def main() -> list[int]:
        async with connected_async(valkey.url, PATIENCE) as connection:
            cache = AsyncCache(connection, tenant)
            await cache.set("report", "daily", 1, 60)

            async def took_long() -> bool:
                began = time.monotonic()
                await cache.get("report", "daily")
                return time.monotonic() - began > LONG

            valkey.pause()
            counts = [sum(await asyncio.gather(*(took_long() for _ in range(50))))]
            while len([count for count in counts if count]) < 3:
                await asyncio.sleep(0.01)
                counts.append(sum(await asyncio.gather(*(took_long() for _ in range(50)))))
            valkey.resume()
            return [count for count in counts if count]

    # Those who were under way, and one after each of two pauses.
    assert asyncio.run(main()) == [50, 1, 1]


def test_a_coroutine_that_is_cancelled_leaves_the_look_to_the_next(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def main() -> bool:
        async with connected_async(valkey.url, PATIENCE) as connection:
            cache = AsyncCache(connection, tenant)
            valkey.pause()
            await cache.get("report", "daily")
            cancelled = False
            while not cancelled:
                looking = asyncio.create_task(cache.get("report", "daily"))
                await asyncio.wait([looking], timeout=PATIENCE / 5)
                cancelled = looking.cancel()
            await asyncio.gather(looking, return_exceptions=True)
            valkey.resume()
            return await cache.set("report", "daily", 1, 60)

    assert asyncio.run(main())


def test_one_who_listens_finds_out_too(valkey: ValkeyServer) -> None:
    async def main() -> bool:
        async with connected_async(valkey.url, PATIENCE) as connection:
            valkey.pause()
            while not connection.breaker.is_shut:
                with pytest.raises(Unavailable):
                    async with connection.bells.listen("report"):
                        pass
            valkey.resume()
            while connection.breaker.is_shut:
                await asyncio.sleep(0.01)
                try:
                    async with connection.bells.listen("report"):
                        pass
                except Unavailable:
                    continue
            return connection.breaker.is_shut

    assert asyncio.run(main()) is False


def test_an_answer_that_is_a_refusal_ends_the_pause(
    connection: Connection, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    put = entries.put(tenant, "report", {"daily": b"1"}, entries.life(60))
    connection.run(put)
    valkey.pause()
    Cache(connection, tenant).get("report", "daily")
    valkey.resume()
    with valkey.client() as client:
        client.config_set("maxmemory", 1)

    def refusal() -> str:
        with pytest.raises(Unavailable) as refused:
            connection.run(put)
        return str(refused.value)

    until(lambda: refusal() == "Valkey cannot serve just now.")

    assert not connection.breaker.is_shut


def test_a_server_that_was_killed_while_it_hung_is_used_once_it_is_there(
    connection: Connection, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    cache = Cache(connection, tenant)
    valkey.pause()
    cache.get("report", "daily")
    valkey.kill()

    valkey.start()

    until(lambda: cache.set("report", "daily", 1, 60))
