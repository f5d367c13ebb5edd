"""Calls that wait, without a thread: each is a task of the loop until there is something to try, or nobody to tell."""

import asyncio
import signal
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from types import FrameType

from api.waiting import TooManyWaits, WaitingCall
from config.bridge import Answer, Receive
from coordination.bells import Bell
from coordination.connections import Unavailable
from coordination.shared import async_connection

Attempt = Callable[[], Awaitable[Answer]]


class CallerGone(Exception):
    """Raised when a caller hangs up who waits."""

    def __init__(self, call: WaitingCall) -> None:
        super().__init__("The caller hung up.")
        self.call = call


class Waits:
    """The calls of one process that wait: so many, and so many of one organization."""

    def __init__(self, most: int, most_of_one: int) -> None:
        self.most, self.most_of_one = most, most_of_one
        self._calls: dict[WaitingCall, Bell | None] = {}
        self._by_organization: Counter[str] = Counter()
        self._ending = False

    @contextmanager
    def place(self, call: WaitingCall, organization: str) -> Iterator[None]:
        """Count a call for the length of the block; raises TooManyWaits."""
        if len(self._calls) >= self.most or self._by_organization[organization] >= self.most_of_one:
            raise TooManyWaits("As many calls wait as may; try again in a moment, or without a wait.")
        self._calls[call] = None
        self._by_organization[organization] += 1
        try:
            yield
        finally:
            del self._calls[call]
            self._by_organization[organization] -= 1
            if not self._by_organization[organization]:
                del self._by_organization[organization]

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
