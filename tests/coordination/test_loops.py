"""Connections end with the event loop that they were opened in."""

import asyncio
import uuid

import pytest

from api.valkey_addresses import parse_valkey_url
from coordination.clients import async_client_for
from coordination.loops import LoopConnections
from coordination.manager import RedisCacheManager
from tests.coordination.counting import counting
from tests.coordination.servers import PASSWORD, ValkeyServer

LOOPS = 20


@pytest.fixture
def connections(valkey: ValkeyServer) -> LoopConnections:
    return LoopConnections(lambda: async_client_for(parse_valkey_url(valkey.url)))


def _clients(server: ValkeyServer) -> int:
    """Return how many are connected, ourselves left out."""
    with server.client() as client:
        return len(client.client_list()) - 1


def test_no_connection_is_left_of_loops_that_ended(
    valkey: ValkeyServer, connections: LoopConnections, tenant: uuid.UUID
) -> None:
    async def call() -> int:
        async with connections.find().bells.listen(f"{{{tenant}}}:counted"):
            return await connections.find().run(counting(tenant))

    counted = [asyncio.run(call()) for _ in range(LOOPS)]

    assert counted == list(range(1, LOOPS + 1))
    assert (_clients(valkey), len(connections)) == (0, 0)


def test_a_manager_leaves_no_connection_of_loops_that_ended(valkey: ValkeyServer) -> None:
    manager = RedisCacheManager("127.0.0.1", valkey.port, PASSWORD)

    for number in range(LOOPS):
        asyncio.run(manager.push_to_queue("mail", number))

    assert _clients(valkey) == 0


def test_a_loop_that_is_closed_without_ado_is_forgotten(connections: LoopConnections, tenant: uuid.UUID) -> None:
    async def find() -> None:
        connections.find()

    for _ in range(LOOPS):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(find())
        loop.close()

    assert len(connections) == 1


def test_a_connection_that_was_closed_is_made_anew(connections: LoopConnections, tenant: uuid.UUID) -> None:
    async def call_twice() -> int:
        await connections.find().run(counting(tenant))
        await connections.close()
        return await connections.find().run(counting(tenant))

    assert asyncio.run(call_twice()) == 2
