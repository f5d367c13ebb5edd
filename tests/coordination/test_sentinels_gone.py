"""Without its Sentinels the service stays with the server that it has; with them a killed master is replaced.

What else becomes of fail-overs is in test_failover.py, which takes longer.
"""

import asyncio
import threading
import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from api.valkey_addresses import parse_valkey_url
from coordination import keys
from coordination.clients import async_client_for, client_for
from coordination.connections import AsyncConnection, Connection, Unavailable
from coordination.masters import CONFIRM_SECONDS
from tests.coordination.counting import counting
from tests.coordination.sentinels import Failing, Sentinels, until

CALLS = 8
MESSAGES = 30


@pytest.fixture(scope="module")
def sentinels(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sentinels]:
    found = Sentinels(tmp_path_factory.mktemp("sentinels"))
    try:
        found.start()
        yield found
    finally:
        found.stop()


@pytest.fixture
def mortal(sentinels: Sentinels) -> Iterator[Sentinels]:
    """Sentinels that the test kills."""
    yield sentinels
    sentinels.start_sentinels()


def test_calls_at_once_reach_the_master_without_sentinels(mortal: Sentinels, tenant: uuid.UUID) -> None:
    client, together = client_for(parse_valkey_url(mortal.url)), threading.Barrier(CALLS)
    connection = Connection(lambda: client)
    connection.run(counting(tenant))
    mortal.kill_sentinels()

    def call(_: int) -> int:
        together.wait()
        return connection.run(counting(tenant))

    with ThreadPoolExecutor(CALLS) as threads:
        counted = [sorted(threads.map(call, range(CALLS))) for _ in range(2)]

    assert counted == [list(range(2, 10)), list(range(10, 18))]
    client.close()


def test_calls_of_a_loop_reach_the_master_without_sentinels(mortal: Sentinels, tenant: uuid.UUID) -> None:
    async def scenario() -> list[list[int]]:
        async with async_client_for(parse_valkey_url(mortal.url)) as client:
            connection = AsyncConnection(lambda: client)
            await connection.run(counting(tenant))
            mortal.kill_sentinels()
            return [
                sorted(await asyncio.gather(*(connection.run(counting(tenant)) for _ in range(CALLS))))
                for _ in range(2)
            ]

    assert asyncio.run(scenario()) == [list(range(2, 10)), list(range(10, 18))]


def test_rings_do_not_ask_the_sentinels_each_time(sentinels: Sentinels, tenant: uuid.UUID) -> None:
    channel = keys.queue(tenant, "mail")

    async def scenario() -> tuple[list[bool], float]:
        loop = asyncio.get_running_loop()
        async with async_client_for(parse_valkey_url(sentinels.url)) as client:
            connection = AsyncConnection(lambda: client)
            async with connection.bells.listen(channel) as bell:
                # From here on the Sentinels were last asked too long ago.
                await asyncio.sleep(CONFIRM_SECONDS)
                before, began = sentinels.asked(), loop.time()
                heard = []
                with sentinels.first.client() as publisher:
                    for _ in range(MESSAGES):
                        publisher.publish(channel, 1)
                        heard.append(await bell.wait(5))
                most = 1 + (loop.time() - began) / CONFIRM_SECONDS
                asked = sentinels.asked() - before
            await connection.bells.close()
            return heard, asked - most

    heard, too_many = asyncio.run(scenario())

    assert heard == [True] * MESSAGES
    assert too_many <= 0


@pytest.mark.parametrize("way", ["killed"])
def test_calls_go_on_at_the_server_that_is_promoted(sentinels: Sentinels, tenant: uuid.UUID, way: str) -> None:
    failing, client = Failing(sentinels, way), client_for(parse_valkey_url(sentinels.url), timeout_seconds=0.5)
    connection = Connection(lambda: client)
    connection.run(counting(tenant))

    failing.fail()

    until(lambda: _is_answered(connection, tenant), "an answer", seconds=20)
    with failing.other.client() as other:
        assert int(other.get(f"{{{tenant}}}:counted") or 0) == 2
    client.close()


def _is_answered(connection: Connection, tenant: uuid.UUID) -> bool:
    try:
        connection.run(counting(tenant))
    except Unavailable:
        return False
    return True
