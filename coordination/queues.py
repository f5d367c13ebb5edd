"""Durable queues, at least once. Needs no Django.

A message stays until it is acknowledged. Who pops it has it for its visibility, and unless it is acknowledged, given
back or extended by then, it goes to the next who pops. After max_attempts deliveries it goes to the dead letters, which
stay until they are redriven or purged. So a consumer may see a message twice, and must be idempotent; the order
is that of pushing, but not after a message was given back, delayed or taken over.

Queues are as durable as Valkey's append-only file: with `appendfsync always` what was pushed and answered survives a
kill. Without Valkey every method raises Unavailable. Whether a call whose answer was lost was carried out is then not
known: a push sent again may push twice; what a lost pop took comes back when its visibility ends, one attempt later;
all else is harmless to send again.

The clock is Valkey's. One method is one round trip, but for a pop that waits. Every method raises InvalidName for a
queue's name that none may have and, but for push, pop and configure, QueueMissing for a queue that is not there.
"""

import time
from collections.abc import Sequence
from datetime import datetime
from typing import Any

from coordination import keys
from coordination.bells import listen
from coordination.connections import AsyncConnection, Connection
from coordination.names import encode
from coordination.queue_calls import MAX_REDRIVEN, Calls, check_wait
from coordination.queue_messages import (
    DeadLetters,
    Message,
    Nacked,
    Peeked,
    Popped,
    Purgeable,
    Purged,
    Redriven,
    Settings,
    State,
)

# A pop in Python may wait as long as it likes. It looks by itself once in a while: of a deadline that was set since it
# looked only one who waits is told, and may have left by then.
MAX_WAIT_SECONDS = 24 * 3600
LOOK_SECONDS = 10.0


def look_again_in(popped: Popped) -> float:
    """Return after how many seconds a waiter looks again, whether or not it is woken."""
    return LOOK_SECONDS if popped.due_in is None else min(LOOK_SECONDS, popped.due_in)


