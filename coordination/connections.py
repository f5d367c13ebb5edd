"""Running calls on Valkey, sync and async. Needs no Django.

Nothing is sent twice: a call whose answer was lost may have been carried out, and only its caller knows whether that
may happen again. A pooled connection that the server has closed meanwhile is found out and replaced before it is used.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.exceptions import (
    ClusterCrossSlotError,
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
CLUSTER = (MovedError, ClusterDownError, ClusterCrossSlotError)
CLUSTER_SENTENCE = "Valkey runs in cluster mode, which is not supported: name one server, or its Sentinels."


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
        if isinstance(error, CLUSTER) and not isinstance(error, MasterDownError):
            return ClusterRefused(CLUSTER_SENTENCE)
        if isinstance(error, redis.ConnectionError | OSError):
            return Unavailable(_unreachable(error))
        if isinstance(error, REFUSING) or (
            isinstance(error, redis.ResponseError) and str(error).startswith(REFUSING_CODES)
        ):
            return Unavailable("Valkey cannot serve just now.")
        return error


def _unreachable(error: BaseException) -> str:
    if isinstance(error, redis.AuthenticationError):
        return "Valkey does not accept the user or the password of REDIS_URL."
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"Valkey's certificate is not accepted: {cause.verify_message}."
        cause = cause.__cause__ or cause.__context__
    return "Valkey cannot be reached."


def check_mode(information: Mapping[str, Any]) -> None:
    """Raise ClusterRefused when the server's information, the section `server`, says that it is one of a cluster."""
    # Redis and Valkey have each a name for it.
    if "cluster" in (information.get("redis_mode"), information.get("server_mode")):
        raise ClusterRefused(CLUSTER_SENTENCE)


class Connection:
    """Runs calls through a client, which is looked up each time: fail-over and tests may replace it."""

    def __init__(self, client: Callable[[], redis.Redis]) -> None:
        self.client = client
        self.breaker = Breaker()
        self._known = False

    def run(self, call: Call[T]) -> T:
        """Carry out a call, in one round trip but for a server's first; raises Unavailable."""
        self.breaker.check()
        client, script = self.client(), call.script
        try:
            self._look(client)
            try:
                found = client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
            except NoScriptError:
                found = client.eval(script.text, len(call.keys), *call.keys, *call.arguments)
        except (redis.RedisError, OSError) as error:
            if isinstance(error, ReadOnlyError):
                # The server was demoted. The next call connects anew, to whatever the address leads to by then.
                client.connection_pool.disconnect(inuse_connections=False)
            raise self.breaker.refusal(error) from error
        return call.read(found)

    def _look(self, client: redis.Redis) -> None:
        """Refuse a cluster, once: a call that touches one slot would work there, and another would not."""
        if self._known:
            return
        # Where nobody may ask, what goes to the wrong slot is refused all the same.
        with suppress(NoPermissionError):
            check_mode(client.info("server"))
        self._known = True


class AsyncConnection:
    """The same for asyncio, one for each event loop. `bells` wakes those who wait."""

    def __init__(self, client: Callable[[], redis.asyncio.Redis]) -> None:
        self.client = client
        self.breaker = Breaker()
        self.bells = Bells(client, self.breaker)
        self._known = False

    async def run(self, call: Call[T]) -> T:
        """As Connection.run."""
        self.breaker.check()
        client, script = self.client(), call.script
        try:
            await self._look(client)
            try:
                found = await client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
            except NoScriptError:
                found = await client.eval(script.text, len(call.keys), *call.keys, *call.arguments)
        except (redis.RedisError, OSError) as error:
            if isinstance(error, ReadOnlyError):
                # The server was demoted. The next call connects anew, to whatever the address leads to by then.
                await client.connection_pool.disconnect(inuse_connections=False)
            raise self.breaker.refusal(error) from error
        return call.read(found)

    async def _look(self, client: redis.asyncio.Redis) -> None:
        """Refuse a cluster, once: a call that touches one slot would work there, and another would not."""
        if self._known:
            return
        # Where nobody may ask, what goes to the wrong slot is refused all the same.
        with suppress(NoPermissionError):
            check_mode(await client.info("server"))
        self._known = True
