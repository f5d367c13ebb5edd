"""The cache: JSON values with a time to live, for all processes of an organization. Needs no Django.

    cache = Cache(connection, organization)
    report = cache.get_or_compute("reports", "daily", compute, ttl=300, stale_seconds=60)

**When Valkey is gone** the cache fails open: nothing is found, `set` and `delete` return False, `get_or_compute`
computes. A call waits no longer for it than the connection's timeout; after one that was not answered in time the next
ones fail at once, but for one now and then that looks whether it is back (`coordination/pauses.py`).

Entries lie in Valkey's memory. Where it has an eviction policy they may be gone before their time.

All methods raise InvalidName, InvalidTTL, InvalidValue, ValueTooLarge or BatchTooLarge for what is refused, whether
Valkey is there or not. Times are seconds. `AsyncCache` is the same for asyncio.
"""

import json
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from coordination import bells, entries, keys, names
from coordination.calls import Call, T
from coordination.connections import AsyncConnection, Connection, Unavailable
from coordination.entries import Entry, Turn

__all__ = ["AsyncCache", "Cache", "Entry", "StillComputing"]

WAIT_SECONDS = COMPUTE_SECONDS = 30.0
# Whoever cannot ask whose turn it is takes it.
ALONE = Turn(None, granted=True, ends_in_seconds=0)


class StillComputing(Exception):
    """Raised when the value was still being computed by others at the end of the wait, and there was no stale one."""


@dataclass(frozen=True, slots=True)
class _Work:
    """One get_or_compute: its calls, checked before anything is computed."""

    organization: keys.Tenant | None
    resource: str
    name: str
    life: entries.Life
    wait_seconds: float
    token: str
    turn: Call[Turn]

    @property
    def channel(self) -> str:
        return keys.cache(self.organization, self.resource, self.name)

    @property
    def release(self) -> Call[bool]:
        return entries.release(self.organization, self.resource, self.name, token=self.token)

    def store(self, text: bytes) -> Call[bool]:
        return entries.put(self.organization, self.resource, {self.name: text}, self.life, token=self.token)


class _Names:
    """Whose entries they are, and the calls that both caches make."""

    def __init__(self, organization: keys.Tenant | None) -> None:
        self.organization = organization

    def _put(
        self, resource: str, values: Mapping[str, Any], ttl: float, stale_seconds: float, *, token: str = ""
    ) -> Call[bool]:
        life = entries.life(ttl, stale_seconds)
        entries.check_batch(values)
        texts = {name: names.encode(value) for name, value in values.items()}
        return entries.put(self.organization, resource, texts, life, token=token)

    def _work(self, resource: str, name: str, life: entries.Life, wait_seconds: float, compute_seconds: float) -> _Work:
        token, wait_seconds = entries.new_token(), entries.check_wait(wait_seconds)
        turn = entries.turn(self.organization, resource, name, token=token, compute_seconds=compute_seconds)
        return _Work(self.organization, resource, name, life, wait_seconds, token, turn)


class Cache(_Names):
    """The cache of one organization, for threads."""

    def __init__(self, connection: Connection, organization: keys.Tenant | None = None) -> None:
        super().__init__(organization)
        self.connection = connection

    def get(self, resource: str, name: str) -> Entry | None:
        """Return the entry, or None on a miss: a null that is cached is an entry whose `value` is None.

        One that was set with `stale_seconds` is found until these are over too; `fresh` says which it is.
        """
        return self.get_many(resource, [name]).get(name)

    def set(self, resource: str, name: str, value: Any, ttl: float, *, stale_seconds: float = 0) -> bool:
        """Store a value, and return whether it was. Whoever computes one meanwhile does not overwrite it."""
        return self._run(self._put(resource, {name: value}, ttl, stale_seconds)) or False

    def delete(self, resource: str, name: str) -> bool:
        """Forget the value, and have none stored that is being computed: it may rest on what was true before.

        Returns False when Valkey is gone: the entry may then be found until its time to live is over.
        """
        return self.delete_many(resource, [name])

    def get_many(self, resource: str, wanted: Iterable[str]) -> dict[str, Entry]:
        """Return the entries that there are of at most 100 names, in one round trip for each 4 MiB."""
        found: dict[str, Entry] = {}
        left = list(wanted)
        while left and (answer := self._run(entries.get(self.organization, resource, left))):
            found |= answer.entries
            left = answer.left_out
        return found

    def set_many(self, resource: str, values: Mapping[str, Any], ttl: float, *, stale_seconds: float = 0) -> bool:
        """Store at most 100 values of 4 MiB together, all at once, and return whether they were stored."""
        return self._run(self._put(resource, values, ttl, stale_seconds)) or False

    def delete_many(self, resource: str, unwanted: Iterable[str]) -> bool:
        """Forget at most 100 values, as `delete` does."""
        return self._run(entries.delete(self.organization, resource, list(unwanted))) or False

    def get_or_compute(
        self,
        resource: str,
        name: str,
        compute: Callable[[], Any],
        *,
        ttl: float,
        stale_seconds: float = 0,
        wait_seconds: float = WAIT_SECONDS,
        compute_seconds: float = COMPUTE_SECONDS,
    ) -> Any:
        """Return the value that is stored; where none is fresh, one caller of all processes computes and stores it.

        The others take the stale value, or wait for the new one for `wait_seconds`; then they raise StillComputing.
        Whoever computes has `compute_seconds`: after that, or once they die, another takes over, and what they come
        with is returned to their own caller but not stored. If `compute` raises, the next one takes over at once. What
        is returned has been through JSON, also where it was just computed.

        When Valkey is gone every caller computes; nobody waits for another.
        """
        work = self._work(resource, name, entries.life(ttl, stale_seconds), wait_seconds, compute_seconds)
        try:
            found = self._take_turn(work)
            if found.entry is not None:
                return found.entry.value
            text = names.encode(compute())
            self._run(work.store(text))
        except BaseException:
            self._run(work.release)
            raise
        return json.loads(text)

    def _take_turn(self, work: _Work) -> Turn:
        with suppress(Unavailable):
            found = self.connection.run(work.turn)
            if found.waits and work.wait_seconds:
                found = self._wait(work)
            if found.waits:
                raise StillComputing("The value is still being computed.")
            return found
        return ALONE

    def _wait(self, work: _Work) -> Turn:
        ends = time.monotonic() + work.wait_seconds
        with bells.listen(self.connection, work.channel) as bell:
            # Once more, now that no ring can be missed.
            found = self.connection.run(work.turn)
            while found.waits and (left := ends - time.monotonic()) > 0:
                bell.wait(min(left, found.ends_in_seconds, bells.LOOK_AGAIN_SECONDS))
                found = self.connection.run(work.turn)
        return found

    def _run(self, call: Call[T]) -> T | None:
        with suppress(Unavailable):
            return self.connection.run(call)
        return None


