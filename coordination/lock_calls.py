"""What is asked of Valkey about one lock: the calls and what they return. Needs no Django."""

import secrets
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from coordination import keys
from coordination.calls import Call, Script
from coordination.names import check_name, check_resource, milliseconds

MAX_LOCK_SECONDS = 24 * 3600
MAX_TOKEN_LENGTH, MIN_TOKEN_LENGTH = 200, 16
ACQUIRE = Script("lock", "lock_acquire")
EXTEND = Script("lock", "lock_extend")
RELEASE = Script("lock", "lock_release")
BREAK = Script("lock", "lock_break")
FIND = Script("lock", "lock_find")
# In place of an epoch.
WITHOUT_NUMBER = "-"


class LockHeld(Exception):
    """Raised when another holds the lock; `seconds` from now it ends, unless it is extended or released."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"Another holds the lock, for {seconds:.3f} more seconds unless it is extended or released.")
        self.seconds = seconds


class LockLost(Exception):
    """Raised when the lock is not held by this token: it is over, was released, or is another's."""


class InvalidToken(Exception):
    """Raised for a token of the caller's own that is too short to be a secret, too long, or not plain ASCII."""


@dataclass(frozen=True, slots=True)
class Lock:
    """What its holder knows of a lock. `expires_at` is by the clock of Valkey; `number` is 0 where it has none."""

    resource: str
    name: str
    token: str
    number: int
    expires_at: datetime
    _ends: float

    def remaining(self) -> float:
        """Return the seconds left by this process's own clock, counted from before the call; never too many."""
        return max(0.0, self._ends - time.monotonic())


@dataclass(frozen=True, slots=True)
class Holding:
    """What everyone may know of a lock that is held; `number` is 0 where it has none."""

    resource: str
    name: str
    number: int
    seconds: float
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class EpochNeeded:
    """What Valkey answers in place of a lock when its counter knows nothing of its present life."""

    least: int
    request: bytes | str


@dataclass(frozen=True, slots=True)
class Wanted:
    """One lock, named and checked, with the time that it is to run."""

    organization: keys.Tenant | None
    resource: str
    name: str
    token: str
    ttl: int = 0

    @property
    def key(self) -> str:
        return keys.lock(self.organization, self.resource, self.name)

    @property
    def _awaited(self) -> str:
        return keys.lock_awaited(self.organization, self.resource, self.name)

    def acquire(self, answer: EpochNeeded | None = None, epoch: int = 0) -> Call[Lock | EpochNeeded]:
        """Return the call that acquires it, with the epoch that an earlier answer asked for; raises LockHeld."""
        request = answer.request if answer else ""
        return Call(
            ACQUIRE,
            (self.key, keys.fencing(self.organization), self._awaited),
            (self.token, self.ttl, epoch, request),
            partial(self._acquired, time.monotonic()),
        )

    def take(self) -> Call[Lock]:
        """Return the call that acquires it without a number; raises LockHeld."""
        places = (self.key, keys.fencing(self.organization), self._awaited)
        return Call(ACQUIRE, places, (self.token, self.ttl, WITHOUT_NUMBER, ""), partial(self._taken, time.monotonic()))

    def extend(self) -> Call[Lock]:
        return Call(EXTEND, (self.key,), (self.token, self.ttl), partial(self._extended, time.monotonic()))

    def release(self) -> Call[None]:
        return Call(RELEASE, (self.key, self._awaited), (self.token,), self._released)

    def break_open(self) -> Call[bool]:
        """Return the call that ends it, whoever holds it; False where nobody does."""
        return Call(BREAK, (self.key, self._awaited), (), bool)

    def find(self) -> Call[Holding | None]:
        return Call(FIND, (self.key,), (), self._found)

    def _acquired(self, started: float, found: Any) -> Lock | EpochNeeded:
        if found[0] == 3:
            return EpochNeeded(int(found[1]), found[2])
        return self._taken(started, found)

    def _taken(self, started: float, found: Any) -> Lock:
        if found[0] == 2:
            raise LockHeld(max(found[1], 1) / 1000)
        return self._lock(started, found[1], found[2])

    def _extended(self, started: float, found: Any) -> Lock:
        if found is None:
            raise LockLost("The lock is not held by this token any more.")
        return self._lock(started, *found)

    @staticmethod
    def _released(found: Any) -> None:
        if not found:
            raise LockLost("The lock is not held by this token any more.")

    def _found(self, found: Any) -> Holding | None:
        if found is None:
            return None
        return Holding(self.resource, self.name, found[0], found[1] / 1000, _instant(found[2]))

    def _lock(self, started: float, number: int, ends: int) -> Lock:
        return Lock(self.resource, self.name, self.token, number, _instant(ends), started + self.ttl / 1000)


def new_token() -> str:
    """Return a token that nobody else has."""
    return secrets.token_urlsafe(24)


def check_wait(seconds: float) -> float:
    """Return a time to wait, which may be 0; raises InvalidTTL."""
    return seconds if seconds == 0 else milliseconds(seconds, most=MAX_LOCK_SECONDS, what="time to wait") / 1000


def wanted(
    organization: keys.Tenant | None, resource: str, name: str, *, token: str | None, ttl: float | None = None
) -> Wanted:
    """Return a lock as it is named; raises InvalidName, InvalidTTL, InvalidToken."""
    check_resource(resource)
    check_name(name, "name")
    if token is None:
        token = new_token()
    elif not (MIN_TOKEN_LENGTH <= len(token) <= MAX_TOKEN_LENGTH and token.isascii() and token.isprintable()):
        raise InvalidToken(f"A token has {MIN_TOKEN_LENGTH} to {MAX_TOKEN_LENGTH} printable characters of ASCII.")
    runs = 0 if ttl is None else milliseconds(ttl, most=MAX_LOCK_SECONDS)
    return Wanted(organization, resource, name, token, runs)


def _instant(milliseconds_since_1970: int) -> datetime:
    return datetime.fromtimestamp(milliseconds_since_1970 / 1000, tz=UTC)
