"""Locks that programs without epochs acquire: they exclude like any other, and leave the numbers alone."""

import asyncio
import uuid

import pytest

from coordination import keys
from coordination.connections import Connection
from coordination.epochs import next_epoch
from coordination.lock_calls import LockHeld, LockLost, new_token
from coordination.locks import AsyncLocks, Locks, clock_epoch
from orgs.models import Organization
from tests.coordination.locking import async_connection_to, connection_to
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller


@pytest.fixture
def plain(connection: Connection, tenant: uuid.UUID) -> Locks:
    return Locks(connection, tenant, next_epoch=None)


@pytest.fixture
def numbered(connection: Connection, tenant: uuid.UUID) -> Locks:
    return Locks(connection, tenant, next_epoch=next_epoch)


def test_such_a_lock_has_the_number_0(plain: Locks) -> None:
    assert plain.acquire("report", "daily", 60).number == 0
    assert plain.get("report", "daily").number == 0


def test_the_counter_is_neither_made_nor_changed(
    plain: Locks, numbered: Locks, connection: Connection, tenant: uuid.UUID
) -> None:
    client = connection.client()
    plain.acquire("report", "daily", 60)
    made = client.exists(keys.fencing(tenant))
    number = numbered.acquire("report", "weekly", 60).number

    plain.acquire("report", "monthly", 60)

    assert (made, numbered.acquire("report", "yearly", 60).number) == (0, number + 1)


def test_it_excludes_one_with_a_number(plain: Locks, numbered: Locks) -> None:
    plain.acquire("report", "daily", 60)

    with pytest.raises(LockHeld):
        numbered.acquire("report", "daily", 60)


def test_one_with_a_number_excludes_it(plain: Locks, numbered: Locks) -> None:
    numbered.acquire("report", "daily", 60)

    with pytest.raises(LockHeld):
        plain.acquire("report", "daily", 60)


def test_a_repetition_with_the_token_is_the_same_lock(plain: Locks) -> None:
    token = new_token()
    plain.acquire("report", "daily", 60, token=token)

    assert plain.acquire("report", "daily", 90, token=token).remaining() > 80


def test_its_token_gives_no_number_afterwards(plain: Locks, numbered: Locks) -> None:
    held = plain.acquire("report", "daily", 60)

    with pytest.raises(LockHeld):
        numbered.acquire("report", "daily", 60, token=held.token)


def test_the_token_of_one_with_a_number_does_not_acquire_it_without(plain: Locks, numbered: Locks) -> None:
    held = numbered.acquire("report", "daily", 60)

    with pytest.raises(LockHeld):
        plain.acquire("report", "daily", 60, token=held.token)


def test_it_is_extended_and_released_by_its_token(plain: Locks, numbered: Locks) -> None:
    held = plain.acquire("report", "daily", 1)

    extended = numbered.extend("report", "daily", held.token, 60)
    numbered.release("report", "daily", held.token)

    assert (extended.number, plain.find("report", "daily")) == (0, None)
    with pytest.raises(LockLost):
        plain.release("report", "daily", held.token)


def test_the_async_twin_has_none_either(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    async def scenario() -> int:
        connection = async_connection_to(valkey.url)
        async with connection.client(), AsyncLocks(connection, tenant, next_epoch=None).hold("report", "a", 60) as held:
            return held.number

    assert asyncio.run(scenario()) == 0


def test_over_http_the_number_is_null(owner: Caller, organization: Organization, connection: Connection) -> None:
    lock = Locks(connection, organization.id, next_epoch=None).acquire("report", "daily", 60)
    path, token = "/locks/report/daily", {"token": lock.token}

    found = owner.get(path)
    extended = owner.post(f"{path}/extend", {**token, "ttl_seconds": 60})
    released = owner.post(f"{path}/release", token)

    assert [found.status, extended.status, released.status] == [200, 200, 204]
    assert (found.json["fencing_number"], extended.json["fencing_number"]) == (None, None)


@pytest.mark.parametrize("locks", [Locks, AsyncLocks], ids=["sync", "async"])
@pytest.mark.parametrize("organization", [uuid.UUID(int=1), "my-program"], ids=["id", "name"])
def test_an_organization_s_numbers_never_begin_with_a_clock(
    locks: type[Locks | AsyncLocks], organization: uuid.UUID | str
) -> None:
    with pytest.raises(ValueError, match="no organization"):
        locks(None, organization, next_epoch=clock_epoch)  # type: ignore[arg-type]


def test_a_program_of_no_organization_has_numbers_by_its_clock(valkey: ValkeyServer) -> None:
    locks = Locks(connection_to(valkey.url), None, next_epoch=clock_epoch)

    first, second = (locks.acquire("report", name, 60).number for name in ("daily", "weekly"))

    assert 0 < first < second
