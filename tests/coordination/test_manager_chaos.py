"""RedisCacheManager while its server is killed and started, flushed, or stops answering."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest

from coordination import RedisCacheManager
from coordination.connections import Unavailable
from tests.coordination.servers import PASSWORD, ValkeyServer

Act = Callable[[RedisCacheManager], Awaitable[Any]]
WORKERS, MOST = 8, 40


def _manager(valkey: ValkeyServer) -> RedisCacheManager:
    return RedisCacheManager("127.0.0.1", valkey.port, PASSWORD)


async def _answered(act: Callable[[], Awaitable[Any]], seconds: float = 10) -> Any:
    """Return what it answers once the server is back."""
    ends = time.monotonic() + seconds
    while True:
        try:
            return await act()
        except Unavailable:
            assert time.monotonic() < ends, "it never came back"
            await asyncio.sleep(0.02)


async def _disturbed(valkey: ValkeyServer, how: str) -> None:
    if how == "killed":
        valkey.kill()
        await asyncio.to_thread(valkey.start)
    elif how == "paused":
        valkey.pause()
        # Longer than a call waits, by its refusal.
        async with _manager(valkey) as other:
            with pytest.raises(Unavailable):
                await other.acquire_lock("disturbed", 1)
        valkey.resume()
    else:
        await asyncio.to_thread(valkey.flush)


async def _while_working(valkey: ValkeyServer, how: str, act: Act) -> list[Any]:
    """Have workers act again and again while the server is disturbed; return what was answered."""
    answers: list[Any] = []
    async with _manager(valkey) as manager:
        stopped = asyncio.Event()

        async def work() -> None:
            while not stopped.is_set():
                with suppress(Unavailable):
                    answers.append(await act(manager))
                # The cache is a miss at once, and waits for nothing.
                await asyncio.sleep(0.001)

        async with asyncio.TaskGroup() as group:
            for _ in range(WORKERS):
                group.create_task(work())
            await _more(answers)
            await _disturbed(valkey, how)
            await _more(answers)
            stopped.set()
    return answers


async def _more(answers: list[Any]) -> None:
    begun, ends = len(answers), time.monotonic() + 20
    while len(answers) < begun + 20:
        assert time.monotonic() < ends, "it never came back"
        await asyncio.sleep(0.005)


def test_a_release_without_an_answer_is_done_by_a_later_one(valkey: ValkeyServer) -> None:
    async def scenario() -> list[bool]:
        async with _manager(valkey) as manager, _manager(valkey) as other:
            await manager.acquire_lock("report", 60)
            valkey.kill()
            with pytest.raises(Unavailable):
                await manager.release_lock("report")
            await asyncio.to_thread(valkey.start)
            released = await _answered(lambda: manager.release_lock("report"))
            return [released, await other.acquire_lock("report", 60)]

    assert asyncio.run(scenario()) == [True, True]


def test_a_release_that_a_paused_server_has_yet_to_do_leaves_the_lock_to_others(valkey: ValkeyServer) -> None:
    async def scenario() -> bool:
        async with _manager(valkey) as manager, _manager(valkey) as other:
            await manager.acquire_lock("report", 60)
            valkey.pause()
            with pytest.raises(Unavailable):
                await manager.release_lock("report")
            valkey.resume()
            # False where the first was carried out after all.
            await _answered(lambda: manager.release_lock("report"))
            return await other.acquire_lock("report", 60)

    assert asyncio.run(scenario())


def test_a_lock_survives_a_kill_and_is_another_s_after_a_flush(valkey: ValkeyServer) -> None:
    async def scenario() -> list[bool]:
        async with _manager(valkey) as manager, _manager(valkey) as other:
            held = await manager.acquire_lock("report", 60)
            await _disturbed(valkey, "killed")
            kept = await _answered(lambda: other.acquire_lock("report", 60))
            await _disturbed(valkey, "flushed")
            taken = await other.acquire_lock("report", 60)
            return [held, kept, taken, await manager.release_lock("report"), await other.release_lock("report")]

    assert asyncio.run(scenario()) == [True, False, True, False, True]


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_no_more_than_the_limit_is_spent(valkey: ValkeyServer, how: str) -> None:
    answers = asyncio.run(_while_working(valkey, how, lambda manager: manager.rate_limit("mail", MOST, 3600)))

    assert sum(allowed for allowed, _ in answers) <= MOST
    assert [left for allowed, left in answers if not allowed][-1:] == [0]


def test_after_a_flush_a_limit_begins_anew(valkey: ValkeyServer) -> None:
    async def scenario() -> list[tuple[bool, int]]:
        async with _manager(valkey) as manager:
            spent = await manager.rate_limit("mail", 1, 3600)
            await _disturbed(valkey, "flushed")
            return [spent, await manager.rate_limit("mail", 1, 3600)]

    assert asyncio.run(scenario()) == [(True, 0), (True, 0)]


@pytest.mark.parametrize("how", ["killed", "paused"])
def test_what_was_pushed_and_answered_comes_out(valkey: ValkeyServer, how: str) -> None:
    numbers = iter(range(1_000_000))

    async def push(manager: RedisCacheManager) -> int:
        number = next(numbers)
        await manager.push_to_queue("mail", number)
        return number

    async def drain() -> set[int]:
        async with _manager(valkey) as manager:
            found = set()
            while (item := await _answered(lambda: manager.pop_from_queue("mail"))) is not None:
                found.add(item)
            return found

    pushed = asyncio.run(_while_working(valkey, how, push))

    assert asyncio.run(drain()) >= set(pushed)


def test_of_many_who_pop_through_a_kill_none_is_given_an_item_twice(valkey: ValkeyServer) -> None:
    async def scenario() -> list[int]:
        async with _manager(valkey) as manager:
            for number in range(400):
                await manager.push_to_queue("mail", number)
        # Its visibility (30 seconds) is longer than all of this: what a lost answer held is not back yet.
        return [item for item in await _while_working(valkey, "killed", _pop) if item is not None]

    popped = asyncio.run(scenario())

    assert len(popped) == len(set(popped))


async def _pop(manager: RedisCacheManager) -> Any:
    return await manager.pop_from_queue("mail")


def test_a_flushed_queue_is_empty_and_takes_items_again(valkey: ValkeyServer) -> None:
    async def scenario() -> list[Any]:
        async with _manager(valkey) as manager:
            await manager.push_to_queue("mail", "gone")
            await _disturbed(valkey, "flushed")
            found = [await manager.pop_from_queue("mail")]
            await manager.push_to_queue("mail", "new")
            return [*found, await manager.pop_from_queue("mail")]

    assert asyncio.run(scenario()) == [None, "new"]


@pytest.mark.parametrize("how", ["killed", "paused", "flushed"])
def test_a_value_is_what_was_stored_or_none(valkey: ValkeyServer, how: str) -> None:
    async def write_and_read(manager: RedisCacheManager) -> Any:
        await manager.set("user:7", {"a": 1}, 60)
        return await manager.get("user:7")

    answers = asyncio.run(_while_working(valkey, how, write_and_read))

    assert [answer for answer in answers if answer not in (None, {"a": 1})] == []
    assert _stored(valkey) == {"a": 1}


def _stored(valkey: ValkeyServer) -> Any:
    async def store_and_read() -> Any:
        async with _manager(valkey) as manager:
            await manager.set("user:7", {"a": 1}, 60)
            return await manager.get("user:7")

    return asyncio.run(store_and_read())