class AsyncCache(_Names):
    """The same for asyncio; what Cache's docstrings say holds here."""

    def __init__(self, connection: AsyncConnection, organization: keys.Tenant | None = None) -> None:
        super().__init__(organization)
        self.connection = connection

    async def get(self, resource: str, name: str) -> Entry | None:
        """As Cache.get."""
        return (await self.get_many(resource, [name])).get(name)

    async def set(self, resource: str, name: str, value: Any, ttl: float, *, stale_seconds: float = 0) -> bool:
        """As Cache.set."""
        return await self._run(self._put(resource, {name: value}, ttl, stale_seconds)) or False

    async def delete(self, resource: str, name: str) -> bool:
        """As Cache.delete."""
        return await self.delete_many(resource, [name])

    async def get_many(self, resource: str, wanted: Iterable[str]) -> dict[str, Entry]:
        """As Cache.get_many."""
        found: dict[str, Entry] = {}
        left = list(wanted)
        while left and (answer := await self._run(entries.get(self.organization, resource, left))):
            found |= answer.entries
            left = answer.left_out
        return found

    async def set_many(self, resource: str, values: Mapping[str, Any], ttl: float, *, stale_seconds: float = 0) -> bool:
        """As Cache.set_many."""
        return await self._run(self._put(resource, values, ttl, stale_seconds)) or False

    async def delete_many(self, resource: str, unwanted: Iterable[str]) -> bool:
        """As Cache.delete_many."""
        return await self._run(entries.delete(self.organization, resource, list(unwanted))) or False

    async def get_or_compute(
        self,
        resource: str,
        name: str,
        compute: Callable[[], Awaitable[Any]],
        *,
        ttl: float,
        stale_seconds: float = 0,
        wait_seconds: float = WAIT_SECONDS,
        compute_seconds: float = COMPUTE_SECONDS,
    ) -> Any:
        """As Cache.get_or_compute. A caller who is cancelled lets the lease go."""
        work = self._work(resource, name, entries.life(ttl, stale_seconds), wait_seconds, compute_seconds)
        try:
            found = await self._take_turn(work)
            if found.entry is not None:
                return found.entry.value
            text = names.encode(await compute())
            await self._run(work.store(text))
        except BaseException:
            await self._run(work.release)
            raise
        return json.loads(text)

    async def _take_turn(self, work: _Work) -> Turn:
        with suppress(Unavailable):
            found = await self.connection.run(work.turn)
            if found.waits and work.wait_seconds:
                found = await self._wait(work)
            if found.waits:
                raise StillComputing("The value is still being computed.")
            return found
        return ALONE

    async def _wait(self, work: _Work) -> Turn:
        ends = time.monotonic() + work.wait_seconds
        async with self.connection.bells.listen(work.channel) as bell:
            found = await self.connection.run(work.turn)
            while found.waits and (left := ends - time.monotonic()) > 0:
                await bell.wait(min(left, found.ends_in_seconds, bells.LOOK_AGAIN_SECONDS))
                found = await self.connection.run(work.turn)
        return found

    async def _run(self, call: Call[T]) -> T | None:
        with suppress(Unavailable):
            return await self.connection.run(call)
        return None
