"""Waking threads, each over a connection of its own."""

import threading
import time
import uuid
from collections.abc import Iterator

import pytest
import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination import keys
from coordination.bells import listen
from coordination.connections import Connection, Unavailable
from tests.coordination.listening import PATIENCE, TIMEOUT, subscribers
from tests.coordination.servers import ValkeyServer


@pytest.fixture
def threads(valkey: ValkeyServer) -> Iterator[Connection]:
    client = redis.Redis.from_url(
        valkey.url, socket_timeout=TIMEOUT, socket_connect_timeout=TIMEOUT, protocol=2, retry=Retry(NoBackoff(), 0)
    )
    yield Connection(lambda: client)
    client.close()


@pytest.fixture
def channel(tenant: uuid.UUID) -> str:
    return keys.lock(tenant, "böll", "1")


def test_a_thread_is_woken(threads: Connection, valkey: ValkeyServer, channel: str) -> None:
    listening, rung = threading.Event(), []

    def wait() -> None:
        with listen(threads, channel) as bell:
            listening.set()
            rung.append(bell.wait(PATIENCE))

    thread = threading.Thread(target=wait)
    thread.start()
    listening.wait(PATIENCE)
    valkey.client().publish(channel, 1)
    thread.join(PATIENCE)

    assert rung == [True]


def test_a_thread_hears_a_ring_before_it_waits_and_else_its_time_ends(
    threads: Connection, valkey: ValkeyServer, channel: str
) -> None:
    with listen(threads, channel) as bell:
        valkey.client().publish(channel, 1)
        heard = [bell.wait(PATIENCE), bell.wait(0.01), bell.wait(0)]

    assert heard == [True, False, False]


def test_a_threads_subscription_ends_with_its_wait(threads: Connection, valkey: ValkeyServer, channel: str) -> None:
    with listen(threads, channel):
        during = subscribers(valkey)

    ends = time.monotonic() + PATIENCE
    while subscribers(valkey):
        assert time.monotonic() < ends
        time.sleep(0.01)
    assert during == 1


def test_a_killed_connection_wakes_a_thread_and_works_after(
    threads: Connection, valkey: ValkeyServer, channel: str
) -> None:
    with listen(threads, channel) as bell:
        valkey.client().client_kill_filter(_type="pubsub")
        lost = bell.wait(PATIENCE)
        back = bell.wait(PATIENCE)
        valkey.client().publish(channel, 1)
        rung = bell.wait(PATIENCE)

    assert (lost, back, rung) == (True, True, True)


def test_a_killed_server_wakes_a_thread_once(threads: Connection, valkey: ValkeyServer, channel: str) -> None:
    with listen(threads, channel) as bell:
        valkey.kill()

        assert bell.wait(PATIENCE)
        with pytest.raises(Unavailable):
            bell.wait(PATIENCE)


def test_a_thread_is_refused_by_a_server_that_is_gone(threads: Connection, valkey: ValkeyServer, channel: str) -> None:
    valkey.kill()

    with pytest.raises(Unavailable), listen(threads, channel):
        pass


def test_a_thread_is_refused_by_a_paused_server_within_the_timeout(
    threads: Connection, valkey: ValkeyServer, channel: str
) -> None:
    valkey.pause()
    began = time.monotonic()

    with pytest.raises(Unavailable), listen(threads, channel):
        pass

    valkey.resume()
    assert time.monotonic() - began < TIMEOUT + 5
