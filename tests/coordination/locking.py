"""Locks of a test: on the shared server or one of its own, and processes that hold them."""

import multiprocessing
import time
import uuid
from collections.abc import Callable

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.connections import AsyncConnection, Connection
from coordination.epochs import next_epoch
from coordination.locks import Locks, NextEpoch
from tests.coordination.servers import ValkeyServer

# A process of its own that shares nothing with the test but what it is handed.
SPAWN = multiprocessing.get_context("spawn")


def connection_to(url: str) -> Connection:
    client = redis.Redis.from_url(url, socket_timeout=2, protocol=2, retry=Retry(NoBackoff(), 0))
    return Connection(lambda: client)


def async_connection_to(url: str) -> AsyncConnection:
    client = redis.asyncio.Redis.from_url(url, socket_timeout=2, protocol=2, retry=AsyncRetry(NoBackoff(), 0))
    return AsyncConnection(lambda: client)


def locks_on(server: ValkeyServer, tenant: uuid.UUID, next_epoch: NextEpoch = next_epoch) -> Locks:
    """Return locks on a server, through a new connection each time: one that has just come back is not waited for."""
    return Locks(connection_to(server.url), tenant, next_epoch=next_epoch)


def acquired_number(locks: Locks) -> int:
    """Acquire and release a lock, and return its number."""
    with locks.hold("report", uuid.uuid4().hex, 60) as held:
        return held.number


def until(condition: Callable[[], bool], seconds: float = 10) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came to be"
        time.sleep(0.005)
