"""The front of `up`: streams' paths to the ASGI application, everything else to Django."""

import uuid
from pathlib import Path

import pytest
from django.contrib.staticfiles import finders

from config.bridge import PIECE_BYTES
from tests.api.live import THREADS, Server, read_answer
from tests.factories import Answer, Caller


def _get(server: Server, target: str, **headers: str) -> Answer:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return server.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())


@pytest.mark.parametrize("target", ["/a2a/x", "/a2a/", "/a2a/x?y=1", "/a2a/%ff", f"/a2a/{uuid.UUID(int=1)}"])
def test_a_streams_path_is_answered_by_the_streams(front: Server, target: str) -> None:
    # Django would see nothing of it before its body has come.
    begun = f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n".encode()

    answer = front.send(begun)

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("target", ["/a2a", "/nothing", "/api/v2/a2a/x", "/x/a2a/"])
def test_another_unknown_path_is_answered_by_django(front: Server, target: str) -> None:
    answer = _get(front, target, X_Request_Id="mine")

    assert (answer.status, answer.code) == (404, "not-found")
    assert answer.headers["X-Request-Id"] == "mine"


@pytest.mark.parametrize("part", ["%zz", "a%", "%2", "%ff"])
def test_a_path_of_the_api_that_is_no_text_is_refused(front: Server, owner: Caller, part: str) -> None:
    answer = _get(front, f"/api/v1/cache/report/{part}", Authorization=f"Bearer {owner.key}")

    assert (answer.status, answer.code) == (400, "bad-request")


def test_a_percent_sign_is_part_of_a_name_where_it_is_encoded(front: Server, owner: Caller) -> None:
    owner.put("/cache/report/%25zz", {"value": 1, "ttl_seconds": 60})

    answer = _get(front, "/api/v1/cache/report/%25zz", Authorization=f"Bearer {owner.key}")

    assert (answer.status, answer.json["value"]) == (200, 1)


def test_a_streams_problem_has_the_form_of_djangos(front: Server) -> None:
    streams, django = [_get(front, target, X_Request_Id="mine") for target in ("/a2a/x", "/nothing")]

    assert streams.json == django.json
    assert {**streams.headers, "Date": ""} == {**django.headers, "Date": ""}


def test_a_streams_answer_is_noted_like_djangos(front: Server) -> None:
    names = {target: uuid.uuid4().hex for target in ("/a2a/noted", "/noted")}
    for target, name in names.items():
        _get(front, target, X_Request_Id=name)

    streams, django = [front.noted(name) for name in names.values()]

    assert streams.keys() == django.keys()
    assert (streams["path"], streams["status"], streams["request_id"]) == ("/a2a/noted", 404, names["/a2a/noted"])


def test_a_streams_path_answers_a_post(front: Server) -> None:
    post = b"POST /a2a/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

    assert front.send(post).code == "not-found"


def test_a_head_of_a_streams_path_has_no_content(front: Server) -> None:
    with front.connect() as connection:
        connection.sendall(b"HEAD /a2a/x HTTP/1.1\r\nHost: localhost\r\n\r\n")
        head = read_answer(connection, content=False)
        connection.sendall(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        after = read_answer(connection)

    assert (head.status, after.status) == (404, 200)


def test_a_websocket_is_refused(front: Server) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}

    answer = _get(front, "/a2a/x", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **upgrade)

    assert answer.status == 403


@pytest.mark.parametrize(
    ("target", "text"), [("/live", b'{"live": true}'), ("/ready", b'{"ready": true, "missing": {}, "degraded": {}}')]
)
def test_the_probes_answer(front: Server, target: str, text: bytes) -> None:
    answer = _get(front, target)

    assert (answer.status, answer.raw) == (200, text)


def test_the_api_answers_behind_the_front(front: Server, owner: Caller) -> None:
    answer = _get(front, "/api/v1/me", Authorization=f"Bearer {owner.key}")

    assert answer.json == owner.get("/me").json


def test_a_file_of_many_pieces_comes_whole(front: Server) -> None:
    found = finders.find("admin/js/vendor/jquery/jquery.js")
    assert isinstance(found, str)
    content = Path(found).read_bytes()
    assert len(content) > 2 * PIECE_BYTES

    answer = _get(front, "/static/admin/js/vendor/jquery/jquery.js")

    assert (answer.status, answer.raw == content) == (200, True)


def test_callers_who_hang_up_within_a_file_leave_no_thread_waiting(front: Server) -> None:
    for _ in range(3 * THREADS):
        with front.connect() as connection:
            connection.sendall(b"GET /static/admin/js/vendor/jquery/jquery.js HTTP/1.1\r\nHost: localhost\r\n\r\n")
            connection.recv(1)

    assert _get(front, "/live").status == 200