class Queues:
    """The queues of one organization."""

    def __init__(self, connection: Connection, organization: keys.Tenant | None = None) -> None:
        self.connection = connection
        self.calls = Calls(organization)

    def push(self, name: str, body: Any, *, delay_seconds: float = 0) -> str:
        """Push a JSON value and return the message's id; the queue is made where there is none.

        With a delay of up to 30 days it is ready only then. Raises InvalidValue, ValueTooLarge, InvalidTTL, QueueFull,
        TooManyQueues.
        """
        [made] = self.push_many(name, [body], delay_seconds=delay_seconds)
        return made

    def push_many(self, name: str, bodies: Sequence[Any], *, delay_seconds: float = 0) -> list[str]:
        """Push up to 100 values of 4 MiB in all, in their order: all of them or, when it raises as push does, none."""
        return self.connection.run(self.calls.push(name, [(encode(body), delay_seconds) for body in bodies]))

    def pop(
        self, name: str, count: int = 1, *, visibility_seconds: float | None = None, wait_seconds: float = 0
    ) -> list[Message]:
        """Take up to `count` messages, 100 or 4 MiB at most, the oldest first; none when nothing is ready.

        They are the caller's for `visibility_seconds`, at most 12 hours (else the queue's own, 30). With
        `wait_seconds` it waits so long for the first one, also on a queue that is not there yet.
        """
        ends = time.monotonic() + check_wait(wait_seconds, MAX_WAIT_SECONDS)
        call = self.calls.pop(name, count, visibility_seconds)
        popped = self.connection.run(call)
        if popped.messages or not wait_seconds:
            return popped.messages
        with listen(self.connection, keys.queue(self.calls.organization, name)) as bell:
            while True:
                popped = self.connection.run(call)
                left = ends - time.monotonic()
                if popped.messages or left <= 0:
                    return popped.messages
                bell.wait(min(left, look_again_in(popped)))

    def ack(self, name: str, *receipts: str) -> list[bool]:
        """Be done with messages; True for each that thereby went, False where it was gone already.

        To repeat one is harmless. Raises ReceiptStale, and acknowledges none, when one has gone to another consumer or
        back to the queue; InvalidReceipt.
        """
        return self.connection.run(self.calls.ack(name, receipts))

    def nack(self, name: str, receipt: str, *, delay_seconds: float | None = None) -> Nacked:
        """Give a message back. It is delivered again after the delay; without one after 1 s, doubled each time.

        Of that half is chance, and 15 minutes the most. After max_attempts deliveries it goes to the dead letters. To
        repeat one is harmless: `gone`. Raises ReceiptStale when another has it, InvalidReceipt, InvalidTTL.
        """
        return self.connection.run(self.calls.nack(name, receipt, delay_seconds))

    def release(self, name: str, receipt: str) -> Nacked:
        """Give a message back at once."""
        return self.nack(name, receipt, delay_seconds=0)

    def extend(self, name: str, receipt: str, visibility_seconds: float) -> datetime:
        """Keep a message for so long from now, and return until when; raises ReceiptStale when it is not held."""
        return self.connection.run(self.calls.extend(name, receipt, visibility_seconds))

    def state(self, name: str) -> State:
        """Return how many messages there are, and the queue's settings."""
        return self.connection.run(self.calls.state(name))

    def configure(self, name: str, settings: Settings) -> None:
        """Give a queue its settings, all of them; it is made where there is none. What is in it stays as it is."""
        self.connection.run(self.calls.configure(name, settings))

    def peek(self, name: str, count: int = 10) -> list[Peeked]:
        """Return what the next pops would give, and take nothing."""
        return self.connection.run(self.calls.peek(name, count))

    def dead(self, name: str, *, after: str = "", limit: int = 50) -> DeadLetters:
        """Return dead letters, the oldest first; `after` is the receipt of the last one of the page before."""
        return self.connection.run(self.calls.dead(name, after, limit))

    def redrive(self, name: str, receipts: Sequence[str] | None = None, *, limit: int = MAX_REDRIVEN) -> Redriven:
        """Push dead letters again, all or those named; they begin anew. At most 100 in a call, the oldest first."""
        return self.connection.run(self.calls.redrive(name, receipts, limit))

    def purge(self, name: str, what: Purgeable) -> Purged:
        """Drop what waits (ready or delayed), the dead letters, or all, also what is in flight."""
        return self.connection.run(self.calls.purge(name, what))

    def delete(self, name: str) -> None:
        """Drop a queue with its messages and its settings."""
        self.connection.run(self.calls.delete(name))

    def names(self, *, after: str = "", limit: int = 100) -> list[str]:
        """Return names of queues in the order of their bytes, from behind `after`."""
        return self.connection.run(self.calls.names(after, limit))


