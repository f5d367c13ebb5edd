import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import TypeVar

import pytest

from coordination.epochs import next_epoch
from coordination.lock_calls import LockHeld, LockLost, new_token
from coordination.locks import AsyncLocks
from coordination.shared import async_connection

T = TypeVar("T")
Body = Callable[[AsyncLocks], Awaitable[T]]


def _run(tenant: uuid.UUID, body: Body[T]) -> T:
    async def main() -> T:
        connection = async_connection()
        try:
            return await body(AsyncLocks(connection, tenant, next_epoch=next_epoch))
        finally:
            await connection.bells.close()
            await connection.client().aclose()

    return asyncio.run(main())


def test_a_lock_that_is_held_is_not_acquired(tenant: uuid.UUID) -> None:
    async def body(locks: AsyncLocks) -> None:
        await locks.acquire("report", "daily", 60)
        await locks.acquire("report", "daily", 60)

    with pytest.raises(LockHeld):
        _run(tenant, body)


def test_an_async_context_holds_the_lock_extends_and_releases_it(tenant: uuid.UUID) -> None:
    async def body(locks: AsyncLocks) -> tuple[int, int, float, bool]:
        async with locks.hold("report", "daily", 1) as held:
            await held.extend(60)
            inside = await locks.find("report", "daily")
            assert inside is not None
            return held.number, inside.number, held.remaining(), await locks.find("report", "other") is None

    held, inside, remaining, nothing = _run(tenant, body)

    assert (held == inside, remaining > 59, nothing) == (True, True, True)
    assert _run(tenant, lambda locks: locks.find("report", "daily")) is None


def test_another_token_neither_extends_nor_releases(tenant: uuid.UUID) -> None:
    async def body(locks: AsyncLocks) -> None:
        await locks.acquire("report", "daily", 60)
        with pytest.raises(LockLost):
            await locks.extend("report", "daily", new_token(), 60)
        with pytest.raises(LockLost):
            await locks.release("report", "daily", new_token())

    _run(tenant, body)

    assert _run(tenant, lambda locks: locks.find("report", "daily")) is not None


def test_one_of_fifty_coroutines_at_a_time_holds_the_lock(tenant: uuid.UUID) -> None:
    inside: list[int] = []
    numbers: list[int] = []

    async def hold_once(locks: AsyncLocks) -> None:
        async with locks.hold("report", "daily", 30, wait_seconds=30) as held:
            inside.append(held.number)
            assert inside == [held.number]
            await asyncio.sleep(0)
            numbers.append(inside.pop())

    async def body(locks: AsyncLocks) -> None:
        await asyncio.gather(*(hold_once(locks) for _ in range(50)))

    _run(tenant, body)

    assert numbers == sorted(set(numbers))
    assert len(numbers) == 50


def test_a_cancelled_block_releases_its_lock(tenant: uuid.UUID) -> None:
    async def body(locks: AsyncLocks) -> None:
        entered = asyncio.Event()

        async def stay() -> None:
            async with locks.hold("report", "daily", 60):
                entered.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(stay())
        await entered.wait()
        task.cancel()
        await asyncio.wait([task])

    _run(tenant, body)

    assert _run(tenant, lambda locks: locks.find("report", "daily")) is None
