"""The front of `up`: streams' paths to the ASGI application, everything else to Django."""

import uuid
from collections.abc import Iterator

import pytest

from tests.api.live import Server, serving
from tests.factories import Answer, Caller


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("front")) as found:
        yield found


def _get(server: Server, target: str, **headers: str) -> Answer:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return server.send(f"GET {target} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n".encode())


@pytest.mark.parametrize("target", ["/a2a/x", "/a2a/", "/a2a/x?y=1", "/a2a/%ff", f"/a2a/{uuid.UUID(int=1)}"])
def test_a_streams_path_is_answered_by_the_streams(front: Server, target: str) -> None:
    answer = _get(front, target)

    assert (answer.status, answer.code) == (404, "not-found")
    # Django's answers carry one.
    assert "X-Request-Id" not in answer.headers


@pytest.mark.parametrize("target", ["/a2a", "/nothing", "/api/v2/a2a/x", "/x/a2a/"])
def test_another_unknown_path_is_answered_by_django(front: Server, target: str) -> None:
    answer = _get(front, target, X_Request_Id="mine")

    assert (answer.status, answer.code) == (404, "not-found")
    assert answer.headers["X-Request-Id"] == "mine"


def test_a_streams_problem_has_the_form_of_djangos(front: Server) -> None:
    streams, django = _get(front, "/a2a/x").json, _get(front, "/nothing").json

    assert streams == {name: value for name, value in django.items() if name != "request_id"}


def test_a_streams_path_answers_a_post(front: Server) -> None:
    post = b"POST /a2a/x HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"

    assert front.send(post).code == "not-found"


def test_a_websocket_is_refused(front: Server) -> None:
    upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec_WebSocket_Version": "13"}

    answer = _get(front, "/a2a/x", Sec_WebSocket_Key="dGhlIHNhbXBsZSBub25jZQ==", **upgrade)

    assert answer.status == 403


@pytest.mark.parametrize(
    ("target", "text"), [("/live", b'{"live": true}'), ("/ready", b'{"ready": true, "missing": {}}')]
)
def test_the_probes_answer(front: Server, target: str, text: bytes) -> None:
    answer = _get(front, target)

    assert (answer.status, answer.raw) == (200, text)


def test_the_api_answers_behind_the_front(front: Server, owner: Caller) -> None:
    answer = _get(front, "/api/v1/me", Authorization=f"Bearer {owner.key}")

    assert answer.json == owner.get("/me").json
