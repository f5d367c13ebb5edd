"""How many tries of one organization's calls are in threads at once, also of those whose callers have gone."""

import asyncio
import threading
from collections.abc import Callable, Iterable

from api.waiting import WaitingCall
from config.bridge import Answer, Bridge, Environ
from config.waits import TRIES_AT_ONCE, Tries, Waits

THREADS = 8


class Held:
    """An application that answers once it is let go."""

    def __init__(self) -> None:
        self.begun, self.let_go = 0, threading.Event()
        self._lock = threading.Lock()

    def __call__(self, environ: Environ, start_response: Callable[..., object]) -> Iterable[bytes]:
        with self._lock:
            self.begun += 1
        self.let_go.wait(30)
        start_response("200 OK", [])
        return [b""]


async def _begin(bridge: Bridge, tries: Tries, count: int) -> list[asyncio.Future[Answer]]:
    """Begin tries, and return once as many as may are in threads."""
    attempt = tries.limit(lambda done: bridge.call({"REQUEST_METHOD": "GET"}, done))
    tasks: list[asyncio.Future[Answer]] = [asyncio.ensure_future(attempt()) for _ in range(count)]
    # Each task runs until it waits for a thread or for its turn.
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    return tasks


def _waits() -> tuple[Waits, Held, Bridge]:
    held = Held()
    return Waits(100, 100), held, Bridge(held, THREADS)


def test_two_tries_of_one_organization_are_in_threads_at_once() -> None:
    async def main() -> tuple[int, int]:
        waits, held, bridge = _waits()
        with waits.place(WaitingCall(20, patient=True), "one") as tries:
            tasks = await _begin(bridge, tries, 20)
            submitted = held.begun + bridge.threads._work_queue.qsize()
            held.let_go.set()
            await asyncio.gather(*tasks)
        return submitted, held.begun

    assert asyncio.run(main()) == (TRIES_AT_ONCE, 20)


def test_those_of_another_organization_wait_for_none_of_them() -> None:
    async def main() -> int:
        waits, held, bridge = _waits()
        with (
            waits.place(WaitingCall(20, patient=True), "one") as tries,
            waits.place(WaitingCall(20, patient=True), "another") as others,
        ):
            tasks = await _begin(bridge, tries, 20) + await _begin(bridge, others, 20)
            submitted = held.begun + bridge.threads._work_queue.qsize()
            held.let_go.set()
            await asyncio.gather(*tasks)
        return submitted

    assert asyncio.run(main()) == 2 * TRIES_AT_ONCE


def test_threads_count_whose_callers_have_all_hung_up() -> None:
    async def main() -> tuple[int, int]:
        waits, held, bridge = _waits()
        for _ in range(3):
            with waits.place(WaitingCall(20, patient=True), "one") as tries:
                tasks = await _begin(bridge, tries, 5)
                while held.begun < TRIES_AT_ONCE:
                    await asyncio.sleep(0.001)
                [one.cancel() for one in tasks]
                await asyncio.gather(*tasks, return_exceptions=True)
            del tries, tasks
        begun = held.begun
        held.let_go.set()
        with waits.place(WaitingCall(20, patient=True), "one") as tries:
            await asyncio.gather(*await _begin(bridge, tries, 5))
        return begun, held.begun

    assert asyncio.run(main()) == (TRIES_AT_ONCE, TRIES_AT_ONCE + 5)


def test_nothing_is_kept_of_an_organization_of_which_no_call_waits() -> None:
    async def main() -> int:
        waits, held, bridge = _waits()
        held.let_go.set()
        for number in range(10):
            with waits.place(WaitingCall(20, patient=True), str(number)) as tries:
                await asyncio.gather(*await _begin(bridge, tries, 3))
            del tries
        # What a thread was done with last is told to the loop.
        bridge.threads.shutdown()
        await asyncio.sleep(0)
        return len(waits._by_organization)

    assert asyncio.run(main()) == 0
