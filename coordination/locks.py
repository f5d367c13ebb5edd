"""Locks that end by themselves, with a fencing number. Needs no Django.

A lock is held by a token until it is released or its time is over: a holder that stops, dies or is cut off holds nobody
up for longer. So a holder may believe in a lock that is over. What it protects must therefore look at the number: each
acquisition has a greater one than all before it in the organization, and a write that comes with a smaller number than
one that was seen is refused (coordination/fencing.py does so for sessions and tasks).

Without Valkey nothing is acquired, extended or released: every call raises Unavailable (locks fail closed). A Valkey
that lost locks, since it was emptied, restored or replaced by a replica, may give one out again while its holder still
believes in it; the new holder's number is greater all the same, because it begins with an epoch that PostgreSQL gave.
Nobody is served in turn: of those who wait, whoever asks first has it.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime

from coordination import keys
from coordination.bells import LOOK_AGAIN_SECONDS, listen
from coordination.connections import AsyncConnection, Connection, Unavailable
from coordination.lock_calls import Holding, Lock, LockHeld, LockLost, Wanted, check_wait, wanted

# An epoch is asked for once in the life of a server. More often only while servers change under the call.
ATTEMPTS = 5
# An epoch is at least what the clock says, in these parts of a second since then.
EPOCHS_BEGIN = datetime(2025, 1, 1, tzinfo=UTC)
EPOCHS_A_SECOND = 64
# Given the least that will do, returns an epoch that was never returned before. It may block.
NextEpoch = Callable[[int], int]


def check_epochs(organization: keys.Tenant | None, next_epoch: "NextEpoch | None") -> None:
    """Raise ValueError for the clock's epochs in an organization's counter: the service's numbers come from there."""
    if next_epoch is clock_epoch and organization is not None:
        raise ValueError(
            "clock_epoch is for locks of no organization; take coordination.epochs.next_epoch, or None for no numbers."
        )


class LockNotHeld(Exception):
    """Raised when a lock is asked for that nobody holds."""


def clock_epoch(least: int) -> int:
    """Return an epoch by this machine's clock, for programs that have no PostgreSQL to ask, and no organization.

    Numbers then grow as long as no clock is set back, and Valkey does not lose its memory twice in one instant.
    """
    return max(least, int((datetime.now(UTC) - EPOCHS_BEGIN).total_seconds() * EPOCHS_A_SECOND))


class _Held:
    """A lock inside its context."""

    def __init__(self, lock: Lock) -> None:
        self.lock = lock

    @property
    def token(self) -> str:
        return self.lock.token

    @property
    def number(self) -> int:
        """The fencing number, which the protected write is to send."""
        return self.lock.number

    @property
    def expires_at(self) -> datetime:
        return self.lock.expires_at

    def remaining(self) -> float:
        return self.lock.remaining()


class Held(_Held):
    """A lock inside a `with` block."""

    def __init__(self, locks: "Locks", lock: Lock) -> None:
        super().__init__(lock)
        self._locks = locks

    def extend(self, ttl: float) -> None:
        """Let it run `ttl` seconds from now; raises LockLost, Unavailable."""
        self.lock = self._locks.extend(self.lock.resource, self.lock.name, self.token, ttl)


class AsyncHeld(_Held):
    """A lock inside an `async with` block."""

    def __init__(self, locks: "AsyncLocks", lock: Lock) -> None:
        super().__init__(lock)
        self._locks = locks

    async def extend(self, ttl: float) -> None:
        """As Held.extend."""
        self.lock = await self._locks.extend(self.lock.resource, self.lock.name, self.token, ttl)


