"""Waiting until something may have changed, by Valkey's publish and subscribe. Needs no Django.

A script that makes something available publishes on the channel named as its key how many waiters may find something:
1 for a lock, n for n messages. A message says no more than that: look again. Every waiter does the same: try; where
there is nothing, listen; try once more, now that nothing can be missed; wait; try. Nothing is kept for a ring that
nobody heard, so whoever only waits, without that second try, may wait in vain.

One connection of each event loop serves all of its waiters. Threads have one each, for the time of their wait.
"""

import asyncio
import math
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import TYPE_CHECKING, Any

import redis
import redis.asyncio

from coordination.cancellations import heeded_cancellation

if TYPE_CHECKING:
    from coordination.connections import Breaker, Connection

# How long the connection stays without a waiter, and how long it is quiet before the server is asked whether it lives.
LINGER_SECONDS = 5.0
QUIET_SECONDS = 10.0
# Between attempts to reach a server that is gone: doubled from the one to the other.
FIRST_PAUSE_SECONDS = 0.05
LAST_PAUSE_SECONDS = 1.0
# A waiter looks again after so long though nobody rang: a server that was flushed wakes nobody.
LOOK_AGAIN_SECONDS = 5.0
# How long an answer may take where the client was given no timeout.
PATIENCE_SECONDS = 5.0


class Bell:
    """One waiter's place in the row of a channel."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._heard = False

    @property
    def is_rung(self) -> bool:
        return self._rung.is_set()

    def ring(self) -> None:
        self._rung.set()

    def pass_on(self) -> None:
        """Leave the ring that was heard, if there was one, to the next waiter: this one came to no use of it."""
        if self._heard:
            self.ring()

    async def wait(self, seconds: float) -> bool:
        """Wait for a ring: True when it rang, at once where it has since the last wait, False when the time is over."""
        self._heard = False
        if not self.is_rung:
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0, seconds)):
                    await self._rung.wait()
        self._heard = self.is_rung
        self._rung.clear()
        return self._heard

    def is_unused(self, failed: bool) -> bool:
        """Tell whether a ring of it is left for another: it was not heard, or its hearer came to no use of it."""
        return self.is_rung or (failed and self._heard)


class _Channel:
    """The waiters of one name, in the order in which they came."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.waiters: dict[Bell, None] = {}
        self.settled = asyncio.Event()
        self.error: Exception | None = None

    def ring(self, count: int) -> None:
        """Wake so many of those who have not been woken yet."""
        for bell in self.waiters:
            if count <= 0:
                return
            if not bell.is_rung:
                bell.ring()
                count -= 1

    def ring_all(self) -> None:
        self.ring(len(self.waiters))


