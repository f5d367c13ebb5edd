"""A state takes 16 MiB, however it grows there."""

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
