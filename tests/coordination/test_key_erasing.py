"""What a deleted organization has in Valkey goes with it, and waits for Valkey where it must."""

import uuid
from collections.abc import Iterator

import pytest
import redis

from api.valkey_addresses import parse_valkey_url
from coordination import keys, shared
from coordination.clients import client_for
from coordination.connections import Connection, Unavailable
from coordination.key_erasing import erase_keys
from orgs.models import Organization
from orgs.services import organization_erasing
from tests import factories
from tests.coordination.sentinels import until
from tests.coordination.servers import ValkeyServer
from tests.orgs.organization_erasing import GONE, close, erase, erase_row, erasure_of, finish

MANY = 2_000


@pytest.fixture
def client(valkey: ValkeyServer) -> Iterator[redis.Redis]:
    with valkey.client() as found:
        yield found


@pytest.fixture
def own(client: redis.Redis) -> Connection:
    return Connection(lambda: client)


def _fill(client: redis.Redis, organization: uuid.UUID, count: int) -> None:
    client.mset({keys.cache(organization, "r", str(number)): "x" for number in range(count)})


def _left(client: redis.Redis, organization: uuid.UUID) -> int:
    return sum(1 for _ in client.scan_iter(match=f"{keys.prefix(organization)}*", count=1000))


def _erase_all(connection: Connection, organization: uuid.UUID, *, most: int) -> list[int]:
    """Return how many keys each call erased."""
    found, position = [], 0
    while True:
        step = erase_keys(connection, organization, most, position)
        found.append(step.counts["valkey"])
        if step.over:
            return found
        position = step.position


def test_every_kind_of_key_goes(client: redis.Redis, own: Connection, tenant: uuid.UUID) -> None:
    client.set(keys.session(tenant, uuid.uuid4()), "x")
    client.rpush(keys.rate_limit(tenant, "r", "*?[x]"), "x")
    client.hset(keys.lock(tenant, "r", "{braces}"), "x", "y")
    client.xadd(keys.queue(tenant, "q"), {"x": "y"})

    assert sum(_erase_all(own, tenant, most=1000)) == 4
    assert client.dbsize() == 0


def test_a_user_of_the_server_s_who_may_not_administer_it_is_enough(
    client: redis.Redis, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    client.acl_setuser("app", enabled=True, passwords="+pw", keys="*", channels="*", categories=["+@all", "-@admin"])
    _fill(client, tenant, 3)

    with client_for(parse_valkey_url(f"redis://app:pw@127.0.0.1:{valkey.port}")) as limited:
        assert _erase_all(Connection(lambda: limited), tenant, most=1000) == [3]


def test_a_neighbour_keeps_every_key(client: redis.Redis, own: Connection, tenant: uuid.UUID) -> None:
    neighbour = uuid.uuid4()
    _fill(client, tenant, MANY)
    _fill(client, neighbour, MANY)

    _erase_all(own, tenant, most=50)

    assert (_left(client, tenant), _left(client, neighbour)) == (0, MANY)


def test_a_call_takes_a_bounded_part(client: redis.Redis, own: Connection, tenant: uuid.UUID) -> None:
    _fill(client, tenant, MANY)

    erased = _erase_all(own, tenant, most=10)

    # SCAN goes through whole buckets, and through those of two tables while the server moves from one to the other.
    assert max(erased) <= MANY // 4
    assert sum(erased) == MANY


def test_a_server_that_was_restarted_is_gone_through_from_the_beginning(
    client: redis.Redis, own: Connection, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    _fill(client, tenant, MANY)
    position = erase_keys(own, tenant, 200, 0).position
    valkey.kill()
    valkey.start()

    while not (step := erase_keys(own, tenant, 200, position)).over:
        position = step.position

    assert _left(client, tenant) == 0


def test_without_valkey_nothing_is_said_to_be_erased(own: Connection, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    valkey.kill()

    with pytest.raises(Unavailable):
        erase_keys(own, tenant, 1000, 0)


def test_a_deleted_organization_leaves_no_key(organization: Organization) -> None:
    client = shared.connection.client()
    _fill(client, organization.id, 3)

    erase(organization)

    assert _left(client, organization.id) == 0


@pytest.fixture
def gone(valkey: ValkeyServer, own: Connection, monkeypatch: pytest.MonkeyPatch) -> ValkeyServer:
    """The service's own Valkey, of this test alone, killed."""
    monkeypatch.setattr(shared.connection, "client", own.client)
    valkey.kill()
    return valkey


def test_an_erasure_waits_for_valkey(organization: Organization, gone: ValkeyServer) -> None:
    close(organization)
    erase_row(organization)
    organization_erasing.delete_due(now=GONE)
    erasure = erasure_of(organization.id)
    assert erasure is not None
    assert erasure.eraser != organization_erasing.OVER

    gone.start()

    finish(organization)
    assert erasure_of(organization.id) is None


def test_what_waits_for_valkey_stops_no_other_organization(organization: Organization, gone: ValkeyServer) -> None:
    other = factories.make_organization()
    close(organization)
    close(other)

    def both_wait() -> bool:
        organization_erasing.delete_due(now=GONE)
        found = [erasure_of(waiting.id) for waiting in (organization, other)]
        return [erasure and erasure.eraser for erasure in found] == ["queues", "queues"]

    erase_row(organization)
    until(both_wait, "an erasing of each that has come to what is in Valkey")
