"""What can still be done when Valkey has no room; of queues test_queues_chaos.py tells."""

import uuid

import pytest

from coordination.cache import Cache
from coordination.connections import Connection, Unavailable
from coordination.locks import Locks
from coordination.queues import Queues
from coordination.rate_limits import RateLimits
from tests.coordination.servers import ValkeyServer


@pytest.fixture
def own(valkey: ValkeyServer) -> Connection:
    client = valkey.client()
    return Connection(lambda: client)


def _fill(valkey: ValkeyServer) -> None:
    with valkey.client() as client:
        client.config_set("maxmemory", 1)


def test_the_cache_is_read_and_deleted_from_and_keeps_nothing_more(
    valkey: ValkeyServer, own: Connection, tenant: uuid.UUID
) -> None:
    cache = Cache(own, tenant)
    cache.set("page", "a", 1, 60)

    _fill(valkey)

    entry = cache.get("page", "a")
    assert entry is not None
    assert entry.value == 1
    assert not cache.set("page", "b", 2, 60)
    assert cache.get_or_compute("page", "b", lambda: 3, ttl=60) == 3
    assert cache.delete("page", "a")


def test_a_limit_is_looked_at_refuses_and_is_reset_and_nothing_is_spent(
    valkey: ValkeyServer, own: Connection, tenant: uuid.UUID
) -> None:
    limits = RateLimits(own, tenant)
    limits.check("model", "large", max_requests=3, window_seconds=60)

    _fill(valkey)

    with pytest.raises(Unavailable):
        limits.check("model", "large", max_requests=3, window_seconds=60)
    assert limits.peek("model", "large", max_requests=3, window_seconds=60).remaining == 2
    assert not limits.check("model", "large", max_requests=1, window_seconds=60).allowed
    limits.reset("model", "large")


def test_a_lock_is_extended_and_released_and_none_is_acquired(
    valkey: ValkeyServer, own: Connection, tenant: uuid.UUID
) -> None:
    locks = Locks(own, tenant, next_epoch=lambda least: least)
    lock = locks.acquire("page", "a", 60)

    _fill(valkey)

    with pytest.raises(Unavailable):
        locks.acquire("page", "b", 60)
    locks.extend("page", "a", lock.token, 120)
    locks.release("page", "a", lock.token)
    assert locks.find("page", "a") is None


def test_a_message_cannot_be_extended(valkey: ValkeyServer, own: Connection, tenant: uuid.UUID) -> None:
    queues = Queues(own, tenant)
    queues.push("mail", 1)
    [message] = queues.pop("mail")

    _fill(valkey)

    with pytest.raises(Unavailable):
        queues.extend("mail", message.receipt, 60)
    assert queues.ack("mail", message.receipt) == [True]
