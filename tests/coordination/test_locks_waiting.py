import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from coordination import keys
from coordination.connections import Connection
from coordination.epochs import next_epoch
from coordination.lock_calls import Lock, LockHeld
from coordination.locks import AsyncLocks, Locks
from coordination.shared import async_connection
from tests.coordination.locking import until

# Far beyond what a test may take, so that whoever is woken in time was woken by what the test did.
LONG = 120


@pytest.fixture
def locks(connection: Connection, tenant: uuid.UUID) -> Locks:
    return Locks(connection, tenant, next_epoch=next_epoch)


def _listeners(connection: Connection, tenant: uuid.UUID) -> int:
    channel = keys.lock(tenant, "report", "daily")
    return int(connection.client().pubsub_numsub(channel)[0][1])


def _in_threads(count: int, work: Callable[[], Lock]) -> tuple[ThreadPoolExecutor, list[Future[Lock]]]:
    threads = ThreadPoolExecutor(count)
    return threads, [threads.submit(work) for _ in range(count)]


def test_a_release_wakes_who_waits_at_once(locks: Locks, connection: Connection, tenant: uuid.UUID) -> None:
    held = locks.acquire("report", "daily", LONG)
    threads, [waiting] = _in_threads(1, lambda: locks.acquire("report", "daily", LONG, wait_seconds=LONG))
    until(lambda: _listeners(connection, tenant) == 1)

    released = time.monotonic()
    locks.release("report", "daily", held.token)
    got = waiting.result(10)

    assert got.number > held.number
    assert time.monotonic() - released < 1
    threads.shutdown()


def test_the_end_of_a_lock_is_waited_for(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 0.3)

    got = locks.acquire("report", "daily", LONG, wait_seconds=LONG)

    assert got.number > held.number
    assert held.remaining() == 0


def test_a_lock_that_is_extended_is_waited_for_anew(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 0.1)
    extended = locks.extend("report", "daily", held.token, 0.4)

    locks.acquire("report", "daily", LONG, wait_seconds=LONG)

    assert extended.remaining() == 0


def test_a_wait_is_over_in_its_time(locks: Locks) -> None:
    locks.acquire("report", "daily", LONG)
    began = time.monotonic()

    with pytest.raises(LockHeld) as refused:
        locks.acquire("report", "daily", LONG, wait_seconds=0.2)

    assert 0.2 <= time.monotonic() - began < 5
    assert refused.value.seconds > LONG - 10


def test_all_who_wait_get_the_lock_in_the_end(locks: Locks) -> None:
    def take_turn() -> Lock:
        with locks.hold("report", "daily", LONG, wait_seconds=LONG) as held:
            return held.lock

    with locks.hold("report", "daily", LONG):
        threads, waiting = _in_threads(10, take_turn)

    numbers = [one.result(30).number for one in waiting]
    assert len(set(numbers)) == 10
    threads.shutdown()


def test_a_wait_sends_nothing_while_nothing_happens(locks: Locks, connection: Connection, tenant: uuid.UUID) -> None:
    held = locks.acquire("report", "daily", LONG)
    calls, run, tried = [], connection.run, threading.Event()
    counted = Connection(connection.client)

    def count(call):  # type: ignore[no-untyped-def]
        calls.append(call)
        try:
            return run(call)
        finally:
            if len(calls) == 2:
                tried.set()

    counted.run = count  # type: ignore[method-assign]
    waiter = Locks(counted, tenant, next_epoch=next_epoch)
    threads, [waiting] = _in_threads(1, lambda: waiter.acquire("report", "daily", LONG, wait_seconds=LONG))
    assert tried.wait(10)
    # Twice before the wait, and once when it is woken: whatever the time between.
    until(lambda: _listeners(connection, tenant) == 1)
    locks.release("report", "daily", held.token)
    waiting.result(10)

    assert len(calls) == 3
    threads.shutdown()


def test_coroutines_are_woken_too(locks: Locks, connection: Connection, tenant: uuid.UUID) -> None:
    held = locks.acquire("report", "daily", LONG)

    async def main() -> list[int]:
        here = async_connection()
        mine = AsyncLocks(here, tenant, next_epoch=next_epoch)

        async def take_turn() -> int:
            async with mine.hold("report", "daily", LONG, wait_seconds=LONG) as got:
                return got.number

        waiting = [asyncio.create_task(take_turn()) for _ in range(10)]
        await asyncio.to_thread(until, lambda: _listeners(connection, tenant) == 1)
        locks.release("report", "daily", held.token)
        async with asyncio.timeout(20):
            numbers = await asyncio.gather(*waiting)
        await here.bells.close()
        await here.client().aclose()
        return list(numbers)

    numbers = asyncio.run(main())

    assert len(set(numbers)) == 10
    assert min(numbers) > held.number


def test_a_coroutine_waits_for_the_end_of_a_lock(tenant: uuid.UUID, locks: Locks) -> None:
    held = locks.acquire("report", "daily", 0.3)

    async def main() -> int:
        here = async_connection()
        got = await AsyncLocks(here, tenant, next_epoch=next_epoch).acquire("report", "daily", LONG, wait_seconds=LONG)
        await here.bells.close()
        await here.client().aclose()
        return got.number

    assert asyncio.run(main()) > held.number
    assert held.remaining() == 0


@pytest.mark.parametrize("ending", ["released", "extended", "acquired again"])
def test_who_was_not_woken_learns_of_an_end_that_is_sooner(
    locks: Locks, connection: Connection, tenant: uuid.UUID, ending: str
) -> None:
    held = locks.acquire("report", "daily", LONG)

    async def main() -> list[int]:
        here = async_connection()
        mine = AsyncLocks(here, tenant, next_epoch=next_epoch)
        # A ring wakes one of them. It does not release: the next has to learn when its lock ends.
        waiting = [asyncio.create_task(mine.acquire("report", "daily", 0.2, wait_seconds=LONG)) for _ in range(3)]
        await asyncio.to_thread(until, lambda: _listeners(connection, tenant) == 1)
        if ending == "released":
            locks.release("report", "daily", held.token)
        elif ending == "extended":
            locks.extend("report", "daily", held.token, 0.2)
        else:
            locks.acquire("report", "daily", 0.2, token=held.token)
        async with asyncio.timeout(20):
            got = await asyncio.gather(*waiting)
        await here.bells.close()
        await here.client().aclose()
        return [one.number for one in got]

    numbers = asyncio.run(main())

    assert len(set(numbers)) == 3
    assert min(numbers) > held.number
