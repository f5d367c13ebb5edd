"""PUT and PATCH /sessions/{id}/state."""

import uuid
from typing import Any

import pytest

from tests.factories import Caller, create_session
from tests.statements import events_of, statements


def test_put_replaces_the_whole_state(owner: Caller) -> None:
    session = create_session(owner, state={"old": 1})

    answer = owner.put(f"/sessions/{session['id']}/state", {"new": 2})

    assert (answer.status, answer.json["generation"], answer.headers["ETag"]) == (200, 2, '"2"')
    assert owner.get(f"/sessions/{session['id']}").json["state"] == {"new": 2}


def test_put_moves_updated_at_and_not_created_at(owner: Caller) -> None:
    session = create_session(owner)

    owner.put(f"/sessions/{session['id']}/state", {})

    after = owner.get(f"/sessions/{session['id']}").json
    assert after["updated_at"] > session["updated_at"]
    assert after["created_at"] == session["created_at"]


def test_put_is_one_statement(owner: Caller) -> None:
    session = create_session(owner)

    with statements() as sent:
        owner.put(f"/sessions/{session['id']}/state", {})

    assert len(sent) == 1


def test_put_with_the_current_etag_is_done(owner: Caller) -> None:
    session = create_session(owner)

    answer = owner.put(f"/sessions/{session['id']}/state", {}, If_Match='"1"')

    assert answer.status == 200


def test_put_accepts_any_of_several_etags(owner: Caller) -> None:
    session = create_session(owner)

    answer = owner.put(f"/sessions/{session['id']}/state", {}, If_Match='"7", "1"')

    assert answer.status == 200


@pytest.mark.parametrize("tag", ['"2"', 'W/"1"', '"other"', '"2", "3"'])
def test_put_with_another_etag_changes_nothing(owner: Caller, tag: str) -> None:
    session = create_session(owner, state={"kept": True})

    answer = owner.put(f"/sessions/{session['id']}/state", {}, If_Match=tag)

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/sessions/{session['id']}").json == session


def test_put_to_an_unknown_session_is_not_found_whatever_the_etag(owner: Caller) -> None:
    path = f"/sessions/{uuid.uuid4()}/state"

    answers = [owner.put(path, {}), owner.put(path, {}, If_Match='"1"')]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "not-found")}


@pytest.mark.parametrize("state", [[], "text", 1, True])
def test_a_state_must_be_an_object(owner: Caller, state: Any) -> None:
    session = create_session(owner)

    answers = [
        owner.put(f"/sessions/{session['id']}/state", state),
        owner.patch(f"/sessions/{session['id']}/state", state),
    ]

    assert {(answer.status, answer.code) for answer in answers} == {(422, "invalid")}


@pytest.mark.parametrize("body", [b"", b"null"])
def test_a_state_must_be_sent(owner: Caller, body: bytes) -> None:
    session = create_session(owner, state={"kept": True})

    answer = owner.put(f"/sessions/{session['id']}/state", body)

    assert (answer.status, answer.code) == (422, "invalid")
    assert owner.get(f"/sessions/{session['id']}").json == session


def test_patch_merges_into_the_state(owner: Caller) -> None:
    session = create_session(owner, state={"keep": 1, "drop": 2, "deep": {"a": 1, "b": 2}})

    answer = owner.patch(f"/sessions/{session['id']}/state", {"drop": None, "deep": {"b": None, "c": 3}, "list": [1]})

    assert (answer.status, answer.json["generation"], answer.headers["ETag"]) == (200, 2, '"2"')
    assert owner.get(f"/sessions/{session['id']}").json["state"] == {
        "keep": 1,
        "deep": {"a": 1, "c": 3},
        "list": [1],
    }


def test_patch_takes_the_media_type_of_a_merge_patch(owner: Caller) -> None:
    session = create_session(owner)

    answer = owner.patch(f"/sessions/{session['id']}/state", {"a": 1}, Content_Type="application/merge-patch+json")

    assert answer.status == 200


def test_patch_keeps_every_digit_of_what_it_does_not_touch(owner: Caller) -> None:
    session = create_session(owner)
    kept = b'{"n":1.000000000000000000000000000001,"i":123456789012345678901234567890,"e":1e23}'
    owner.put(f"/sessions/{session['id']}/state", kept)

    owner.patch(f"/sessions/{session['id']}/state", {"x": 1})

    raw = owner.get(f"/sessions/{session['id']}").raw
    assert b"1.000000000000000000000000000001" in raw
    assert b"123456789012345678901234567890" in raw


def test_patch_with_another_etag_changes_nothing(owner: Caller) -> None:
    session = create_session(owner, state={"a": 1})

    answer = owner.patch(f"/sessions/{session['id']}/state", {"a": 2}, If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/sessions/{session['id']}").json == session


def test_patch_with_the_current_etag_is_done(owner: Caller) -> None:
    session = create_session(owner, state={"a": 1})

    answer = owner.patch(f"/sessions/{session['id']}/state", {"a": 2}, If_Match='"1"')

    assert answer.status == 200


def test_patch_of_an_unknown_session_is_not_found(owner: Caller) -> None:
    answer = owner.patch(f"/sessions/{uuid.uuid4()}/state", {})

    assert (answer.status, answer.code) == (404, "not-found")


def test_each_change_publishes_one_event_of_its_generation(owner: Caller, member: Caller) -> None:
    session = create_session(owner)
    owner.put(f"/sessions/{session['id']}/state", {})
    member.patch(f"/sessions/{session['id']}/state", {"a": 1})

    changes = events_of(session["id"])[1:]

    assert [event["generation"] for event in changes] == [2, 3]
    assert {event["type"] for event in changes} == {"session.state.changed"}
    assert {str(event["owner_id"]) for event in changes} == {session["owner_id"]}
    assert changes[1]["actor"] == f"user:{member.get('/me').json['actor_id']}"


def test_an_event_carries_the_id_of_the_request_that_made_it(owner: Caller) -> None:
    session = create_session(owner)

    owner.put(f"/sessions/{session['id']}/state", {}, X_Request_Id="request-17")

    assert events_of(session["id"])[-1]["request_id"] == "request-17"


def test_a_refused_change_publishes_nothing(owner: Caller) -> None:
    session = create_session(owner)

    owner.put(f"/sessions/{session['id']}/state", {}, If_Match='"9"')

    assert len(events_of(session["id"])) == 1