class Locks:
    """The locks of one organization. Each call is one round trip, but for a server's first acquisition.

    `next_epoch` draws the epochs that fencing numbers begin with: coordination.epochs.next_epoch in the service. With
    None the locks have no number (0), and the organization's counter is left alone; they exclude each other, and those
    that have one, all the same. Raises ValueError for clock_epoch with an organization.
    """

    def __init__(
        self, connection: Connection, organization: keys.Tenant | None, *, next_epoch: NextEpoch | None
    ) -> None:
        check_epochs(organization, next_epoch)
        self._connection, self._organization, self._next_epoch = connection, organization, next_epoch

    def acquire(
        self, resource: str, name: str, ttl: float, *, wait_seconds: float = 0, token: str | None = None
    ) -> Lock:
        """Acquire the lock for `ttl` seconds, waiting for it up to `wait_seconds`; raises LockHeld, Unavailable.

        With the token of a call whose answer was lost, it returns the lock that this call acquired, and lets it run
        `ttl` seconds from now. A token is a secret of whoever holds the lock: two who share it hold it together.
        """
        asked = wanted(self._organization, resource, name, token=token, ttl=ttl)
        ends = time.monotonic() + check_wait(wait_seconds)
        try:
            return self._attempt(asked)
        except LockHeld:
            if wait_seconds <= 0:
                raise
        with listen(self._connection, asked.key) as bell:
            while True:
                try:
                    return self._attempt(asked)
                except LockHeld as held:
                    if (left := ends - time.monotonic()) <= 0:
                        raise
                    # Nothing rings when a lock is over, nor when all are lost.
                    pause = min(left, held.seconds, LOOK_AGAIN_SECONDS)
                bell.wait(pause)

    def _attempt(self, asked: Wanted) -> Lock:
        if self._next_epoch is None:
            return self._connection.run(asked.take())
        answer, epoch = None, 0
        for _ in range(ATTEMPTS):
            found = self._connection.run(asked.acquire(answer, epoch))
            if isinstance(found, Lock):
                return found
            answer, epoch = found, self._next_epoch(found.least)
        raise Unavailable("Valkey changed while the lock was acquired.")

    def extend(self, resource: str, name: str, token: str, ttl: float) -> Lock:
        """Let the lock run `ttl` seconds from now; raises LockLost, Unavailable. The number stays."""
        return self._connection.run(wanted(self._organization, resource, name, token=token, ttl=ttl).extend())

    def release(self, resource: str, name: str, token: str) -> None:
        """Release the lock, and wake one who waits; raises LockLost, also when it was released before."""
        self._connection.run(wanted(self._organization, resource, name, token=token).release())

    def break_open(self, resource: str, name: str) -> None:
        """End the lock whoever holds it, and wake one who waits; raises LockNotHeld, Unavailable.

        Its holder is not told: they learn of it when they extend or release it, or by the refused write, once the next
        holder has written with a greater number.
        """
        if not self._connection.run(wanted(self._organization, resource, name, token=None).break_open()):
            raise LockNotHeld("Nobody holds the lock.")

    def find(self, resource: str, name: str) -> Holding | None:
        """Return what everyone may know of the lock, None when nobody holds it; raises Unavailable."""
        return self._connection.run(wanted(self._organization, resource, name, token=None).find())

    def get(self, resource: str, name: str) -> Holding:
        """As `find`; raises LockNotHeld when nobody holds it."""
        held = self.find(resource, name)
        if held is None:
            raise LockNotHeld("Nobody holds the lock.")
        return held

    @contextmanager
    def hold(
        self, resource: str, name: str, ttl: float, *, wait_seconds: float = 0, token: str | None = None
    ) -> Iterator[Held]:
        """Hold the lock while the block runs; raises as `acquire`.

        Leaving releases it only where it is still held by this token. That it was lost meanwhile raises nothing: the
        block may have ended in time, and whether it did only the protected write can tell, by the number. Nor does a
        Valkey that has gone: the lock ends by itself.
        """
        held = Held(self, self.acquire(resource, name, ttl, wait_seconds=wait_seconds, token=token))
        try:
            yield held
        finally:
            with suppress(LockLost, Unavailable):
                self.release(resource, name, held.token)


class AsyncLocks:
    """The same for asyncio. The epoch is drawn in a thread."""

    def __init__(
        self, connection: AsyncConnection, organization: keys.Tenant | None, *, next_epoch: NextEpoch | None
    ) -> None:
        check_epochs(organization, next_epoch)
        self._connection, self._organization, self._next_epoch = connection, organization, next_epoch

    async def acquire(
        self, resource: str, name: str, ttl: float, *, wait_seconds: float = 0, token: str | None = None
    ) -> Lock:
        """As Locks.acquire. Cancelled after the call was sent, it may leave a lock that nobody knows, until it ends."""
        asked = wanted(self._organization, resource, name, token=token, ttl=ttl)
        ends = time.monotonic() + check_wait(wait_seconds)
        try:
            return await self._attempt(asked)
        except LockHeld:
            if wait_seconds <= 0:
                raise
        async with self._connection.bells.listen(asked.key) as bell:
            while True:
                try:
                    return await self._attempt(asked)
                except LockHeld as held:
                    if (left := ends - time.monotonic()) <= 0:
                        raise
                    pause = min(left, held.seconds, LOOK_AGAIN_SECONDS)
                await bell.wait(pause)

    async def _attempt(self, asked: Wanted) -> Lock:
        if self._next_epoch is None:
            return await self._connection.run(asked.take())
        answer, epoch = None, 0
        for _ in range(ATTEMPTS):
            found = await self._connection.run(asked.acquire(answer, epoch))
            if isinstance(found, Lock):
                return found
            answer, epoch = found, await asyncio.to_thread(self._next_epoch, found.least)
        raise Unavailable("Valkey changed while the lock was acquired.")

    async def extend(self, resource: str, name: str, token: str, ttl: float) -> Lock:
        """As Locks.extend."""
        return await self._connection.run(wanted(self._organization, resource, name, token=token, ttl=ttl).extend())

    async def release(self, resource: str, name: str, token: str) -> None:
        """As Locks.release."""
        await self._connection.run(wanted(self._organization, resource, name, token=token).release())

    async def break_open(self, resource: str, name: str) -> None:
        """As Locks.break_open."""
        if not await self._connection.run(wanted(self._organization, resource, name, token=None).break_open()):
            raise LockNotHeld("Nobody holds the lock.")

    async def find(self, resource: str, name: str) -> Holding | None:
        """As Locks.find."""
        return await self._connection.run(wanted(self._organization, resource, name, token=None).find())

    @asynccontextmanager
    async def hold(
        self, resource: str, name: str, ttl: float, *, wait_seconds: float = 0, token: str | None = None
    ) -> AsyncIterator[AsyncHeld]:
        """As Locks.hold."""
        held = AsyncHeld(self, await self.acquire(resource, name, ttl, wait_seconds=wait_seconds, token=token))
        try:
            yield held
        finally:
            with suppress(LockLost, Unavailable):
                await self.release(resource, name, held.token)
