"""Bodies of requests, collected before a thread is taken: bounded in size, in time, and in what all of them hold."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from io import BytesIO

from django.http.request import UnreadablePostError

from api.requests import DEFAULT_BODY_LIMIT, MIB, BodyTooLarge
from config.bridge import Message, Receive

# What a body may hold without being counted. Who holds all that is counted turns away large bodies, never these.
UNCOUNTED_BYTES = 64 * 1024


class BodyTooSlow(Exception):
    """Raised when a body does not come in time."""


class TooManyBodies(Exception):
    """Raised when large bodies under way hold all the memory that they may."""


class Bodies:
    """What the bodies of one process may take: in seconds without a byte, in seconds as a whole, and in bytes held.

    The bytes count as held until the application has answered, or for as long as they wait for a thread.
    """

    def __init__(self, *, idle_seconds: float = 30, whole_seconds: float = 300, held_at_most: int = 256 * MIB) -> None:
        self.idle_seconds, self.whole_seconds, self.held_at_most = idle_seconds, whole_seconds, held_at_most
        self.held = 0

    @asynccontextmanager
    async def collected(
        self, scope: Message, receive: Receive, limit: Callable[[], int]
    ) -> AsyncIterator[tuple[BytesIO, int]]:
        """Yield the body and its size.

        `limit` is asked only about a body that is larger than most operations take. Raises BodyTooLarge, before
        anything is read where the length is declared, BodyTooSlow, TooManyBodies, and UnreadablePostError when the
        caller hangs up.
        """
        declared = _declared(scope)
        if declared is not None and declared > DEFAULT_BODY_LIMIT:
            _refuse_beyond(limit(), declared)
        body = _Body(self, limit)
        try:
            if declared != 0:
                await self._fill(body, receive, declared)
            size = body.stream.tell()
            body.stream.seek(0)
            yield body.stream, size
        finally:
            self.held -= body.held

    async def _fill(self, body: "_Body", receive: Receive, declared: int | None) -> None:
        now = asyncio.get_running_loop().time
        ends = now() + self.whole_seconds
        try:
            async with asyncio.timeout(min(self.idle_seconds, self.whole_seconds)) as timeout:
                while True:
                    message = await receive()
                    if message["type"] == "http.disconnect":
                        raise UnreadablePostError(f"The connection ended after {body.stream.tell()} bytes.")
                    if part := message.get("body"):
                        body.add(part)
                        timeout.reschedule(min(now() + self.idle_seconds, ends))
                    if not message.get("more_body") or body.stream.tell() == declared:
                        return
        except TimeoutError:
            raise BodyTooSlow(
                f"Send some of the body at least every {self.idle_seconds} s and all of it within "
                f"{self.whole_seconds} s; {body.stream.tell()} bytes came."
            ) from None


class _Body:
    def __init__(self, bodies: Bodies, limit: Callable[[], int]) -> None:
        self.bodies, self.find_limit = bodies, limit
        self.limit = DEFAULT_BODY_LIMIT
        self.stream = BytesIO()
        self.held = 0

    def add(self, part: bytes) -> None:
        size = self.stream.tell() + len(part)
        if size > self.limit:
            self.limit = self.find_limit()
            _refuse_beyond(self.limit, size)
        more = max(0, size - UNCOUNTED_BYTES) - self.held
        if more and self.bodies.held + more > self.bodies.held_at_most:
            raise TooManyBodies("Many large bodies are under way; try again in a moment.")
        self.bodies.held += more
        self.held += more
        self.stream.write(part)


def _refuse_beyond(limit: int, size: int) -> None:
    if size > limit:
        raise BodyTooLarge(f"The body is larger than the {limit} bytes that this operation takes.")


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
