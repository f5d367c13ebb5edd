"""Behind Sentinel: a master that is killed or paused is replaced, and calls find the new one by themselves.

What is quick of it is in test_sentinels_gone.py.
"""

import asyncio
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator

import pytest
import redis
from django.conf import settings
from django_redis.cache import RedisCache

from api.valkey_addresses import ValkeyAddress, parse_valkey_url
from coordination.clients import async_client_for, client_for
from coordination.connections import AsyncConnection, Connection, Unavailable
from tests.coordination.brokers import broker_at
from tests.coordination.counting import counting
from tests.coordination.sentinels import Failing, Sentinels, until

pytestmark = pytest.mark.slow
BOTH_WAYS = pytest.mark.parametrize("way", ["killed", "paused"])


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    found = Sentinels(tmp_path_factory.mktemp("sentinels"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def address(sentinels: Sentinels) -> ValkeyAddress:
    return parse_valkey_url(sentinels.url)


@pytest.fixture
def failing(sentinels: Sentinels, way: str) -> Iterator[Failing]:
    found = Failing(sentinels, way)
    yield found
    found.master.resume() if way == "paused" else found.master.start()


def _value(server: redis.Redis, tenant: uuid.UUID) -> int:
    with server:
        return int(server.get(f"{{{tenant}}}:counted") or 0)


@BOTH_WAYS
def test_calls_go_on_at_the_promoted_server(failing: Failing, address: ValkeyAddress, tenant: uuid.UUID) -> None:
    client = client_for(address)
    connection = Connection(lambda: client)
    before = connection.run(counting(tenant))

    failing.fail()

    until(lambda: _answered(lambda: connection.run(counting(tenant))), "an answer", seconds=10)
    assert (before, connection.run(counting(tenant))) == (1, _value(failing.other.client(), tenant))
    client.close()


@BOTH_WAYS
def test_asynchronous_calls_go_on_there_too(failing: Failing, address: ValkeyAddress, tenant: uuid.UUID) -> None:
    async def scenario() -> tuple[int, int]:
        async with async_client_for(address) as client:
            connection = AsyncConnection(lambda: client)
            before = await connection.run(counting(tenant))
            failing.fail()
            await _until_answered(lambda: connection.run(counting(tenant)))
            return before, await connection.run(counting(tenant))

    assert asyncio.run(scenario()) == (1, _value(failing.other.client(), tenant))


@BOTH_WAYS
def test_the_cache_of_django_goes_on_there_too(failing: Failing, address: ValkeyAddress, tenant: uuid.UUID) -> None:
    cache = RedisCache([address.url], dict(settings.CACHES["default"]))
    cache.set(f"{{{tenant}}}:kept", [1])

    failing.fail()

    until(lambda: _answered(lambda: cache.set(f"{{{tenant}}}:more", [2])), "an answer", seconds=10)
    with failing.other.client() as client:
        assert client.mget(f"{{{tenant}}}:kept", f"{{{tenant}}}:more") == [b"[1]", b"[2]"]


@pytest.mark.parametrize("way", ["paused"])
def test_a_master_that_comes_back_answers_nobody(failing: Failing, address: ValkeyAddress, tenant: uuid.UUID) -> None:
    client = client_for(address)
    connection = Connection(lambda: client)
    _open_connections(connection, tenant, 4)
    failing.fail()
    failing.wait_for_promotion()

    # It believes for some seconds more that it is the master, and the connections to it are open.
    failing.come_back()
    _open_connections(connection, tenant, 4)

    assert _value(failing.other.client(), tenant) == 8
    until(failing.sentinels.has_replica, "its demotion")
    assert connection.run(counting(tenant)) == 9
    client.close()


@pytest.mark.parametrize("way", ["paused"])
def test_a_master_that_comes_back_answers_nobody_on_a_loop(
    failing: Failing, address: ValkeyAddress, tenant: uuid.UUID
) -> None:
    async def scenario() -> None:
        async with async_client_for(address) as client:
            connection = AsyncConnection(lambda: client)
            await asyncio.gather(*(connection.run(counting(tenant)) for _ in range(4)))
            failing.fail()
            failing.wait_for_promotion()
            failing.come_back()
            await asyncio.gather(*(connection.run(counting(tenant)) for _ in range(4)))

    asyncio.run(scenario())

    assert _value(failing.other.client(), tenant) == 8


@pytest.mark.parametrize("way", ["paused"])
def test_an_answer_that_comes_after_the_promotion_is_not_believed(
    failing: Failing, address: ValkeyAddress, tenant: uuid.UUID
) -> None:
    client = client_for(address)
    connection = Connection(lambda: client)
    connection.run(counting(tenant))
    failing.fail()
    resumed = threading.Thread(target=_come_back_replaced, args=(failing,))
    resumed.start()

    with pytest.raises(Unavailable):
        connection.run(counting(tenant))

    resumed.join()
    client.close()


@BOTH_WAYS
def test_celery_s_broker_is_found_there_too(failing: Failing, address: ValkeyAddress, tenant: uuid.UUID) -> None:
    with broker_at(address) as broker:
        failing.fail()
        failing.wait_for_promotion()

        broker.ensure_connection(max_retries=20, interval_start=0.2, interval_max=0.2)
        broker.SimpleQueue(str(tenant)).put("woken")

    with failing.other.client() as client:
        assert client.llen(f"celery:{tenant}") == 1


@pytest.mark.parametrize(
    "change",
    [("/holdfast/", "/another/"), ("of-the-sentinels", "wrong"), ("of-a-test", "wrong")],
    ids=["service", "sentinels' password", "password"],
)
def test_what_the_sentinels_do_not_know_is_unavailable(sentinels: Sentinels, change: tuple[str, str]) -> None:
    until(lambda: sentinels.master_port() > 0, "a master")
    client = client_for(parse_valkey_url(sentinels.url.replace(*change)))

    with pytest.raises(Unavailable):
        Connection(lambda: client).run(counting(uuid.uuid4()))

    client.close()


def _come_back_replaced(failing: Failing) -> None:
    failing.wait_for_promotion()
    failing.come_back()


def _answered(call: Callable[[], object]) -> bool:
    try:
        call()
    except (Unavailable, redis.RedisError):
        return False
    return True


async def _until_answered(call: Callable[[], Awaitable[object]]) -> None:
    async with asyncio.timeout(10):
        while True:
            try:
                await call()
            except Unavailable:
                await asyncio.sleep(0.05)
            else:
                return


def _open_connections(connection: Connection, tenant: uuid.UUID, count: int) -> None:
    """Run one call in each of several threads at once."""
    together = threading.Barrier(count)

    def run() -> None:
        together.wait()
        connection.run(counting(tenant))

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
