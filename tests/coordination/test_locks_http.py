import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
import redis
from django.db import connections
from django.utils import timezone
from redis.backoff import NoBackoff
from redis.retry import Retry

from coordination.shared import connection
from tests.coordination.locking import until
from tests.coordination.servers import free_port
from tests.factories import Answer, Caller

LOCK = "/locks/report/daily"


def _acquire(caller: Caller, path: str = LOCK, **body: Any) -> Answer:
    return caller.post(f"{path}/acquire", {"ttl_seconds": 60, **body})


def _acquired(caller: Caller, **body: Any) -> dict[str, Any]:
    answer = _acquire(caller, **body)
    assert answer.status == 200, answer
    return dict(answer.json)


def test_acquire_answers_the_lock(owner: Caller) -> None:
    before = timezone.now()

    lock = _acquired(owner)

    assert set(lock) == {"resource", "name", "token", "fencing_number", "expires_at", "expires_in_seconds"}
    assert (lock["resource"], lock["name"]) == ("report", "daily")
    assert 0 < lock["fencing_number"] < 2**53
    ends = datetime.fromisoformat(lock["expires_at"])
    assert timedelta(seconds=59) < ends - before < timedelta(seconds=62)
    assert 59 < lock["expires_in_seconds"] <= 60


def test_a_lock_that_is_held_is_refused_with_when_to_come_back(owner: Caller, member: Caller) -> None:
    _acquired(owner, ttl_seconds=30)

    answer = _acquire(member)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (409, "lock-held", "30")


def test_a_repetition_with_the_token_is_the_same_lock(owner: Caller) -> None:
    token = uuid.uuid4().hex
    first = _acquired(owner, token=token)

    again = _acquired(owner, token=token, ttl_seconds=90)

    assert (again["fencing_number"], again["token"]) == (first["fencing_number"], token)
    assert again["expires_in_seconds"] > 89


def test_a_repetition_with_an_idempotency_key_is_answered_alike(owner: Caller) -> None:
    body, key = {"ttl_seconds": 60}, {"Idempotency_Key": uuid.uuid4().hex}
    first = owner.post(f"{LOCK}/acquire", body, **key)

    again = owner.post(f"{LOCK}/acquire", body, **key)

    assert (again.status, again.json) == (200, first.json)


def test_extend_moves_the_end(owner: Caller) -> None:
    lock = _acquired(owner, ttl_seconds=1)

    answer = owner.post(f"{LOCK}/extend", {"token": lock["token"], "ttl_seconds": 120})

    assert (answer.status, answer.json["fencing_number"]) == (200, lock["fencing_number"])
    assert answer.json["expires_in_seconds"] > 119


def test_release_lets_the_next_one_in(owner: Caller) -> None:
    lock = _acquired(owner)

    answer = owner.post(f"{LOCK}/release", {"token": lock["token"]})

    assert (answer.status, answer.raw) == (204, b"")
    assert _acquired(owner)["fencing_number"] > lock["fencing_number"]


@pytest.mark.parametrize("verb", ["extend", "release"])
def test_another_token_is_refused(owner: Caller, verb: str) -> None:
    lock = _acquired(owner)
    more = {"ttl_seconds": 60} if verb == "extend" else {}

    answer = owner.post(f"{LOCK}/{verb}", {"token": uuid.uuid4().hex, **more})

    assert (answer.status, answer.code) == (409, "lock-lost")
    assert owner.get(LOCK).json["fencing_number"] == lock["fencing_number"]


@pytest.mark.parametrize("verb", ["extend", "release"])
def test_a_lock_that_is_over_is_lost(owner: Caller, verb: str) -> None:
    lock = _acquired(owner, ttl_seconds=0.02)
    until(lambda: owner.get(LOCK).status == 404)
    more = {"ttl_seconds": 60} if verb == "extend" else {}

    answer = owner.post(f"{LOCK}/{verb}", {"token": lock["token"], **more})

    assert (answer.status, answer.code) == (409, "lock-lost")


