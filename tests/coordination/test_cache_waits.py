"""Calls that wait for a value that another computes: behind the one port, and in a thread for a moment."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordination import keys, shared
from orgs.models import Organization
from tests.api.live import Server, read_answer, request, serving
from tests.coordination.caching import listeners, until
from tests.factories import Answer, Caller

PATH = "/cache/report/daily"
BODY = b'{"compute_seconds":60,"wait_seconds":20}'


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("cache")) as found:
        yield found


def _ask(server: Server, owner: Caller) -> Answer:
    with server.connect() as connection:
        connection.sendall(request("POST", f"{PATH}/compute", owner.key, BODY))
        return read_answer(connection)


def _until_waiting(organization_id: uuid.UUID) -> None:
    until(lambda: listeners(shared.connection, keys.cache(organization_id, "report", "daily")) > 0)


def test_a_call_waits_for_the_value(server: Server, owner: Caller, organization: Organization) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["token"]

    with ThreadPoolExecutor(3) as pool:
        waiting = [pool.submit(_ask, server, owner) for _ in range(3)]
        _until_waiting(organization.id)
        owner.put(PATH, {"value": "computed", "ttl_seconds": 60, "token": token})
        answers = [one.result(15).json for one in waiting]

    assert [(answer["status"], answer["value"]) for answer in answers] == [("hit", "computed")] * 3


def test_of_those_who_wait_one_takes_over_from_who_gives_up(
    server: Server, owner: Caller, organization: Organization
) -> None:
    token = owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["token"]

    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(_ask, server, owner) for _ in range(2)]
        _until_waiting(organization.id)
        owner.post(f"{PATH}/compute/release", {"token": token})
        until(lambda: any(one.done() for one in waiting))
        [successor] = [one.result().json["token"] for one in waiting if one.done()]
        owner.put(PATH, {"value": "computed", "ttl_seconds": 60, "token": successor})
        statuses = sorted(one.result(15).json["status"] for one in waiting)

    assert statuses == ["compute", "hit"]


def test_without_a_front_a_thread_waits_for_a_moment(owner: Caller) -> None:
    owner.post(f"{PATH}/compute", {"compute_seconds": 60})

    answer = owner.post(f"{PATH}/compute", {"compute_seconds": 60, "wait_seconds": 20})

    assert (answer.status, answer.json["status"]) == (200, "pending")


@pytest.mark.parametrize("seconds", [b"-1", b"20.1", b"1e308"])
def test_a_wait_that_is_none_is_refused_and_takes_no_turn(owner: Caller, seconds: bytes) -> None:
    body = b'{"compute_seconds":60,"wait_seconds":%b}' % seconds

    refused = owner.post(f"{PATH}/compute", body, Content_Type="application/json")

    assert (refused.status, refused.code) == (400, "invalid-wait")
    assert owner.post(f"{PATH}/compute", {"compute_seconds": 60}).json["status"] == "compute"
