"""A state takes 16 MiB and a million costly values, however it grows there."""

import pytest

from api.documents import MAX_COSTLY
from tests.factories import Caller, create_session

MIB = 1024 * 1024
AROUND = len('{"big":""}')


def state_of(size: int) -> bytes:
    """Return a state of exactly this many bytes."""
    return b'{"big":"%s"}' % (b"x" * (size - AROUND))


def test_a_state_of_16_mib_comes_back_and_one_byte_more_is_refused(owner: Caller) -> None:
    session = create_session(owner)
    path = f"/sessions/{session['id']}/state"

    written = owner.put(path, state_of(16 * MIB))
    larger = owner.put(path, state_of(16 * MIB + 1))
    grown = owner.patch(path, {"one": "more"})

    assert written.status == 200
    assert (larger.status, larger.code) == (413, "body-too-large")
    assert (grown.status, grown.code) == (413, "state-too-large")
    stored = owner.get(f"/sessions/{session['id']}")
    assert stored.headers["ETag"] == '"2"'
    assert state_of(16 * MIB) in stored.raw


def test_a_patch_that_shrinks_a_full_state_is_done(owner: Caller) -> None:
    session = create_session(owner)
    owner.put(f"/sessions/{session['id']}/state", state_of(16 * MIB))

    answer = owner.patch(f"/sessions/{session['id']}/state", {"big": None})

    assert answer.status == 200
    assert owner.get(f"/sessions/{session['id']}").json["state"] == {}


def test_create_refuses_a_state_beyond_16_mib(owner: Caller) -> None:
    answer = owner.post("/sessions", b'{"state":%s}' % state_of(16 * MIB + 1))

    assert (answer.status, answer.code) == (413, "state-too-large")
    assert owner.get("/sessions").json["items"] == []


def test_a_state_whose_text_grows_beyond_16_mib_is_refused(owner: Caller) -> None:
    """`1e5` is written back with its sign, so the text that is stored is longer than the body."""
    session = create_session(owner)
    numbers = b'"n":[1e5,1e5,1e5]'
    text = state_of(16 * MIB - len(numbers) - 1)[:-1] + b"," + numbers + b"}"

    answer = owner.put(f"/sessions/{session['id']}/state", text)

    assert len(text) == 16 * MIB
    assert (answer.status, answer.code) == (413, "state-too-large")


@pytest.mark.parametrize("value", [b"{}", b"[]", b"0.5"])
def test_patches_grow_no_state_that_could_not_be_put_back(owner: Caller, value: bytes) -> None:
    session = create_session(owner)
    path = f"/sessions/{session['id']}/state"
    many = b",".join([value] * (MAX_COSTLY * 6 // 10))

    first = owner.patch(path, b'{"a":[%s]}' % many)
    second = owner.patch(path, b'{"b":[%s]}' % many)

    assert first.status == 200
    assert (second.status, second.code) == (413, "too-many-values")
    stored = owner.get(f"/sessions/{session['id']}")
    assert stored.headers["ETag"] == '"2"'
    assert owner.put(path, b'{"a":[%s]}' % many).status == 200


def test_a_patch_may_replace_many_values_by_as_many(owner: Caller) -> None:
    session = create_session(owner)
    path = f"/sessions/{session['id']}/state"
    many = b'{"a":[%s]}' % b",".join([b"{}"] * (MAX_COSTLY - 2))

    assert [owner.patch(path, many).status for _ in range(2)] == [200, 200]


def test_strings_that_look_like_values_do_not_count_in_a_patched_state(owner: Caller) -> None:
    session = create_session(owner)
    text = b'{"a":"%s"}' % (b"{[.E" * MAX_COSTLY)

    answer = owner.patch(f"/sessions/{session['id']}/state", text)

    assert answer.status == 200


@pytest.mark.parametrize("method", ["POST", "PUT"])
def test_a_state_that_is_sent_whole_is_bounded_alike(owner: Caller, method: str) -> None:
    state = b'{"a":[%s]}' % b",".join([b"{}"] * (MAX_COSTLY + 1))
    session = create_session(owner)
    path, body = (
        ("/sessions", b'{"state":%s}' % state) if method == "POST" else (f"/sessions/{session['id']}/state", state)
    )

    answer = owner.call(method, path, body)

    assert (answer.status, answer.code) == (413, "too-many-values")
