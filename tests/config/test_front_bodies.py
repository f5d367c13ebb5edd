"""Bodies that come slowly, or not at all, or are large: what the front of `up` does before Django sees the call."""

import contextlib
import http.client
import json
import re
import socket
import uuid
from collections.abc import Iterator

import pytest

from api.requests import MIB
from config.bodies import UNCOUNTED_BYTES
from sessions_store.services import MAX_STATE_BYTES
from tests.api.live import CHUNKED, PATIENCE, THREADS, Server, document, in_chunks, read_answer, request, serving
from tests.factories import API, Caller

JSON = {"Content-Type": "application/json"}
LIVE = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("impatient")
    with serving("front", folder, "tests.config.impatient_front:application") as found:
        yield found


def _declaring(length: int, target: str, key: str = "", **headers: str) -> bytes:
    """Return the head of a request whose body does not follow."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return request("POST", target, key, headers=named | {"Content-Length": str(length)})


@pytest.mark.parametrize("sent", [0, 10], ids=["nothing", "half"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_bodies_under_way_hold_no_thread(front: Server, owner: Caller, sent: int, chunked: bool) -> None:
    body = document(title="slow")
    head = request("POST", "/sessions", owner.key, headers=CHUNKED if chunked else {"Content-Length": str(len(body))})
    wire = in_chunks(body, 5) if chunked else body
    with contextlib.ExitStack() as stack:
        slow = [stack.enter_context(front.connect()) for _ in range(3 * THREADS)]
        for connection in slow:
            connection.sendall(head + wire[:sent])

        meanwhile = [front.send(LIVE).status, front.send(request("GET", "/me", owner.key)).status]
        for connection in slow:
            connection.sendall(wire[sent:])
        afterwards = {read_answer(connection).status for connection in slow}

    assert meanwhile == [200, 200]
    assert afterwards == {201}


@pytest.mark.parametrize("target", ["/signup", "/nothing", "/sessions/%ff/state"])
def test_strangers_with_half_a_body_do_not_stop_the_service(front: Server, target: str) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(3 * THREADS):
            stack.enter_context(front.connect()).sendall(_declaring(100, target) + b"{")

        assert front.send(LIVE).status == 200


@pytest.mark.parametrize(
    ("target", "most"),
    [
        ("/sessions", MAX_STATE_BYTES + MIB),
        (f"/sessions/{uuid.UUID(int=1)}/state", MAX_STATE_BYTES),
        ("/tasks", MIB),
        (f"/tasks/{uuid.UUID(int=1)}/messages", MIB),
        ("/nothing", UNCOUNTED_BYTES),
        ("/signup", UNCOUNTED_BYTES),
    ],
)
def test_a_body_declared_too_large_is_refused_before_any_of_it_comes(front: Server, target: str, most: int) -> None:
    answer = front.send(_declaring(most + 1, target))

    assert (answer.status, answer.code) == (413, "body-too-large")
    assert str(most) in answer.json["detail"]


@pytest.mark.parametrize(
    ("method", "target", "most"),
    [
        ("PUT", "/cache/report/daily", 8 * MIB),
        ("POST", "/cache/report:set", 8 * MIB),
        ("POST", "/queues/a/push", 5 * MIB),
    ],
    ids=["set", "set-many", "push"],
)
def test_a_body_larger_than_its_values_may_be_is_refused_as_they_are(
    front: Server, method: str, target: str, most: int
) -> None:
    head = {"Content-Length": str(most + 1)} | JSON

    answer = front.send(request(method, target, "", headers=head))

    assert (answer.status, answer.code) == (400, "value-too-large")


@pytest.mark.parametrize("length", ["9" * 18, "1" * 19])
def test_an_absurd_length_is_refused(front: Server, length: str) -> None:
    answer = front.send(_declaring(int(length), "/sessions"))

    assert (answer.status, answer.code) == (413, "body-too-large")


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_state_of_ten_mebibytes_is_taken(front: Server, owner: Caller, chunked: bool) -> None:
    session = owner.post("/sessions", {}).json["id"]
    state = {"text": "x" * (10 * MIB)}
    body = document(**state)
    target = f"/sessions/{session}/state"
    in_parts = request("PUT", target, owner.key, headers=CHUNKED | JSON) + in_chunks(body, 50_000)

    answer = front.send(in_parts if chunked else request("PUT", target, owner.key, body))

    assert answer.status == 200
    assert owner.get(f"/sessions/{session}").json["state"] == state


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize("part", [b"", b"{"], ids=["nothing", "some"])
def test_a_body_that_stands_still_is_given_up(impatient: Server, part: bytes, chunked: bool) -> None:
    head = request("POST", "/signup", "", headers=CHUNKED if chunked else {"Content-Length": "100"})

    answer = impatient.send(head + (in_chunks(part, 5).removesuffix(b"0\r\n\r\n") if chunked else part))

    assert (answer.status, answer.code) == (408, "body-too-slow")
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_the_connection_of_a_body_given_up_is_closed(impatient: Server) -> None:
    with impatient.connect() as connection:
        connection.sendall(_declaring(100, "/signup"))
        answer = read_answer(connection)
        rest = connection.recv(1)

    assert (answer.status, rest) == (408, b"")


def test_a_body_beyond_what_all_may_hold_is_put_off(impatient: Server, owner: Caller) -> None:
    answer = impatient.send(request("POST", "/sessions", owner.key, document(state={"text": "x" * 500_000})))

    assert (answer.status, answer.code) == (503, "too-many-bodies")
    assert int(answer.headers["Retry-After"]) > 0


def test_what_a_body_given_up_held_is_free_again(impatient: Server, owner: Caller) -> None:
    large = document(state={"text": "x" * 250_000})
    given_up = impatient.send(_declaring(300_000, "/sessions", owner.key) + b"x" * 250_000)

    answers = [impatient.send(request("POST", "/sessions", owner.key, large)).status for _ in range(3)]

    assert given_up.status == 408
    assert answers == [201] * 3


def test_a_caller_who_hangs_up_within_the_body_is_noted(front: Server) -> None:
    name = uuid.uuid4().hex

    with front.connect() as connection:
        connection.sendall(_declaring(100, "/signup", X_Request_Id=name) + b"{")

    line = front.noted(name)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/signup", 400)


def test_a_problem_of_the_front_has_the_callers_request_id(front: Server) -> None:
    answer = front.send(_declaring(100 * MIB, "/tasks", X_Request_Id="mine"))

    assert (answer.headers["X-Request-Id"], answer.json["request_id"]) == ("mine", "mine")


@pytest.mark.parametrize("header", [{}, {"X_Request_Id": "not plain"}, {"X_Request_Id": "x" * 65}], ids=repr)
def test_a_problem_of_the_front_has_a_request_id_of_its_own(front: Server, header: dict[str, str]) -> None:
    answer = front.send(_declaring(100 * MIB, "/tasks", **header))

    assert re.fullmatch(r"[0-9a-f]{32}", answer.headers["X-Request-Id"])
    assert answer.json["request_id"] == answer.headers["X-Request-Id"]


def test_a_header_with_an_underscore_is_no_request_id(front: Server) -> None:
    answer = front.send(b"GET /live HTTP/1.1\r\nHost: localhost\r\nX_Request_Id: spoofed\r\n\r\n")

    assert answer.headers["X-Request-Id"] != "spoofed"


def test_a_problem_of_the_front_is_noted_in_one_line(front: Server) -> None:
    name = uuid.uuid4().hex

    front.send(_declaring(100 * MIB, "/tasks", X_Request_Id=name))

    line = front.noted(name)
    assert (line["method"], line["path"], line["status"]) == ("POST", "/api/v1/tasks", 413)
    assert front.log.read_text(encoding="utf-8").count(name) == 1


def test_a_problem_of_the_front_is_counted_by_its_route(front: Server) -> None:
    front.send(_declaring(100 * MIB, "/tasks"))

    scrape = front.send(LIVE.replace(b"/live", b"/metrics")).raw.decode()

    assert 'holdfast_http_requests_total{method="POST",route="api/v1/tasks",status="413"}' in scrape


def test_a_caller_who_shuts_down_within_the_body_is_answered(front: Server) -> None:
    with front.connect() as connection:
        connection.sendall(_declaring(100, "/signup") + b"{")
        connection.shutdown(socket.SHUT_WR)
        answer = read_answer(connection)

    assert (answer.status, answer.code) == (400, "body-incomplete")


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
@pytest.mark.parametrize(
    ("method", "target", "size"),
    [("POST", "/tasks", 20 * MIB), ("PUT", f"/sessions/{uuid.UUID(int=1)}/state", MAX_STATE_BYTES + 1)],
)
def test_a_caller_who_reads_after_sending_all_is_told_that_it_was_too_much(
    front: Server, owner: Caller, method: str, target: str, size: int, chunked: bool
) -> None:
    body = b"x" * size
    parts = (body[start : start + MIB] for start in range(0, size, MIB))
    headers = {"Authorization": f"Bearer {owner.key}", "Content-Type": "application/json"}
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", front.port, timeout=PATIENCE)) as connection:
        connection.request(method, f"{API}{target}", parts if chunked else body, headers, encode_chunked=chunked)
        answer = connection.getresponse()
        problem = json.loads(answer.read())

    assert (answer.status, problem["code"]) == (413, "body-too-large")


def test_a_caller_who_is_told_that_memory_is_short_may_send_on(impatient: Server, owner: Caller) -> None:
    body = document(state={"text": "x" * MIB})
    with impatient.connect() as connection:
        connection.sendall(request("POST", "/sessions", owner.key, body))
        answer = read_answer(connection)

    assert (answer.status, answer.code) == (503, "too-many-bodies")


def test_a_caller_who_sends_without_end_is_cut_off(impatient: Server) -> None:
    head = request("POST", "/tasks", "", headers=CHUNKED | JSON)
    endless = in_chunks(b"x" * (64 * MIB), MIB).removesuffix(b"0\r\n\r\n")

    with impatient.connect() as connection, pytest.raises(ConnectionError):
        connection.sendall(head + endless)


def test_a_caller_who_sends_nothing_on_is_cut_off(impatient: Server) -> None:
    with impatient.connect() as connection:
        connection.sendall(_declaring(20 * MIB, "/tasks"))
        answer = read_answer(connection)
        rest = connection.recv(1)

    assert (answer.status, rest) == (413, b"")
