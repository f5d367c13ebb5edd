"""Running calls on Valkey, sync and async. Needs no Django.

Nothing is sent twice: a call whose answer was lost may have been carried out, and only its caller knows whether that
may happen again. A pooled connection that the server has closed meanwhile is found out and replaced before it is used.
"""

import asyncio
import logging
import ssl
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Any, TypeVar

import redis
import redis.asyncio
from redis.exceptions import (
    ClusterCrossSlotError,
    ClusterDownError,
    MasterDownError,
    MaxConnectionsError,
    MovedError,
    NoPermissionError,
    NoScriptError,
    OutOfMemoryError,
    ReadOnlyError,
)

from coordination.bells import Bells
from coordination.calls import Call
from coordination.cancellations import heeded_cancellation
from coordination.pauses import Pause

logger = logging.getLogger("holdfast.coordination")
T = TypeVar("T")
# How many calls one connection carries out at once, and for how long a further one waits until one of them is over.
# What waits for bells is not among them.
CALLS_AT_ONCE = 64
TURN_SECONDS = 2.0
CROWDED = "Too many calls at once."
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


class KeyMisused(Unavailable):
    """Raised when a key holds what another program has put there: nothing can be done with it until that is gone."""


class Breaker:
    """Lets no call wait for a server that hangs, but for one now and then that finds out: coordination/pauses.py.

    A call that was not answered in time begins a pause. Any answer ends it, also a refusal, and so does a connection
    that is refused or lost, since that costs nobody any time.
    """

    def __init__(self) -> None:
        self._pause = Pause()

    @property
    def is_shut(self) -> bool:
        return self._pause.is_shut

    def check(self) -> int:
        """Return the number of a call that may be made, and of which one of the methods is to hear; or raise."""
        number = self._pause.enter()
        if number is None:
            raise Unavailable("Valkey did not answer in time a moment ago.")
        return number

    @contextmanager
    def watch(self) -> Iterator[None]:
        """Make a call in the block; raises what stands for the client's errors."""
        number = self.check()
        try:
            yield
        except (redis.RedisError, OSError) as error:
            raise self.refusal(error, number) from error
        except BaseException:
            self._pause.leave(number)
            raise
        self._pause.end()

    def answered(self) -> None:
        self._pause.end()

    def leave(self, number: int) -> None:
        """Say that a call was not made, or that nobody waited for its answer."""
        self._pause.leave(number)

    def refusal(self, error: Exception, number: int | None = None) -> Exception:
        """Return what to raise for an error of the client; a timeout is remembered."""
        if isinstance(error, redis.TimeoutError | TimeoutError):
            self._pause.fail(number)
            return Unavailable("Valkey did not answer in time.")
        if isinstance(error, MaxConnectionsError):
            # Says nothing of the server.
            if number is not None:
                self._pause.leave(number)
            return Unavailable(CROWDED)
        self._pause.end()
        return _refusal(error)


def _refusal(error: Exception) -> Exception:
    if isinstance(error, CLUSTER) and not isinstance(error, MasterDownError):
        return ClusterRefused(CLUSTER_SENTENCE)
    if isinstance(error, redis.ConnectionError | OSError):
        return Unavailable(_unreachable(error))
    if isinstance(error, redis.ResponseError) and str(error).startswith("WRONGTYPE"):
        logger.error("a key in Valkey is of another type", extra={"answer": str(error)})
        return KeyMisused("A key in Valkey is of another type: something else writes to this database.")
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
        self._turns = threading.BoundedSemaphore(CALLS_AT_ONCE)
        self._known = False

    def run(self, call: Call[T]) -> T:
        """Carry out a call, in one round trip but for a server's first; raises Unavailable."""
        with self._calling() as client:
            self._look(client)
            script = call.script
            try:
                found = client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
            except NoScriptError:
                found = client.eval(script.text, len(call.keys), *call.keys, *call.arguments)
        return call.read(found)

    def information(self, *sections: str) -> dict[str, Any]:
        """Return what the server says of itself; raises Unavailable."""
        with self._calling() as client:
            found: dict[str, Any] = client.info(*sections)
        return found

    @contextmanager
    def _calling(self) -> Iterator[redis.Redis]:
        """Yield the client when it is this call's turn; raises Unavailable for the client's errors."""
        # While the server hangs the turns are of those who still wait for it.
        if not self._turns.acquire(timeout=0 if self.breaker.is_shut else TURN_SECONDS):
            raise Unavailable(CROWDED)
        try:
            with self.breaker.watch():
                client = self.client()
                try:
                    yield client
                except ReadOnlyError:
                    # The server was demoted. The next call connects anew, to whatever the address leads to by then.
                    client.connection_pool.disconnect(inuse_connections=False)
                    raise
        finally:
            self._turns.release()

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
        self._turns = asyncio.BoundedSemaphore(CALLS_AT_ONCE)
        self._known = False

    async def run(self, call: Call[T]) -> T:
        """As Connection.run. One that is cancelled may have been carried out all the same."""
        async with self._calling() as client:
            with heeded_cancellation():
                await self._look(client)
                found = await self._send(client, call)
        return call.read(found)

    async def _send(self, client: redis.asyncio.Redis, call: Call[T]) -> Any:
        script = call.script
        try:
            return await client.evalsha(script.sha, len(call.keys), *call.keys, *call.arguments)
        except NoScriptError:
            return await client.eval(script.text, len(call.keys), *call.keys, *call.arguments)

    @asynccontextmanager
    async def _calling(self) -> AsyncIterator[redis.asyncio.Redis]:
        """As Connection._calling."""
        try:
            async with asyncio.timeout(0 if self.breaker.is_shut else TURN_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable(CROWDED) from None
        try:
            with self.breaker.watch():
                client = self.client()
                try:
                    yield client
                except ReadOnlyError:
                    # The server was demoted. The next call connects anew, to whatever the address leads to by then.
                    await client.connection_pool.disconnect(inuse_connections=False)
                    raise
        finally:
            self._turns.release()

    async def _look(self, client: redis.asyncio.Redis) -> None:
        """Refuse a cluster, once: a call that touches one slot would work there, and another would not."""
        if self._known:
            return
        # Where nobody may ask, what goes to the wrong slot is refused all the same.
        with suppress(NoPermissionError), heeded_cancellation():
            check_mode(await client.info("server"))
        self._known = True
