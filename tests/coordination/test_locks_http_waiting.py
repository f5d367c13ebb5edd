"""Waiting for a lock over HTTP: on the ASGI side, without a thread; elsewhere for a moment."""

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from coordination import keys
from coordination.shared import connection
from orgs.models import Organization
from tests.api.live import Server, document, read_answer, request, serving
from tests.coordination.locking import until
from tests.factories import Caller

LOCK = "/locks/report/daily"


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("front")) as found:
        yield found


def _held(owner: Caller, seconds: float = 60) -> str:
    return str(owner.post(f"{LOCK}/acquire", {"ttl_seconds": seconds}).json["token"])


def _listeners(organization: Organization) -> int:
    return int(connection.client().pubsub_numsub(keys.lock(organization.id, "report", "daily"))[0][1])


@contextmanager
def _waiting(server: Server, owner: Caller, ttl: float = 60, seconds: float = 20) -> Iterator[socket.socket]:
    """Yield the connection of a call that was sent."""
    raw = request("POST", f"{LOCK}/acquire", owner.key, document(ttl_seconds=ttl, wait_seconds=seconds))
    with server.connect() as sent:
        sent.sendall(raw)
        yield sent


def test_a_call_that_waits_is_answered_when_the_lock_is_released(
    front: Server, owner: Caller, organization: Organization
) -> None:
    token = _held(owner)

    with _waiting(front, owner) as call:
        until(lambda: _listeners(organization) == 1)
        released = time.monotonic()
        assert owner.post(f"{LOCK}/release", {"token": token}).status == 204
        answer = read_answer(call)

    assert (answer.status, answer.json["expires_in_seconds"] > 50) == (200, True)
    assert time.monotonic() - released < 2


def test_a_call_that_waits_is_answered_when_the_lock_is_over(front: Server, owner: Caller) -> None:
    _held(owner, 0.5)

    with _waiting(front, owner) as call:
        answer = read_answer(call)

    assert answer.status == 200


def test_a_call_whose_wait_is_over_is_answered_that_the_lock_is_held(front: Server, owner: Caller) -> None:
    _held(owner)

    with _waiting(front, owner, seconds=0.3) as call:
        answer = read_answer(call)

    assert (answer.status, answer.code, int(answer.headers["Retry-After"]) > 50) == (409, "lock-held", True)


def test_of_several_calls_that_wait_each_gets_the_lock_once(
    front: Server, owner: Caller, organization: Organization
) -> None:
    token, calls = _held(owner), []

    with _waiting(front, owner, 0.2) as one, _waiting(front, owner, 0.2) as two, _waiting(front, owner, 0.2) as three:
        until(lambda: _listeners(organization) == 1)
        owner.post(f"{LOCK}/release", {"token": token})
        calls = [read_answer(call) for call in (one, two, three)]

    assert [call.status for call in calls] == [200, 200, 200]
    assert len({call.json["fencing_number"] for call in calls}) == 3


def test_without_an_asgi_server_a_call_waits_a_second_at_most(tmp_path: Path, owner: Caller) -> None:
    _held(owner)

    with serving("web", tmp_path) as web, _waiting(web, owner) as call:
        began = time.monotonic()
        answer = read_answer(call)

    assert (answer.status, answer.code) == (409, "lock-held")
    assert time.monotonic() - began < 10
