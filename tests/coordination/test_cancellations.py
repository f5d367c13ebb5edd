"""A task that is cancelled ends, at whatever moment that is."""

import asyncio
import uuid
from collections.abc import Coroutine
from contextlib import suppress
from typing import Any

import pytest
from django.conf import settings

from coordination import keys
from coordination.cancellations import heeded_cancellation
from coordination.connections import AsyncConnection
from coordination.queues import AsyncQueues
from tests.coordination.caching import connected_async
from tests.coordination.counting import counting

# More turns of the loop than a call has.
TURNS = 60


async def _cancelled_as_it_is_done(work: Coroutine[Any, Any, str], done: "asyncio.Future[None]") -> str:
    """Return what comes of a task that is cancelled in the moment in which what it waits for is there."""
    task = asyncio.create_task(work)
    await asyncio.sleep(0)
    done.set_result(None)
    task.cancel()
    with suppress(asyncio.CancelledError):
        return await task
    return "cancelled"


async def _turns(count: int) -> None:
    for _ in range(count):
        await asyncio.sleep(0)


def test_a_cancellation_that_was_swallowed_is_raised() -> None:
    async def scenario() -> str:
        done = asyncio.get_running_loop().create_future()

        async def work() -> str:
            with heeded_cancellation():
                await asyncio.wait_for(done, 60)
            return "went on"

        return await _cancelled_as_it_is_done(work(), done)

    assert asyncio.run(scenario()) == "cancelled"


def test_a_cancellation_that_was_swallowed_is_raised_in_place_of_an_error() -> None:
    async def scenario() -> str:
        done = asyncio.get_running_loop().create_future()

        async def work() -> str:
            with suppress(OSError), heeded_cancellation():
                await asyncio.wait_for(done, 60)
                raise OSError
            return "went on"

        return await _cancelled_as_it_is_done(work(), done)

    assert asyncio.run(scenario()) == "cancelled"


def test_a_task_that_was_cancelled_before_may_clean_up(tenant: uuid.UUID) -> None:
    async def scenario() -> int:
        async with connected_async(settings.REDIS_URL) as connection:

            async def work() -> None:
                try:
                    await asyncio.Event().wait()
                finally:
                    await connection.run(counting(tenant))

            task = asyncio.create_task(work())
            await asyncio.sleep(0)
            task.cancel()
            await asyncio.wait([task])
            return await connection.run(counting(tenant))

    assert asyncio.run(scenario()) == 2


def test_no_task_goes_on_that_is_cancelled_while_it_calls(tenant: uuid.UUID) -> None:
    async def scenario() -> int:
        async with connected_async(settings.REDIS_URL) as connection:
            queues = AsyncQueues(connection, tenant)

            async def work() -> None:
                while True:
                    await queues.pop("mail")

            survived = 0
            for number in range(TURNS * 2):
                workers = [asyncio.create_task(work()) for _ in range(3)]
                await _turns(number % TURNS)
                for worker in workers:
                    worker.cancel()
                _, left = await asyncio.wait(workers, timeout=1)
                survived += len(left)
                while left:
                    for worker in left:
                        worker.cancel()
                    _, left = await asyncio.wait(left, timeout=0.05)
            return survived

    assert asyncio.run(scenario()) == 0


def test_a_timeout_around_calls_has_its_effect(tenant: uuid.UUID) -> None:
    async def call_on(connection: AsyncConnection) -> None:
        async with asyncio.timeout(0.02):
            for _ in range(1000):
                await connection.run(counting(tenant))

    async def scenario() -> list[object]:
        async with connected_async(settings.REDIS_URL) as connection:
            return await asyncio.gather(*(call_on(connection) for _ in range(30)), return_exceptions=True)

    assert [type(found) for found in asyncio.run(scenario())] == [TimeoutError] * 30


@pytest.mark.parametrize("turns", range(TURNS))
def test_the_bells_close_at_whatever_moment(tenant: uuid.UUID, turns: int) -> None:
    async def scenario() -> None:
        async with connected_async(settings.REDIS_URL) as connection:

            async def wait() -> None:
                async with connection.bells.listen(keys.queue(tenant, "mail")) as bell:
                    await bell.wait(60)

            waiter = asyncio.create_task(wait())
            await _turns(turns)
            async with asyncio.timeout(5):
                await connection.bells.close()
            waiter.cancel()
            await asyncio.wait([waiter])

    asyncio.run(scenario())
