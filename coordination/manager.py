"""RedisCacheManager: the four primitives in one class, for programs that know one of its name. Needs no Django."""

import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from api.valkey_addresses import ValkeyAddress
from coordination.cache import AsyncCache
from coordination.clients import async_client_for
from coordination.connections import AsyncConnection, Unavailable
from coordination.keys import Tenant
from coordination.lock_calls import LockHeld, LockLost
from coordination.locks import AsyncLocks
from coordination.loops import LoopConnections
from coordination.names import InvalidName
from coordination.queue_messages import ReceiptStale
from coordination.queues import AsyncQueues
from coordination.rate_limits import AsyncRateLimits

# The resource of a key without a colon.
NO_RESOURCE = "-"
# From so many locks on it is looked which of them are over.
TIDIED_FROM = 64


class RedisCacheManager:
    """Cache, rate limits, locks and queues at one server, for any number of tasks and event loops.

    A key `user:7` is the id `7` of the resource `user`, in the patterns of docs/reference/keys.md; one without a colon
    belongs to the resource `-`. With an organization's id the keys are those that the service uses for it. The class
    asks nobody whether it may: it is for programs that are trusted with the server's password.

    Times are in seconds. Each method raises InvalidName for a name that none may have, and but for the cache's
    Unavailable without the server. Connections are opened when they are needed, for each event loop, and end with it;
    `close`, or the end of `async with`, ends those of the running one before.
    """

    def __init__(
        self,
        host: str = "localhost",
        port: int = 6379,
        password: str | None = None,
        *,
        organization_id: Tenant | None = None,
    ) -> None:
        self._address = ValkeyAddress(((host, port),), password=password or "")
        self._organization = organization_id
        self._connections = LoopConnections(lambda: async_client_for(self._address))
        # Of the locks that this manager acquired: the token, and when it is certainly over.
        self._tokens: dict[str, tuple[str, float]] = {}
        self._tidied_at = TIDIED_FROM

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the running loop's connections. What is held stays held until its time is over."""
        await self._connections.close()

    async def set(self, key: str, value: Any, ttl: float) -> bool:
        """Keep a JSON value for `ttl` seconds; False where the server is gone.

        Raises InvalidValue, ValueTooLarge, InvalidTTL.
        """
        return await AsyncCache(self._connection(), self._organization).set(*_split(key), value, ttl)

    async def get(self, key: str) -> Any:
        """Return the value, or None where there is none, or the server is gone."""
        entry = await AsyncCache(self._connection(), self._organization).get(*_split(key))
        return entry.value if entry is not None and entry.fresh else None

    async def delete(self, key: str) -> bool:
        """Forget a value; False where the server is gone, and the value may come back with it."""
        return await AsyncCache(self._connection(), self._organization).delete(*_split(key))

    async def rate_limit(self, key: str, max_requests: int, window_seconds: float) -> tuple[bool, int]:
        """Spend one of `max_requests` of any `window_seconds`; return whether it may be, and how many are left."""
        limits = AsyncRateLimits(self._connection(), self._organization)
        found = await limits.check(*_split(key), max_requests=max_requests, window_seconds=window_seconds)
        return found.allowed, found.remaining

    async def acquire_lock(self, key: str, ttl: float) -> bool:
        """Try once to hold a lock for `ttl` seconds; False while anybody holds it, this manager too.

        It has no fencing number, and leaves the counter of numbers alone: what a holder may not do twice needs one, of
        coordination.locks. Where the answer is lost (Unavailable) it may be held all the same, until it ends.
        """
        try:
            lock = await self._locks().acquire(*_split(key), ttl)
        except LockHeld:
            return False
        self._tidy()
        # Counted from the answer: the server's count has begun before.
        self._tokens[key] = lock.token, time.monotonic() + ttl
        return True

    async def release_lock(self, key: str) -> bool:
        """Release what this manager acquired; False where it did not, or its time was over.

        After Unavailable it may be called again.
        """
        held = self._tokens.get(key)
        if held is None:
            return False
        try:
            await self._locks().release(*_split(key), held[0])
            released = True
        except LockLost:
            released = False
        # One that was acquired anew meanwhile has another token.
        if self._tokens.get(key) == held:
            del self._tokens[key]
        return released

    async def push_to_queue(self, name: str, item: Any) -> str:
        """Push a JSON value, and return the message's id once it is in the append-only file."""
        return await AsyncQueues(self._connection(), self._organization).push(name, item)

    async def pop_from_queue(self, name: str) -> Any:
        """Take the oldest item, or None where none is ready, and **acknowledge it at once**.

        So what its taker does not finish is lost with the taker. To keep it until it is done use AsyncQueues, or the
        API: their pop waits for an `ack`. Where the acknowledgement is not answered, the item may come again.
        """
        queues = AsyncQueues(self._connection(), self._organization)
        while messages := await queues.pop(name):
            [message] = messages
            try:
                with suppress(Unavailable):
                    await queues.ack(name, message.receipt)
            except ReceiptStale:
                continue  # It took so long that another has it.
            return message.body
        return None

    def _tidy(self) -> None:
        """Forget the locks that are over, whenever there are twice as many as were left the last time."""
        if len(self._tokens) < self._tidied_at:
            return
        now = time.monotonic()
        for key in [key for key, held in list(self._tokens.items()) if held[1] <= now]:
            self._tokens.pop(key, None)
        self._tidied_at = max(TIDIED_FROM, 2 * len(self._tokens))

    def _locks(self) -> AsyncLocks:
        return AsyncLocks(self._connection(), self._organization, next_epoch=None)

    def _connection(self) -> AsyncConnection:
        return self._connections.find()


def _split(key: str) -> tuple[str, str]:
    """Return resource and id of a key; raises InvalidName."""
    resource, colon, name = key.partition(":")
    if colon and resource == NO_RESOURCE:
        raise InvalidName(f"A key must not begin with '{NO_RESOURCE}:', which stands for none.")
    return (resource, name) if colon else (NO_RESOURCE, key)