class Bells:
    """The waiters of one event loop. All methods run in it; what is between two awaits is not interrupted."""

    def __init__(self, client: Callable[[], redis.asyncio.Redis], breaker: "Breaker") -> None:
        self._client, self._breaker = client, breaker
        self._channels: dict[str, _Channel] = {}
        # What the server is to be told, and the channels whose SUBSCRIBE it has not answered yet.
        self._new: list[_Channel] = []
        self._ended: set[str] = set()
        self._changed = asyncio.Event()
        self._asked: deque[_Channel] = deque()
        self._answered = asyncio.Event()
        self._keeper: asyncio.Task[None] | None = None
        self._pause = FIRST_PAUSE_SECONDS

    @asynccontextmanager
    async def listen(self, name: str) -> AsyncIterator[Bell]:
        """Yield a bell once Valkey has confirmed the subscription: from then on no ring is missed. Raises Unavailable.

        A message wakes as many waiters as it says, in the order in which they came. A ring that its waiter leaves
        unused, cancelled or with its time over, or by an exception in the block, goes on to the next. When the
        connection is lost all are woken, and once more when it is back; what rang between is not known.
        """
        number = self._breaker.check()
        bell, channel = Bell(), self._find(name)
        channel.waiters[bell] = None
        failed = True
        try:
            await self._settled(channel, number)
            yield bell
            failed = False
        finally:
            del channel.waiters[bell]
            if bell.is_unused(failed):
                channel.ring(1)
            if not channel.waiters and self._channels.get(name) is channel:
                del self._channels[name]
                self._ended.add(name)
                self._changed.set()

    async def close(self) -> None:
        """End the connection now. Waiters that are left hear no ring any more."""
        if self._keeper is not None:
            await _end(self._keeper)

    async def _settled(self, channel: _Channel, number: int) -> None:
        """Wait for the subscription; what became of it the breaker hears, since this may be the one that it let in."""
        try:
            await channel.settled.wait()
        finally:
            if channel.error is None:
                self._breaker.leave(number)
        if channel.error is not None:
            raise self._breaker.refusal(channel.error, number) from channel.error

    def _find(self, name: str) -> _Channel:
        if name not in self._channels:
            channel = self._channels[name] = _Channel(name)
            self._new.append(channel)
            self._changed.set()
        if self._keeper is None:
            self._keeper = asyncio.create_task(self._keep(), name="bells")
        return self._channels[name]

    async def _keep(self) -> None:
        """Hold a connection for as long as there are waiters, and a little longer."""
        try:
            while self._channels:
                try:
                    await self._connected()
                except (redis.RedisError, OSError) as error:
                    self._lose(error)
                    if self._channels:
                        await asyncio.sleep(self._pause)
                        self._pause = min(2 * self._pause, LAST_PAUSE_SECONDS)
        except Exception as error:
            # A defect. Those who wait for a confirmation learn of it; the next listener begins anew.
            self._lose(error)
            raise
        finally:
            self._keeper = None

    async def _connected(self) -> None:
        """Serve the waiters over one connection; returns when there have been none for a while, raises when it is lost.

        Not from the pool: it would be counted there, and wait for others.
        """
        connection = self._client().connection_pool.make_connection()  # type: ignore[no-untyped-call]
        tasks: list[asyncio.Task[None]] = []
        try:
            with heeded_cancellation():
                await connection.connect()
            self._new, self._ended = list(self._channels.values()), set()
            self._asked.clear()
            tasks = [asyncio.create_task(run(connection)) for run in (self._tell, self._hear)]
            done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                task.result()
        finally:
            try:
                await _end(*tasks)
            finally:
                await connection.disconnect(nowait=True)

    async def _tell(self, connection: Any) -> None:
        """Subscribe to what is waited for, in one command for all that came during the last, and end what is not."""
        while True:
            self._changed.clear()
            ended = [name for name in self._ended if name not in self._channels]
            new = [channel for channel in self._new if self._channels.get(channel.name) is channel]
            self._ended, self._new = set(), []
            if ended:
                with heeded_cancellation():
                    await connection.send_command("UNSUBSCRIBE", *ended, check_health=False)
            if new:
                self._asked.extend(new)
                await self._ask(connection, "SUBSCRIBE", *(channel.name for channel in new))
            try:
                async with asyncio.timeout(QUIET_SECONDS if self._channels else LINGER_SECONDS):
                    await self._changed.wait()
            except TimeoutError:
                if not self._channels:
                    return
                await self._ask(connection, "PING")

    async def _ask(self, connection: Any, *command: str) -> None:
        """Send a command, and wait until it is answered."""
        self._answered.clear()
        with heeded_cancellation():
            await connection.send_command(*command, check_health=False)
        try:
            async with asyncio.timeout(connection.socket_timeout or PATIENCE_SECONDS):
                await self._answered.wait()
        except TimeoutError:
            raise redis.TimeoutError(f"{command[0]} was not answered.") from None

    async def _hear(self, connection: Any) -> None:
        while True:
            message = await connection.read_response(timeout=math.inf, disconnect_on_error=False, push_request=True)
            parts = [_text(part) for part in message] if isinstance(message, list) else [_text(message)]
            if parts[0] == "message":
                if parts[1] in self._channels:
                    self._channels[parts[1]].ring(_count(parts[2]))
            elif parts[0] == "subscribe":
                self._confirm(self._asked.popleft())
                if not self._asked:
                    self._answered.set()
            elif parts[0].lower() == "pong":
                self._answered.set()

    def _confirm(self, channel: _Channel) -> None:
        self._breaker.answered()
        self._pause = FIRST_PAUSE_SECONDS
        if channel.settled.is_set():
            # Subscribed anew after the connection was lost: what rang before this one is not known.
            channel.ring_all()
        channel.settled.set()

    def _lose(self, error: Exception) -> None:
        """Wake everyone, and fail those whose subscription was not confirmed."""
        self._breaker.refusal(error)
        for name, channel in list(self._channels.items()):
            if channel.settled.is_set():
                channel.ring_all()
            else:
                channel.error = error
                channel.settled.set()
                del self._channels[name]


class ThreadBell:
    """One thread's subscription."""

    def __init__(self, connection: "Connection", pubsub: Any) -> None:
        self._connection, self._pubsub = connection, pubsub
        self._was_lost = False

    def wait(self, seconds: float) -> bool:
        """Wait for a ring: True when it rang, at once where it has since the last wait, False when the time is over.

        A lost connection wakes too, once. Where the next wait finds none either it raises Unavailable.
        """
        ends = time.monotonic() + seconds
        while True:
            try:
                message = self._pubsub.get_message(timeout=max(0.0, ends - time.monotonic()))
            except (redis.RedisError, OSError) as error:
                if self._was_lost:
                    raise self._connection.breaker.refusal(error) from error
                self._was_lost = True
                return True
            # Subscribed anew, it does not know what rang before.
            if message is not None and message["type"] in ("message", "subscribe"):
                self._was_lost = False
                return True
            if time.monotonic() >= ends:
                return False


@contextmanager
def listen(connection: "Connection", name: str) -> Iterator[ThreadBell]:
    """Yield a bell for one thread, as Bells.listen does, on a connection of the client's pool. Raises Unavailable.

    Every message wakes it, whatever others it wakes; those who find nothing wait on.
    """
    pubsub = connection.client().pubsub()  # type: ignore[no-untyped-call]
    try:
        with connection.breaker.watch():
            pubsub.subscribe(name)
            patience = pubsub.connection.socket_timeout or PATIENCE_SECONDS
            if pubsub.get_message(timeout=patience) is None:
                raise redis.TimeoutError("SUBSCRIBE was not answered.")
        yield ThreadBell(connection, pubsub)
    finally:
        pubsub.close()


async def _end(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def _text(part: Any) -> str:
    return part.decode(errors="replace") if isinstance(part, bytes) else str(part)


def _count(text: str) -> int:
    """Return how many a message may wake; one that is no number wakes one."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 1