class AsyncQueues:
    """The same for asyncio."""

    def __init__(self, connection: AsyncConnection, organization: keys.Tenant | None = None) -> None:
        self.connection = connection
        self.calls = Calls(organization)

    async def push(self, name: str, body: Any, *, delay_seconds: float = 0) -> str:
        """Push a JSON value and return the message's id; the queue is made where there is none.

        With a delay of up to 30 days it is ready only then. Raises InvalidValue, ValueTooLarge, InvalidTTL, QueueFull,
        TooManyQueues.
        """
        [made] = await self.push_many(name, [body], delay_seconds=delay_seconds)
        return made

    async def push_many(self, name: str, bodies: Sequence[Any], *, delay_seconds: float = 0) -> list[str]:
        """Push up to 100 values of 4 MiB in all, in their order: all of them or, when it raises as push does, none."""
        return await self.connection.run(self.calls.push(name, [(encode(body), delay_seconds) for body in bodies]))

    async def pop(
        self, name: str, count: int = 1, *, visibility_seconds: float | None = None, wait_seconds: float = 0
    ) -> list[Message]:
        """Take up to `count` messages, 100 or 4 MiB at most, the oldest first; none when nothing is ready.

        They are the caller's for `visibility_seconds`, at most 12 hours (else the queue's own, 30). With
        `wait_seconds` it waits so long for the first one, also on a queue that is not there yet. What a pop took that
        is cancelled comes back when its visibility is over.
        """
        ends = time.monotonic() + check_wait(wait_seconds, MAX_WAIT_SECONDS)
        call = self.calls.pop(name, count, visibility_seconds)
        popped = await self.connection.run(call)
        if popped.messages or not wait_seconds:
            return popped.messages
        async with self.connection.bells.listen(keys.queue(self.calls.organization, name)) as bell:
            while True:
                popped = await self.connection.run(call)
                left = ends - time.monotonic()
                if popped.messages or left <= 0:
                    return popped.messages
                await bell.wait(min(left, look_again_in(popped)))

    async def ack(self, name: str, *receipts: str) -> list[bool]:
        """Be done with messages; True for each that thereby went, False where it was gone already.

        To repeat one is harmless. Raises ReceiptStale, and acknowledges none, when one has gone to another consumer or
        back to the queue; InvalidReceipt.
        """
        return await self.connection.run(self.calls.ack(name, receipts))

    async def nack(self, name: str, receipt: str, *, delay_seconds: float | None = None) -> Nacked:
        """Give a message back. It is delivered again after the delay; without one after 1 s, doubled each time.

        Of that half is chance, and 15 minutes the most. After max_attempts deliveries it goes to the dead letters. To
        repeat one is harmless: `gone`. Raises ReceiptStale when another has it, InvalidReceipt, InvalidTTL.
        """
        return await self.connection.run(self.calls.nack(name, receipt, delay_seconds))

    async def release(self, name: str, receipt: str) -> Nacked:
        """Give a message back at once."""
        return await self.nack(name, receipt, delay_seconds=0)

    async def extend(self, name: str, receipt: str, visibility_seconds: float) -> datetime:
        """Keep a message for so long from now, and return until when; raises ReceiptStale when it is not held."""
        return await self.connection.run(self.calls.extend(name, receipt, visibility_seconds))

    async def state(self, name: str) -> State:
        """Return how many messages there are, and the queue's settings."""
        return await self.connection.run(self.calls.state(name))

    async def configure(self, name: str, settings: Settings) -> None:
        """Give a queue its settings, all of them; it is made where there is none. What is in it stays as it is."""
        await self.connection.run(self.calls.configure(name, settings))

    async def peek(self, name: str, count: int = 10) -> list[Peeked]:
        """Return what the next pops would give, and take nothing."""
        return await self.connection.run(self.calls.peek(name, count))

    async def dead(self, name: str, *, after: str = "", limit: int = 50) -> DeadLetters:
        """Return dead letters, the oldest first; `after` is the receipt of the last one of the page before."""
        return await self.connection.run(self.calls.dead(name, after, limit))

    async def redrive(self, name: str, receipts: Sequence[str] | None = None, *, limit: int = MAX_REDRIVEN) -> Redriven:
        """Push dead letters again, all or those named; they begin anew. At most 100 in a call, the oldest first."""
        return await self.connection.run(self.calls.redrive(name, receipts, limit))

    async def purge(self, name: str, what: Purgeable) -> Purged:
        """Drop what waits (ready or delayed), the dead letters, or all, also what is in flight."""
        return await self.connection.run(self.calls.purge(name, what))

    async def delete(self, name: str) -> None:
        """Drop a queue with its messages and its settings."""
        await self.connection.run(self.calls.delete(name))

    async def names(self, *, after: str = "", limit: int = 100) -> list[str]:
        """Return names of queues in the order of their bytes, from behind `after`."""
        return await self.connection.run(self.calls.names(after, limit))