def test_a_lock_is_described_without_its_holder(owner: Caller) -> None:
    lock = _acquired(owner)

    answer = owner.get(LOCK)

    assert set(answer.json) == {"resource", "name", "fencing_number", "expires_at", "expires_in_seconds"}
    assert answer.json["fencing_number"] == lock["fencing_number"]
    assert lock["token"].encode() not in answer.raw


def test_a_lock_that_nobody_holds_is_not_found(owner: Caller) -> None:
    answer = owner.get(LOCK)

    assert (answer.status, answer.code) == (404, "not-found")


def test_the_lock_of_the_same_name_in_another_organization_is_another(owner: Caller, outsider: Caller) -> None:
    token = _acquired(owner)["token"]

    assert outsider.get(LOCK).status == 404
    assert outsider.post(f"{LOCK}/release", {"token": token}).code == "lock-lost"
    assert _acquired(outsider)["token"] != token


@pytest.mark.parametrize("ttl", [0, -1, -0.5, 86_400.5, 1e308, 10**400], ids=lambda ttl: str(ttl)[:12])
@pytest.mark.parametrize("verb", ["acquire", "extend"])
def test_a_time_to_live_that_is_none_is_refused(owner: Caller, verb: str, ttl: float) -> None:
    answer = owner.post(f"{LOCK}/{verb}", {"ttl_seconds": ttl, "token": uuid.uuid4().hex})

    assert (answer.status, answer.code) == (400, "invalid-ttl")


@pytest.mark.parametrize("value", ['"60"', "true", "null", "[]", "{}"])
def test_a_time_to_live_of_another_type_is_refused(owner: Caller, value: str) -> None:
    answer = owner.post(f"{LOCK}/acquire", b'{"ttl_seconds": %s}' % value.encode())

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("ttl", [1, 0.5, 86_400], ids=str)
def test_a_time_to_live_within_a_day_is_taken(owner: Caller, ttl: float) -> None:
    assert _acquire(owner, ttl_seconds=ttl).status == 200


@pytest.mark.parametrize("seconds", [-1, 20.5, 1e308], ids=str)
def test_a_time_to_wait_that_is_none_is_refused(owner: Caller, seconds: float) -> None:
    answer = _acquire(owner, wait_seconds=seconds)

    assert (answer.status, answer.code) == (400, "invalid-wait")
    assert owner.get(LOCK).status == 404


@pytest.mark.parametrize("token", ["", "short", "x" * 201, "\u00e9" * 20, "\x01" * 20], ids=ascii)
def test_a_token_that_is_none_is_refused(owner: Caller, token: str) -> None:
    answer = _acquire(owner, token=token)

    assert (answer.status, answer.code) == (400, "invalid-lock-token")


@pytest.mark.parametrize("names", ["a:b/c", "%00/c", "a/%1f", "a/%0a", f"a/{'x' * 201}", "%E2%80%A8/c"])
def test_a_name_that_is_none_is_refused(owner: Caller, names: str) -> None:
    answer = _acquire(owner, f"/locks/{names}")

    assert (answer.status, answer.code) == (400, "invalid-name")


@pytest.mark.parametrize("names", ["a/b:c", "%7Ba%7D/%7B%7D", "%F0%9F%98%80/%20", f"{'x' * 200}/{'y' * 200}"])
def test_a_name_of_any_other_characters_is_taken(owner: Caller, names: str) -> None:
    assert _acquire(owner, f"/locks/{names}").status == 200


def test_without_valkey_nothing_is_acquired(owner: Caller, monkeypatch: pytest.MonkeyPatch) -> None:
    nobody = redis.Redis(port=free_port(), retry=Retry(NoBackoff(), 0))
    monkeypatch.setattr(connection, "client", lambda: nobody)

    answer = _acquire(owner)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "valkey-unavailable", "1")


def test_without_the_database_no_lock_is_acquired_that_needs_an_epoch(
    owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The connection that is there goes on; a new one, as an epoch is drawn over, finds nobody.
    monkeypatch.setitem(connections.settings["default"], "PORT", str(free_port()))

    answer = _acquire(owner)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, "database-unavailable", "1")
    assert owner.get(LOCK).status == 404
