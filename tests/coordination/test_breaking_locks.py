"""A lock is broken whoever holds it, and it is known who did."""

import asyncio
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import connections

from coordination import keys, services
from coordination.epochs import next_epoch
from coordination.lock_calls import Lock
from coordination.locks import AsyncLocks, LockNotHeld, Locks
from coordination.shared import async_connection
from coordination.shared import connection as shared
from orgs.models import Organization, Role
from orgs.permissions import EVERYTHING, Scope
from tests import factories
from tests.coordination.locking import connection_to, until
from tests.coordination.servers import free_port
from tests.factories import Caller, create_session

LOCK = "/locks/report/daily"


def _acquired(caller: Caller) -> dict[str, Any]:
    return dict(caller.post(f"{LOCK}/acquire", {"ttl_seconds": 60}).json)


def _broken(caller: Caller) -> list[dict[str, Any]]:
    return list(caller.get("/audit?action=lock.broken").json["items"])


def test_a_broken_lock_is_lost_to_its_holder_and_free_for_the_next(owner: Caller, member: Caller) -> None:
    lock = _acquired(member)

    answer = owner.delete(LOCK)

    released = member.post(f"{LOCK}/release", {"token": lock["token"]})
    assert (answer.status, answer.raw) == (204, b"")
    assert (released.status, released.code) == (409, "lock-lost")
    assert _acquired(owner)["fencing_number"] > lock["fencing_number"]


def test_after_the_next_holders_the_late_write_of_a_broken_holder_is_refused(owner: Caller, member: Caller) -> None:
    session = create_session(owner)["id"]
    late = _acquired(member)["fencing_number"]
    owner.delete(LOCK)
    number = _acquired(owner)["fencing_number"]
    owner.put(f"/sessions/{session}/state", {"by": "owner"}, Holdfast_Fencing_Number=str(number))

    answer = member.put(f"/sessions/{session}/state", {"by": "member"}, Holdfast_Fencing_Number=str(late))

    assert (answer.status, answer.code) == (409, "fencing-number-stale")
    assert owner.get(f"/sessions/{session}").json["state"] == {"by": "owner"}


def test_who_broke_a_lock_is_recorded(owner: Caller, organization: Organization) -> None:
    user = factories.make_member(organization, Role.OWNER)
    breaker = Caller(factories.make_key(organization, user=user).text)
    _acquired(owner)

    breaker.delete(LOCK)

    [entry] = _broken(owner)
    assert (entry["actor"], entry["subject_type"], entry["subject_id"]) == (f"user:{user.id}", "lock", "report:daily")
    assert entry["detail"] == {"resource": "report", "name": "daily"}


def test_a_lock_that_nobody_holds_is_not_broken_and_nothing_is_recorded(owner: Caller, outsider: Caller) -> None:
    _acquired(outsider)

    answer = owner.delete(LOCK)

    assert (answer.status, answer.code) == (404, "not-found")
    assert _broken(owner) == []
    assert outsider.get(LOCK).status == 200


@pytest.mark.parametrize("name", ["%00", "a%0a", "x" * 201], ids=["nul", "line", "long"])
def test_a_name_that_is_none_is_refused(owner: Caller, name: str) -> None:
    answers = owner.delete(f"/locks/report/{name}"), owner.delete(f"/locks/{name}/daily")

    assert [(answer.status, answer.code) for answer in answers] == [(400, "invalid-name")] * 2


def test_breaking_takes_the_scope_of_administrators(organization: Organization) -> None:
    scopes = tuple(scope for scope in EVERYTHING if scope != Scope.LOCKS_ADMIN)
    caller = Caller(factories.make_key(organization, scopes=scopes).text)
    _acquired(caller)

    answer = caller.delete(LOCK)

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_without_valkey_no_lock_is_broken_and_nothing_is_recorded(
    owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "connection", connection_to(f"redis://127.0.0.1:{free_port()}"))

    answer = owner.delete(LOCK)

    assert (answer.status, answer.code) == (503, "valkey-unavailable")
    assert _broken(owner) == []


def test_one_who_waits_has_a_broken_lock(tenant: uuid.UUID) -> None:
    locks = Locks(shared, tenant, next_epoch=next_epoch)
    first = locks.acquire("report", "daily", 60)

    def wait() -> Lock:
        try:
            return locks.acquire("report", "daily", 60, wait_seconds=20)
        finally:
            connections.close_all()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(wait)
        channel = keys.lock(tenant, "report", "daily")
        until(lambda: shared.client().pubsub_numsub(channel)[0][1] == 1)
        locks.break_open("report", "daily")
        second = waiting.result(10)

    assert second.number > first.number


def test_a_lock_is_broken_once(tenant: uuid.UUID) -> None:
    locks = Locks(shared, tenant, next_epoch=next_epoch)
    locks.acquire("report", "daily", 60)
    locks.break_open("report", "daily")

    with pytest.raises(LockNotHeld):
        locks.break_open("report", "daily")


def test_a_lock_is_broken_from_an_event_loop(tenant: uuid.UUID) -> None:
    locks = Locks(shared, tenant, next_epoch=next_epoch)
    locks.acquire("report", "daily", 60)

    async def twice() -> None:
        connection = async_connection()
        breaking = AsyncLocks(connection, tenant, next_epoch=next_epoch)
        try:
            await breaking.break_open("report", "daily")
            assert locks.find("report", "daily") is None
            await breaking.break_open("report", "daily")
        finally:
            await connection.bells.close()
            await connection.client().aclose()

    with pytest.raises(LockNotHeld):
        asyncio.run(twice())
