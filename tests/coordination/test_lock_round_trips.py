"""Each call of a lock is one round trip, as the server counts them."""

import uuid
from collections.abc import Callable

import pytest
import redis

from coordination.connections import Connection
from coordination.epochs import next_epoch
from coordination.lock_calls import LockHeld, new_token
from coordination.locks import Locks
from tests.coordination.servers import ValkeyServer

TOKEN = new_token()
CALLS: dict[str, Callable[[Locks], object]] = {
    "acquire": lambda locks: locks.acquire("report", "weekly", 60),
    "acquire again": lambda locks: locks.acquire("report", "daily", 60, token=TOKEN),
    "extend": lambda locks: locks.extend("report", "daily", TOKEN, 60),
    "find": lambda locks: locks.find("report", "daily"),
    "release": lambda locks: locks.release("report", "daily", TOKEN),
}


@pytest.fixture
def client(valkey: ValkeyServer) -> redis.Redis:
    """A client whose one connection makes all calls."""
    return redis.Redis.from_url(valkey.url, protocol=2, single_connection_client=True)


@pytest.fixture
def locks(client: redis.Redis, tenant: uuid.UUID) -> Locks:
    """Locks in a life of the server that has its scripts and its epoch."""
    locks = Locks(Connection(lambda: client), tenant, next_epoch=next_epoch)
    with locks.hold("report", "first", 60) as held:
        held.extend(60)
        locks.find("report", "first")
    locks.acquire("report", "daily", 60, token=TOKEN)
    return locks


def _requests(client: redis.Redis) -> int:
    """Return how often the server has read from a client, of which there is only this one."""
    return int(client.info("stats")["total_reads_processed"])


@pytest.mark.parametrize("name", CALLS)
def test_each_call_is_one_round_trip(client: redis.Redis, locks: Locks, name: str) -> None:
    before = _requests(client)

    CALLS[name](locks)

    # The second look counts the first.
    assert _requests(client) - before == 2


def test_a_refusal_is_one_round_trip(client: redis.Redis, locks: Locks) -> None:
    before = _requests(client)

    with pytest.raises(LockHeld):
        locks.acquire("report", "daily", 60)

    assert _requests(client) - before == 2
