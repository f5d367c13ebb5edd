"""Calls that wait, without a thread: each is a task of the loop until there is something to try, or nobody to tell."""

import asyncio
import signal
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from weakref import WeakValueDictionary

from api.waiting import TooManyWaits, WaitingCall
from config.bridge import Answer, Done, Receive
from coordination.bells import Bell
from coordination.connections import Unavailable
from coordination.shared import async_connection

Attempt = Callable[[], Awaitable[Answer]]
# Of one organization's calls, how many are tried at once. One push may wake all of them, and each try is a whole call
# in one of the few threads that serve everybody.
TRIES_AT_ONCE = 2


class CallerGone(Exception):
    """Raised when a caller hangs up who waits."""

    def __init__(self, call: WaitingCall) -> None:
        super().__init__("The caller hung up.")
        self.call = call


class Tries:
    """The tries of one organization's calls. It is there as long as any of them wait, or are still tried."""

    def __init__(self) -> None:
        self.calls = 0
        self._free = asyncio.Semaphore(TRIES_AT_ONCE)

    def limit(self, attempt: Callable[[Done], Awaitable[Answer]]) -> Attempt:
        """Return an attempt that waits for its turn. It is over when its thread is, though its caller may hang up."""

        async def in_turn() -> Answer:
            await self._free.acquire()
            return await attempt(self._over)

        return in_turn

    def _over(self) -> None:
        self._free.release()


class Waits:
    """The calls of one process that wait: so many, and so many of one organization."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most, self.most_of_one = most, most_of_one
        self._calls: dict[WaitingCall, Bell | None] = {}
        # Threads that work for callers who have hung up keep it too.
        self._by_organization: WeakValueDictionary[str, Tries] = WeakValueDictionary()
        self._ending = False

    @contextmanager
    def place(self, call: WaitingCall, organization: str) -> Iterator[Tries]:
        """Count a call for the length of the block, and yield its organization's tries; raises TooManyWaits."""
        tries = self._by_organization.get(organization) or Tries()
        if len(self._calls) >= self.most or tries.calls >= self.most_of_one:
            raise TooManyWaits("As many calls wait as may; try again in a moment, or without a wait.")
        self._calls[call] = None
        self._by_organization[organization] = tries
        tries.calls += 1
        try:
            yield tries
        finally:
            del self._calls[call]
            tries.calls -= 1

    async def finish(self, call: WaitingCall, receive: Receive, attempt: Attempt) -> Answer:
        """Try until there is an answer. Raises CallerGone; a try that had begun is then carried out all the same."""
        tries, gone = asyncio.create_task(self._try(call, attempt)), asyncio.create_task(_hang_up(receive))
        try:
            await asyncio.wait((tries, gone), return_when=asyncio.FIRST_COMPLETED)
            if gone.done():
                gone.result()
                raise CallerGone(call)
            return tries.result()
        finally:
            tries.cancel()
            gone.cancel()
            await asyncio.gather(tries, gone, return_exceptions=True)

    def end(self) -> None:
        """Have all calls answer now, and those that come answer without a wait: the process ends."""
        self._ending = True
        for call, bell in self._calls.items():
            call.end()
            if bell is not None:
                bell.ring()

    @contextmanager
    def ended_by_signals(self) -> Iterator[None]:
        """Have SIGTERM and SIGINT end all waits, besides what they do: granian lets calls end, and says nothing."""
        loop, before = asyncio.get_running_loop(), dict[int, Callable[[int, FrameType | None], object]]()

        def end(number: int, frame: FrameType | None) -> None:
            loop.call_soon_threadsafe(self.end)
            before[number](number, frame)

        if threading.current_thread() is threading.main_thread():
            for number in (int(signal.SIGTERM), int(signal.SIGINT)):
                # asyncio's handlers are woken past this one, by the signal's file descriptor.
                if callable(handler := signal.getsignal(number)):
                    before[number] = handler
                    signal.signal(number, end)
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def _try(self, call: WaitingCall, attempt: Attempt) -> Answer:
        pause = call.pause
        assert pause is not None
        if self._ending:
            call.end()
        try:
            async with async_connection().bells.listen(pause.channel) as bell:
                self._calls[call] = bell
                while True:
                    answer = await attempt()
                    pause = call.pause
                    if pause is None:
                        if answer.is_refusal:
                            # What it was woken for may still be there.
                            bell.pass_on()
                        return answer
                    await bell.wait(pause.seconds)
        except Unavailable:
            # The operation says so itself, or does without Valkey.
            call.end()
            return await attempt()


async def _hang_up(receive: Receive) -> None:
    """Return when the caller is gone. What else is sent within one call is read, and kept by nobody."""
    while (await receive())["type"] != "http.disconnect":
        continue
