"""What calls hold while they are under way: bodies, collected before a thread is taken; answers, until they are sent.

Both are bounded in time, and in what all of them, and those of one organization, hold together.
"""

import asyncio
import logging
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from io import BytesIO

from django.http.request import UnreadablePostError

from api.requests import MIB, BodyLimit, BodyTooLarge
from config.bridge import Answer, Message, Receive, Send

logger = logging.getLogger("holdfast.front")
# What a call may hold without being counted. Who holds all that is counted turns away large bodies, never these; and
# larger ones are taken from known callers only.
UNCOUNTED_BYTES = 64 * 1024
SMALL = BodyLimit(UNCOUNTED_BYTES)


class BodyTooSlow(Exception):
    """Raised when a body does not come in time."""


class TooManyBodies(Exception):
    """Raised when large bodies and answers under way hold all the memory that they may."""


class TooManyAnswers(Exception):
    """Raised when a large answer finds no room beside what other calls hold."""


# What a caller is refused by who may be sending on.
STILL_SENT = (BodyTooLarge, TooManyBodies)


class Bodies:
    """What the calls of one process may take: seconds without a byte, seconds as a whole, and bytes held.

    A call counts from when its body comes until its answer is sent, by the larger of the two.
    """

    def __init__(
        self,
        *,
        idle_seconds: float = 30,
        whole_seconds: float = 300,
        held_at_most: int = 256 * MIB,
        held_by_one: int = 64 * MIB,
        drain_seconds: float = 5,
        drained_at_most: int = 32 * MIB,
    ) -> None:
        self.idle_seconds, self.whole_seconds = idle_seconds, whole_seconds
        self.held_at_most, self.held_by_one = held_at_most, held_by_one
        self.drain_seconds, self.drained_at_most = drain_seconds, drained_at_most
        self.held = 0
        self._held_by: defaultdict[str, int] = defaultdict(int)

    @asynccontextmanager
    async def collected(
        self,
        scope: Message,
        receive: Receive,
        *,
        limit: Callable[[], BodyLimit],
        admit: Callable[[], Awaitable[str]],
    ) -> AsyncIterator["Body"]:
        """Yield the body of a call, whole.

        `limit` and `admit` are asked about a body that is larger than UNCOUNTED_BYTES, before more of it is taken: how
        large it may be, and which organization sends it; what `admit` raises passes through. Raises BodyTooLarge, or
        what the limit has in its place, before anything is read where the length is declared, BodyTooSlow,
        TooManyBodies, and UnreadablePostError when the caller hangs up.
        """
        body = Body(self, limit, admit)
        try:
            declared = _declared(scope)
            await body.make_room(declared or 0)
            if declared != 0:
                await self._fill(body, receive, declared)
            body.stream.seek(0)
            yield body
        finally:
            self.hold(body, 0)

    def hold(self, body: "Body", count: int) -> bool:
        """Have a call hold so many bytes, for its organization; False when there is no room for more of them."""
        more = count - body.held
        if more > 0 and (self.held + more > self.held_at_most or self._held_by[body.holder] + more > self.held_by_one):
            return False
        self.held += more
        body.held = count
        self._held_by[body.holder] += more
        if not self._held_by[body.holder]:
            del self._held_by[body.holder]
        return True

    def hold_whole(self, body: "Body", holder: str) -> bool:
        """Have a call hold its body to the last byte, also a small one; False when there is no room for it."""
        body.holder = body.holder or holder
        return self.hold(body, body.size)

    async def _fill(self, body: "Body", receive: Receive, declared: int | None) -> None:
        now = asyncio.get_running_loop().time
        ends = now() + self.whole_seconds
        try:
            async with asyncio.timeout(min(self.idle_seconds, self.whole_seconds)) as timeout:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise UnreadablePostError(f"The connection ended after {body.size} bytes.")
                    if part := message.get("body"):
                        await body.add(part)
                        timeout.reschedule(min(now() + self.idle_seconds, ends))
                    if not message.get("more_body") or body.size == declared:
                        return
        except TimeoutError:
            raise BodyTooSlow(
                f"Send some of the body at least every {self.idle_seconds} s and all of it within "
                f"{self.whole_seconds} s; {body.size} bytes came."
            ) from None

    async def drain(self, receive: Receive) -> None:
        """Read on, and keep nothing, after a body was refused; for a few seconds and bytes, then its sender is cut off.

        Most clients look for an answer only once they have sent all. To one whose connection is closed before, the
        refusal is a broken pipe.
        """
        left = self.drained_at_most
        with suppress(TimeoutError):
            async with asyncio.timeout(self.drain_seconds):
                while left > 0:
                    message = await receive()
                    if message["type"] == "http.disconnect" or not message.get("more_body"):
                        return
                    left -= len(message.get("body", b""))

    def keep(self, answer: Answer, body: "Body") -> None:
        """Have the call hold its answer in place of its body. Raises TooManyAnswers, after which it cannot be sent."""
        body.stream = BytesIO()
        body.holder = body.holder or answer.organization
        if answer.is_large and not self.hold(body, max(body.held, answer.size - UNCOUNTED_BYTES)):
            answer.drop()
            raise TooManyAnswers("Many large answers are under way; this one was made and is not sent.")

    async def send(self, answer: Answer, send: Send) -> None:
        """Send the answer. A caller who takes none of a large one for too long is given up."""
        if not answer.is_large:
            await answer.send(send)
            return
        now = asyncio.get_running_loop().time
        ends = now() + self.whole_seconds

        async def patient(message: Message) -> None:
            await send(message)
            timeout.reschedule(min(now() + self.idle_seconds, ends))

        try:
            async with asyncio.timeout(min(self.idle_seconds, self.whole_seconds)) as timeout:
                await answer.send(patient)
        except TimeoutError:
            # The server closes a connection whose answer ends early, which is all that there is to tell by then.
            logger.warning("an answer was not taken in time")


class Body:
    """One body under way, and what its call holds."""

    def __init__(self, bodies: Bodies, limit: Callable[[], BodyLimit], admit: Callable[[], Awaitable[str]]) -> None:
        self.bodies, self._find_limit, self._admit = bodies, limit, admit
        self.stream = BytesIO()
        self.size = 0
        self.holder = ""
        self.held = 0
        self._limit = SMALL

    async def add(self, part: bytes) -> None:
        size = self.size + len(part)
        await self.make_room(size)
        if size > UNCOUNTED_BYTES and not self.bodies.hold(self, size - UNCOUNTED_BYTES):
            raise TooManyBodies("Many large bodies are under way; try again in a moment.")
        self.stream.write(part)
        self.size = size

    async def make_room(self, size: int) -> None:
        """Ask whether a body of this size is taken, from this caller."""
        if size <= self._limit.size:
            return
        if self._limit is SMALL:
            self._limit = self._find_limit()
        if size > self._limit.size:
            raise self._limit.refuse()
        if not self.holder:
            self.holder = await self._admit()


def _declared(scope: Message) -> int | None:
    """Return the declared length of the body: 0 where there is none, None where its end tells it."""
    for name, value in scope["headers"]:
        if name == b"content-length":
            # The server has checked its form; Python refuses to read one of thousands of digits.
            return int(value[:19]) if value.isdigit() else None
        if name == b"transfer-encoding":
            return None
    # From HTTP/2 on a body needs neither.
    return 0 if scope["http_version"].startswith("1") else None
