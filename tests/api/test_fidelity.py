"""A document put in through any write comes back equal through every read: as text, as exact numbers, as plain JSON."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api import documents
from tests import factories
from tests.api.json_texts import json_documents
from tests.factories import Answer, Caller

Found = tuple[Answer, tuple[str | int, ...]]
DIFFICULT = (
    b'{"int":9007199254740993,"long":-123456789012345678901234567890,"pi":3.14159265358979323846264338327950288,'
    b'"big":1e23,"zero":-0.0,"max":1e308,"tiny":1e-400,"trailing":1.10,"":{"":[]},"dup":"e\xcc\x81 \xc3\xa9",'
    b'"astral":"\xf0\x9f\x98\x80\xf4\x8f\xbf\xbf","lines":"\xe2\x80\xa8\xe2\x80\xa9","bom":"\xef\xbb\xbf",'
    b'"escapes":"\\"\\\\\\/\\b\\f\\n\\r\\t\\u0001\\u00e9\\ud83d\\ude00","not":"\\\\u0000","x":[true,false,null,1,"1"],'
    b'"</script>":"<!--","$ref":"#/","__proto__":{}}'
)


def _create_session(caller: Caller, raw: bytes) -> list[Found]:
    made = caller.post("/sessions", b'{"state":%b,"metadata":%b}' % (raw, raw))
    got = caller.get(made.headers["Location"])
    return [(answer, (name,)) for answer in (made, got) for name in ("state", "metadata")]


def _list_session(caller: Caller, raw: bytes) -> list[Found]:
    caller.post("/sessions", b'{"metadata":%b}' % raw)
    return [(caller.get("/sessions"), ("items", 0, "metadata"))]


def _replace_state(caller: Caller, raw: bytes) -> list[Found]:
    session = factories.create_session(caller)
    caller.put(f"/sessions/{session['id']}/state", raw)
    return [(caller.get(f"/sessions/{session['id']}"), ("state",))]


def _merge_state(caller: Caller, raw: bytes) -> list[Found]:
    session = factories.create_session(caller, state={"kept": 1})
    path = f"/sessions/{session['id']}/state"
    # An array is replaced as a whole, so its nulls stay; merging once more reads and writes what is stored.
    caller.patch(path, b'{"merged":[%b]}' % raw)
    caller.patch(path, b'{"other":1}')
    return [(caller.get(f"/sessions/{session['id']}"), ("state", "merged", 0))]


def _submit_task(caller: Caller, raw: bytes) -> list[Found]:
    made = caller.post("/tasks", b'{"message":{"parts":[%b],"metadata":%b},"metadata":%b}' % (raw, raw, raw))
    got = caller.get(made.headers["Location"])
    steps: list[tuple[str | int, ...]] = [("metadata",), ("history", 0, "parts", 0), ("history", 0, "metadata")]
    return [(answer, path) for answer in (made, got) for path in steps] + [
        (caller.get("/tasks"), ("items", 0, "metadata"))
    ]


def _append_message(caller: Caller, raw: bytes) -> list[Found]:
    task = factories.submit_task(caller)
    caller.post(f"/tasks/{task['id']}/messages", b'{"parts":[%b],"metadata":%b}' % (raw, raw))
    listed = caller.get(f"/tasks/{task['id']}/messages")
    return [
        (listed, ("items", 1, "parts", 0)),
        (listed, ("items", 1, "metadata")),
        (caller.get(f"/tasks/{task['id']}"), ("history", 1, "parts", 0)),
    ]


def _append_artifact(caller: Caller, raw: bytes) -> list[Found]:
    task = factories.submit_task(caller)
    made = caller.post(f"/tasks/{task['id']}/artifacts", b'{"artifact_id":"a","parts":[%b],"metadata":%b}' % (raw, raw))
    return [
        (made, ("metadata",)),
        (caller.get(f"/tasks/{task['id']}"), ("artifacts", 0, "metadata")),
        (caller.get(f"/tasks/{task['id']}/artifacts/a"), ("metadata",)),
        (caller.get(f"/tasks/{task['id']}/artifacts"), ("items", 0, "metadata")),
        (caller.get(f"/tasks/{task['id']}/artifacts/a/chunks"), ("items", 0, "parts", 0)),
    ]


def _user() -> Caller:
    user = factories.make_user()
    return Caller(factories.make_key(factories.make_organization(user), user=user).text)


def _replace_settings(caller: Caller, raw: bytes) -> list[Found]:
    user = _user()
    return [(user.put("/me/settings", raw), ()), (user.get("/me/settings"), ())]


def _merge_settings(caller: Caller, raw: bytes) -> list[Found]:
    user = _user()
    user.patch("/me/settings", b'{"merged":[%b]}' % raw)
    return [(user.patch("/me/settings", b'{"other":1}'), ("merged", 0)), (user.get("/me/settings"), ("merged", 0))]


def _change_me(caller: Caller, raw: bytes) -> list[Found]:
    user = _user()
    changed = user.patch("/me", b'{"preferences":{"merged":[%b]}}' % raw)
    return [(answer, ("preferences", "merged", 0)) for answer in (changed, user.get("/me"))]


WRITES = [
    _replace_settings,
    _merge_settings,
    _change_me,
    _create_session,
    _list_session,
    _replace_state,
    _merge_state,
    _submit_task,
    _append_message,
    _append_artifact,
]


def _at(document: Any, path: tuple[str | int, ...]) -> Any:
    for step in path:
        document = document[step]
    return document


def assert_kept(raw: bytes, found: Found) -> None:
    answer, path = found
    assert answer.status in (200, 201), answer
    sent, got = documents.parse(raw), _at(documents.parse(answer.raw, max_depth=100), path)
    # Texts tell 1 from 1.0 and True, and 0.0 from -0.0.
    assert documents.dumps(got) == documents.dumps(sent)
    assert _at(json.loads(answer.raw), path) == json.loads(raw)


@pytest.mark.parametrize("write", WRITES)
def test_a_difficult_document_comes_back_equal(owner: Caller, write: Callable[[Caller, bytes], list[Found]]) -> None:
    for found in write(owner, DIFFICULT):
        assert_kept(DIFFICULT, found)


@pytest.mark.parametrize("write", WRITES)
def test_a_document_of_ascii_escapes_comes_back_equal(
    owner: Caller, write: Callable[[Caller, bytes], list[Found]]
) -> None:
    raw = json.dumps({chr(code): chr(code) for code in (*range(1, 0x300), 0x2028, 0xFEFF, 0x1F600)}).encode()

    for found in write(owner, raw):
        assert_kept(raw, found)


@given(st.lists(json_documents(), max_size=4), st.data())
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
def test_any_document_comes_back_equal(owner: Caller, leaves: list[object], data: st.DataObject) -> None:
    raw = documents.dumps({"any": leaves}).encode()
    write = data.draw(st.sampled_from([_create_session, _merge_state, _append_message, _append_artifact]))

    for found in write(owner, raw):
        assert_kept(raw, found)


def test_a_claim_gives_the_messages_as_they_were_sent(owner: Caller) -> None:
    task = factories.submit_task(owner)
    owner.post(f"/tasks/{task['id']}/messages", b'{"parts":[%b]}' % DIFFICULT)

    claimed = owner.post("/tasks/claim", {})

    assert_kept(DIFFICULT, (claimed, ("items", 0, "task", "history", 1, "parts", 0)))


def test_a_state_of_64_levels_comes_back_equal(owner: Caller) -> None:
    session = factories.create_session(owner)
    raw = b'{"a":' * 63 + b"{}" + b"}" * 63

    assert owner.put(f"/sessions/{session['id']}/state", raw).status == 200
    assert_kept(raw, (owner.get(f"/sessions/{session['id']}"), ("state",)))


def test_a_state_of_64_levels_can_be_patched_to_its_depth(owner: Caller) -> None:
    session = factories.create_session(owner)
    path = f"/sessions/{session['id']}/state"
    owner.put(path, b'{"a":' * 63 + b'{"old":1}' + b"}" * 63)

    assert owner.patch(path, b'{"a":' * 63 + b'{"old":null,"new":2}' + b"}" * 63).status == 200

    assert_kept(b'{"a":' * 63 + b'{"new":2}' + b"}" * 63, (owner.get(f"/sessions/{session['id']}"), ("state",)))


def test_a_title_of_500_characters_beyond_the_basic_plane_comes_back_equal(owner: Caller) -> None:
    title = "\U0001f600" * 499 + "\u2028"

    assert factories.create_session(owner, title=title)["title"] == title


def test_identifiers_and_names_are_kept_as_given(owner: Caller) -> None:
    name = f"Ünïcødé \U0001f916 {uuid.uuid4().hex}"

    made = owner.post("/agents", {"name": name, "slug": f"a-{uuid.uuid4().hex[:20]}", "description": "\\u0000 \u2028"})

    assert (made.json["name"], made.json["description"]) == (name, "\\u0000 \u2028")
