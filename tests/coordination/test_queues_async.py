"""Queues in an event loop, and waiting for what comes."""

import asyncio
import threading
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from django.conf import settings
from redis.asyncio import Redis

from coordination.connections import AsyncConnection, Connection
from coordination.names import InvalidTTL
from coordination.queue_messages import Message, QueueMissing, ReceiptStale, Settings
from coordination.queues import AsyncQueues, Queues


@asynccontextmanager
async def _opened(tenant: uuid.UUID) -> AsyncIterator[AsyncQueues]:
    async with Redis.from_url(settings.REDIS_URL, socket_timeout=2, protocol=2) as client:
        connection = AsyncConnection(lambda: client)
        yield AsyncQueues(connection, tenant)
        await connection.bells.close()


def test_every_method_does_in_a_loop_what_it_does_in_a_thread(tenant: uuid.UUID) -> None:
    async def run() -> None:
        async with _opened(tenant) as queues:
            await queues.configure("mail", Settings(max_attempts=2))
            await queues.push_many("mail", [1, 2])
            await queues.push("mail", 3, delay_seconds=60)
            assert [one.body for one in await queues.peek("mail")] == [1, 2]
            first, second = await queues.pop("mail", 2)
            await queues.extend("mail", first.receipt, 60)
            assert await queues.ack("mail", first.receipt) == [True]
            assert (await queues.release("mail", second.receipt)).state == "ready"
            [again] = await queues.pop("mail")
            assert (await queues.nack("mail", again.receipt)).state == "dead"
            assert [letter.body for letter in (await queues.dead("mail")).letters] == [2]
            assert (await queues.redrive("mail")).redriven == 1
            assert (await queues.state("mail")).ready == 1
            assert await queues.names() == ["mail"]
            assert (await queues.purge("mail", "all")).purged == 2
            await queues.delete("mail")
            with pytest.raises(QueueMissing):
                await queues.state("mail")

    asyncio.run(run())


def test_a_stale_receipt_is_refused_in_a_loop_too(tenant: uuid.UUID) -> None:
    async def run() -> None:
        async with _opened(tenant) as queues:
            await queues.push("mail", 1)
            [stale] = await queues.pop("mail", visibility_seconds=0.01)
            assert await queues.pop("mail", wait_seconds=5)
            with pytest.raises(ReceiptStale):
                await queues.ack("mail", stale.receipt)

    asyncio.run(run())


def test_who_waits_gets_what_is_pushed_to_a_queue_that_was_not_there(tenant: uuid.UUID) -> None:
    async def run() -> tuple[list[Message], float]:
        async with _opened(tenant) as queues:
            waiter = asyncio.create_task(queues.pop("mail", wait_seconds=20))
            await asyncio.sleep(0.1)
            pushed = time.monotonic()
            await queues.push("mail", "first")
            return await waiter, time.monotonic() - pushed

    [message], seconds = asyncio.run(run())

    assert message.body == "first"
    assert seconds < 2


def test_each_of_many_who_wait_gets_one_of_many(tenant: uuid.UUID) -> None:
    async def run() -> list[object]:
        async with _opened(tenant) as queues:
            waiters = [asyncio.create_task(queues.pop("mail", wait_seconds=20)) for _ in range(20)]
            await asyncio.sleep(0.1)
            await queues.push_many("mail", list(range(20)))
            return [message.body for found in await asyncio.gather(*waiters) for message in found]

    assert sorted(asyncio.run(run()), key=str) == sorted(range(20), key=str)


def test_who_waits_learns_of_what_is_due_before_all_it_knew_of(tenant: uuid.UUID) -> None:
    async def run() -> tuple[list[object], float]:
        async with _opened(tenant) as queues:
            await queues.push("mail", "later", delay_seconds=60)
            begun = time.monotonic()
            # One of them leaves before anything comes: whatever woke it must not be lost on the others.
            waiters = [asyncio.create_task(queues.pop("mail", wait_seconds=each)) for each in (0.2, 20)]
            await asyncio.sleep(0.1)
            await queues.push("mail", "soon", delay_seconds=0.3)
            found = await asyncio.gather(*waiters)
            return [message.body for one in found for message in one], time.monotonic() - begun

    bodies, seconds = asyncio.run(run())

    assert bodies == ["soon"]
    assert seconds < 3


def test_who_waits_gets_what_another_who_waited_left_undone(tenant: uuid.UUID) -> None:
    async def run() -> list[int]:
        async with _opened(tenant) as queues:
            # When they looked nothing was there, and no deadline was known.
            waiters = [
                asyncio.create_task(queues.pop("mail", visibility_seconds=0.3, wait_seconds=20)) for _ in range(2)
            ]
            await asyncio.sleep(0.1)
            await queues.push("mail", 1)
            return [message.attempts for found in await asyncio.gather(*waiters) for message in found]

    begun = time.monotonic()

    assert sorted(asyncio.run(run())) == [1, 2]
    assert time.monotonic() - begun < 5


def test_who_waits_gets_what_is_given_back(tenant: uuid.UUID) -> None:
    async def run() -> list[int]:
        async with _opened(tenant) as queues:
            await queues.push("mail", 1)
            [message] = await queues.pop("mail")
            waiter = asyncio.create_task(queues.pop("mail", wait_seconds=20))
            await asyncio.sleep(0.1)
            await queues.nack("mail", message.receipt, delay_seconds=0.1)
            return [one.attempts for one in await waiter]

    begun = time.monotonic()

    assert asyncio.run(run()) == [2]
    assert time.monotonic() - begun < 5


def test_who_waits_gets_what_is_redriven(connection: Connection, tenant: uuid.UUID) -> None:
    queues = Queues(connection, tenant)
    queues.configure("mail", Settings(max_attempts=1))
    queues.push("mail", 1)
    queues.nack("mail", queues.pop("mail")[0].receipt)
    found: list[Message] = []
    waiter = threading.Thread(target=lambda: found.extend(queues.pop("mail", wait_seconds=20)))
    begun = time.monotonic()
    waiter.start()

    queues.redrive("mail")
    waiter.join()

    assert [message.body for message in found] == [1]
    assert time.monotonic() - begun < 5


def test_a_wait_in_vain_ends_in_time(connection: Connection, tenant: uuid.UUID) -> None:
    begun = time.monotonic()

    found = Queues(connection, tenant).pop("mail", wait_seconds=0.3)

    assert found == []
    assert 0.3 <= time.monotonic() - begun < 2


def test_a_wait_below_zero_is_refused_in_a_loop_too(tenant: uuid.UUID) -> None:
    async def run() -> None:
        async with _opened(tenant) as queues:
            await queues.pop("mail", wait_seconds=-1)

    with pytest.raises(InvalidTTL):
        asyncio.run(run())
