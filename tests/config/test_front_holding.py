"""What callers hold of the front's memory and threads: strangers little, slow readers not for long, /live none."""

import contextlib
import socket
import time
from collections.abc import Iterator

import pytest
from django.db import connection, connections

from api.requests import MIB
from orgs import keys
from orgs.models import Organization
from tests import factories
from tests.api.live import CHUNKED, PATIENCE, THREADS, Server, document, in_chunks, read_answer, request, serving
from tests.factories import Caller
from tests.orgs.servers import connected_as
from tests.statements import audit_of, rows

LARGE = document(state={"text": "x" * 200_000})
LIVE = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def roomy(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("roomy"), "tests.config.impatient_front:roomy") as found:
        yield found


@pytest.fixture(scope="module")
def cramped(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("cramped"), "tests.config.impatient_front:application") as found:
        yield found


def _large_session(owner: Caller) -> str:
    return str(owner.post("/sessions", {"state": {"text": "x" * (15 * MIB)}}).json["id"])


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("key", ["", "hf_nonsense"])
def test_a_large_body_of_a_stranger_is_not_taken(front: Server, key: str, chunked: bool) -> None:
    sized = request("POST", "/sessions", key, LARGE)
    in_parts = request("POST", "/sessions", key, headers=CHUNKED) + in_chunks(LARGE, 50_000)

    answer = front.send(in_parts if chunked else sized)

    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_a_forged_key_with_a_large_body_is_noted(front: Server, organization: Organization) -> None:
    body = f"hf_{factories.make_key(organization).row.key_id}_{'x' * 32}"

    answer = front.send(request("POST", "/sessions", body + keys.checksum(body), LARGE))

    assert answer.status == 401
    assert [entry["action"] for entry in audit_of(organization)][-1] == "access.refused"


def test_a_large_body_of_a_known_caller_is_taken(front: Server, owner: Caller) -> None:
    assert front.send(request("POST", "/sessions", owner.key, LARGE)).status == 201


def test_a_large_answer_comes_whole(front: Server, owner: Caller) -> None:
    session = _large_session(owner)

    answer = front.send(request("GET", f"/sessions/{session}", owner.key))

    assert answer.json == owner.get(f"/sessions/{session}").json


def test_an_answer_beyond_what_all_may_hold_is_not_sent(cramped: Server, owner: Caller) -> None:
    answer = cramped.send(request("GET", f"/sessions/{_large_session(owner)}", owner.key))

    assert (answer.status, answer.code) == (503, "too-many-answers")
    assert int(answer.headers["Retry-After"]) > 0


def test_a_caller_who_reads_nothing_is_given_up(roomy: Server, owner: Caller) -> None:
    session = _large_session(owner)
    with socket.socket() as reader:
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.settimeout(PATIENCE)
        reader.connect(("127.0.0.1", roomy.port))
        reader.sendall(request("GET", f"/sessions/{session}", owner.key))

        ends = time.monotonic() + PATIENCE
        while "an answer was not taken in time" not in roomy.log.read_text(encoding="utf-8"):
            assert time.monotonic() < ends, "it waits for ever"
            time.sleep(0.02)
        came = 0
        with contextlib.suppress(ConnectionError):
            while part := reader.recv(MIB):
                came += len(part)

    assert 0 < came < 15 * MIB


def test_live_answers_while_every_thread_waits_for_the_database(front: Server, owner: Caller) -> None:
    session, own = owner.post("/sessions", {}).json["id"], connection.settings_dict
    with contextlib.ExitStack() as stack:
        alias = stack.enter_context(connected_as(str(own["USER"]), str(own["PASSWORD"])))
        cursor = stack.enter_context(connections[alias].cursor())
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL ROLE holdfast_system")
        cursor.execute("SELECT id FROM sessions_store_session WHERE id = %s FOR UPDATE", [session])
        waiting = [stack.enter_context(front.connect()) for _ in range(2 * THREADS)]
        for one in waiting:
            one.sendall(request("PUT", f"/sessions/{session}/state", owner.key, b"{}"))
        _until_they_wait()

        live = front.send(LIVE)
        cursor.execute("ROLLBACK")
        answers = [read_answer(one).status for one in waiting]

    assert (live.status, live.json) == (200, {"live": True})
    assert answers == [200] * len(waiting)


def _until_they_wait() -> None:
    waiting = "SELECT pid FROM pg_stat_activity WHERE application_name = 'test-front' AND wait_event_type = 'Lock'"
    ends = time.monotonic() + PATIENCE
    while len(rows(waiting)) < THREADS:
        assert time.monotonic() < ends, "the calls do not wait"
        time.sleep(0.02)
