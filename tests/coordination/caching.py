"""What tests of the cache share: connections to a server of their own, and computations that others can watch."""

import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.connections import AsyncConnection, Connection
from tests.coordination.servers import ValkeyServer

# How long a call waits for a server that is made to hang.
PATIENCE = 0.5


@contextmanager
def connected(valkey: ValkeyServer) -> Iterator[Connection]:
    client = redis.Redis.from_url(
        valkey.url, socket_timeout=PATIENCE, socket_connect_timeout=PATIENCE, retry=Retry(NoBackoff(), 0), protocol=2
    )
    try:
        yield Connection(lambda: client)
    finally:
        client.close()


@asynccontextmanager
async def connected_async(url: str, patience: float = 5) -> AsyncIterator[AsyncConnection]:
    client = redis.asyncio.Redis.from_url(
        url,
        socket_timeout=patience,
        socket_connect_timeout=patience,
        retry=AsyncRetry(NoBackoff(), 0),
        protocol=2,
        max_connections=1000,
    )
    connection = AsyncConnection(lambda: client)
    try:
        yield connection
    finally:
        await connection.bells.close()
        await client.aclose()


class Computation:
    """Something to compute that takes until it is let go, and counts how often and by how many at once it is done."""

    def __init__(self, value: Any = "computed", *, held: bool = False) -> None:
        self.value, self.count, self.most = value, 0, 0
        self.begun, self.let_go = threading.Event(), threading.Event()
        self._now, self._lock = 0, threading.Lock()
        if not held:
            self.let_go.set()

    def __call__(self) -> Any:
        with self._lock:
            self.count, self._now = self.count + 1, self._now + 1
            self.most = max(self.most, self._now)
        self.begun.set()
        assert self.let_go.wait(30)
        with self._lock:
            self._now -= 1
        if isinstance(self.value, Exception):
            raise self.value
        return self.value


def until(condition: Callable[[], Any], seconds: float = 10) -> None:
    """Wait for what another thread or server brings about."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "What was waited for did not come."
        time.sleep(0.005)


def listeners(connection: Connection, channel: str) -> int:
    """Return how many connections wait for a bell."""
    [(_, count)] = connection.client().pubsub_numsub(channel)
    return int(count)


@contextmanager
def threads(count: int) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(count) as pool:
        yield pool
