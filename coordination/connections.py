"""Running calls on Valkey, sync and async. Needs no Django.

Nothing is sent twice: a call whose answer was lost may have been carried out, and only its caller knows whether that
may happen again. A pooled connection that the server has closed meanwhile is found out and replaced before it is used.
"""

import time
from collections.abc import Callable
from typing import TypeVar

import redis
import redis.asyncio
from redis.exceptions import (
    ClusterDownError,
    MasterDownError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
)

from coordination.bells import Bells
from coordination.calls import Call

T = TypeVar("T")
# How long nothing is tried after a call that was not answered in time: else every thread would wait as long, in turn.
PAUSE_SECONDS = 1.0
# Errors that say that the server cannot serve now; the rest are defects of a script, and are raised as they are.
REFUSING = (ReadOnlyError, MasterDownError, OutOfMemoryError, NoPermissionError)
# Those of which redis-py has no class.
REFUSING_CODES = ("MISCONF", "NOREPLICAS", "BUSY")


class Unavailable(Exception):
    """Raised when Valkey cannot be reached, cannot serve, or does not answer in time.

    Whether a call that was under way was carried out is not known.
    """


class ClusterRefused(Unavailable):
    """Raised when the server runs in cluster mode, which is not supported."""


class Breaker:
    """Remembers that the server has left a call unanswered, for PAUSE_SECONDS."""

    def __init__(self) -> None:
        self._until = 0.0

    def check(self) -> None:
        if time.monotonic() < self._until:
            raise Unavailable("Valkey did not answer in time a moment ago.")

    def refusal(self, error: Exception) -> Exception:
        """Return what to raise for an error of the client; a timeout is remembered."""
        if isinstance(error, redis.TimeoutError | TimeoutError):
            self._until = time.monotonic() + PAUSE_SECONDS
            return Unavailable("Valkey did not answer in time.")
        if isinstance(error, MovedError | ClusterDownError) and not isinstance(error, MasterDownError):
            return ClusterRefused("Valkey runs in cluster mode, which is not supported.")
        if isinstance(error, redis.ConnectionError | OSError):
            return Unavailable("Valkey cannot be reached.")
        if isinstance(error, REFUSING) or (
            isinstance(error, redis.ResponseError) and str(error).startswith(REFUSING_CODES)
        ):
            return Unavailable("Valkey cannot serve just now.")
        return error


class Connection:
    """Runs calls through a client, which is looked up each time: fail-over and tests may replace it."""

    def __init__(self, client: Callable[[], redis.Redis]) -> None:
        self.client = client
        self.breaker = Breaker()

    def run(self, call: Call[T]) -> T:
        """Carry out a call, in one round trip but for a server's first; raises Unavailable."""
        self.breaker.check()
        client, script = self.client(), call.script
        try:
            try:
                found = client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
            except NoScriptError:
                found = client.eval(script.text, len(call.keys), *call.keys, *call.arguments)
        except (redis.RedisError, OSError) as error:
            raise self.breaker.refusal(error) from error
        return call.read(found)


class AsyncConnection:
    """The same for asyncio, one for each event loop. `bells` wakes those who wait."""

    def __init__(self, client: Callable[[], redis.asyncio.Redis]) -> None:
        self.client = client
        self.breaker = Breaker()
        self.bells = Bells(client, self.breaker)

    async def run(self, call: Call[T]) -> T:
        """As Connection.run."""
        self.breaker.check()
        client, script = self.client(), call.script
        try:
            try:
                found = await client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
            except NoScriptError:
                found = await client.eval(script.text, len(call.keys), *call.keys, *call.arguments)
        except (redis.RedisError, OSError) as error:
            raise self.breaker.refusal(error) from error
        return call.read(found)
