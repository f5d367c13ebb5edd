"""How large a body may be, per operation, however its length is told."""

import io
import json

import pytest

from api.requests import MIB
from sessions_store.services import MAX_STATE_BYTES
from tests import factories
from tests.api.scene import Operation, Scene, operations_of
from tests.api.wire import send
from tests.factories import Caller

STATE_WRITES = ("replace_state", "merge_state")
CACHE_WRITES = ("set_cached", "set_many_cached")
ORDINARY = [
    operation
    for operation in operations_of("POST", "PUT", "PATCH")
    if operation.name not in (*STATE_WRITES, *CACHE_WRITES, "create_session", "push_messages")
]


def _of_size(size: int) -> bytes:
    """Return an object of exactly `size` bytes."""
    return b'{"a":"' + b"x" * (size - 8) + b'"}'


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_message_of_exactly_one_mebibyte_is_taken(owner: Caller, chunked: bool) -> None:
    task = factories.submit_task(owner)
    frame = b'{"parts":[{"text":"%b"}]}'
    body = frame % (b"x" * (MIB - len(frame % b"")))
    assert len(body) == MIB

    answer = send("POST", f"/tasks/{task['id']}/messages", body, key=owner.key, chunked=chunked)

    assert answer.status == 201


@pytest.mark.parametrize("operation", ORDINARY, ids=lambda operation: operation.name)
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_one_byte_more_than_a_mebibyte_is_refused(scene: Scene, operation: Operation, chunked: bool) -> None:
    method, path = operation.method, operation.at(scene.ids)

    answer = send(method, path, _of_size(MIB + 1), key=scene.owner.key, chunked=chunked)

    assert (answer.status, answer.code) == (413, "body-too-large")


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_a_state_of_exactly_16_mebibytes_is_taken(scene: Scene, method: str) -> None:
    path = f"/sessions/{scene.ids['session_id']}/state"
    scene.owner.put(path, {})

    assert send(method, path, _of_size(MAX_STATE_BYTES), key=scene.owner.key).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_a_state_of_one_byte_more_is_refused(scene: Scene, method: str, chunked: bool) -> None:
    path = f"/sessions/{scene.ids['session_id']}/state"

    answer = send(method, path, _of_size(MAX_STATE_BYTES + 1), key=scene.owner.key, chunked=chunked)

    assert (answer.status, answer.code) == (413, "body-too-large")


def test_a_first_state_beyond_16_mebibytes_is_refused(owner: Caller) -> None:
    body = b'{"state":%b}' % _of_size(MAX_STATE_BYTES + 1)

    answer = send("POST", "/sessions", body, key=owner.key)

    assert (answer.status, answer.code) == (413, "state-too-large")


def test_patches_cannot_grow_a_state_beyond_16_mebibytes(scene: Scene) -> None:
    path = f"/sessions/{scene.ids['session_id']}"
    assert send("PUT", f"{path}/state", _of_size(MAX_STATE_BYTES), key=scene.owner.key).status == 200
    generation = scene.owner.get("/sessions").json["items"][0]["generation"]

    answer = scene.owner.patch(f"{path}/state", {"b": 1})

    assert (answer.status, answer.code) == (413, "state-too-large")
    assert scene.owner.get("/sessions").json["items"][0]["generation"] == generation


def test_a_body_is_read_no_further_than_its_limit(scene: Scene) -> None:
    class Endless(io.BytesIO):
        given = 0

        def read(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            self.given += size
            return b" " * size

    endless = Endless()

    answer = send("POST", "/sessions", key=scene.owner.key, chunked=True, stream=endless)

    assert answer.code == "body-too-large"
    assert endless.given == MAX_STATE_BYTES + MIB + 1


@pytest.mark.parametrize("length", ["9" * 30, "1" * 5000, str(MAX_STATE_BYTES * 2)])
def test_a_huge_declared_length_is_refused_before_any_byte_is_read(scene: Scene, length: str) -> None:
    answer = send("POST", "/tasks", key=scene.owner.key, headers={"Content-Length": length})

    assert (answer.status, answer.code) == (413, "body-too-large")


@pytest.mark.parametrize("length", ["-1", "+5", "1.0", "0x10", "five", "1 2", "\u00b2", "1,1"])
def test_a_malformed_content_length_is_refused(scene: Scene, length: str) -> None:
    answer = send("POST", "/tasks", b"{}", key=scene.owner.key, headers={"Content-Length": length})

    assert (answer.status, answer.code) == (400, "invalid-header")


def test_a_body_shorter_than_its_content_length_is_refused_and_does_nothing(owner: Caller) -> None:
    body = json.dumps({"title": "cut off"}).encode()

    answer = send("POST", "/sessions", body, key=owner.key, headers={"Content-Length": str(len(body) + 1)})

    assert (answer.status, answer.code) == (400, "body-incomplete")
    assert owner.get("/sessions").json["items"] == []


def test_many_unknown_fields_are_answered_with_the_first_hundred(owner: Caller) -> None:
    body = json.dumps({f"unknown{number}": 1 for number in range(20_000)}).encode()

    answer = send("POST", "/agents", body, key=owner.key)

    assert answer.status == 422
    assert len(answer.json["errors"]) == 100
