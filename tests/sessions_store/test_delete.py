"""DELETE /sessions/{id}."""

import uuid

from orgs.models import Organization
from tests.factories import Caller, create_session, submit_task
from tests.statements import audit_of, events_of


def test_a_deleted_session_is_gone(owner: Caller) -> None:
    session = create_session(owner)

    answer = owner.delete(f"/sessions/{session['id']}")

    assert (answer.status, answer.raw) == (204, b"")
    assert owner.get(f"/sessions/{session['id']}").code == "not-found"
    assert owner.get("/sessions").json["items"] == []


def test_a_session_is_deleted_once(owner: Caller) -> None:
    session = create_session(owner)
    owner.delete(f"/sessions/{session['id']}")

    again = owner.delete(f"/sessions/{session['id']}")

    assert (again.status, again.code) == (404, "not-found")


def test_delete_of_an_unknown_session_is_not_found(owner: Caller) -> None:
    answer = owner.delete(f"/sessions/{uuid.uuid4()}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_delete_with_another_etag_deletes_nothing(owner: Caller, organization: Organization) -> None:
    session = create_session(owner)

    answer = owner.delete(f"/sessions/{session['id']}", If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/sessions/{session['id']}").json == session
    assert "session.deleted" not in {entry["action"] for entry in audit_of(organization)}


def test_delete_with_the_current_etag_deletes(owner: Caller) -> None:
    session = create_session(owner)

    answer = owner.delete(f"/sessions/{session['id']}", If_Match='"1"')

    assert answer.status == 204


def test_the_events_of_a_deleted_session_stay_and_end_in_its_deletion(owner: Caller) -> None:
    session = create_session(owner)
    owner.put(f"/sessions/{session['id']}/state", {})

    owner.delete(f"/sessions/{session['id']}")

    events = owner.get(f"/sessions/{session['id']}/events").json["items"]
    assert [(event["generation"], event["type"]) for event in events] == [
        (1, "session.created"),
        (2, "session.state.changed"),
        (3, "session.deleted"),
    ]


def test_the_events_of_a_deleted_session_are_not_found_by_an_outsider(owner: Caller, outsider: Caller) -> None:
    session = create_session(owner)
    owner.delete(f"/sessions/{session['id']}")

    answer = outsider.get(f"/sessions/{session['id']}/events")

    assert (answer.status, answer.code) == (404, "not-found")


def test_the_events_of_what_is_no_session_are_not_found(owner: Caller) -> None:
    """A task has events too; they are not a session's."""
    task = submit_task(owner)

    answers = [owner.get(f"/sessions/{subject}/events") for subject in (task["id"], uuid.uuid4())]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "not-found")}


def test_delete_is_audited(agent: Caller, organization: Organization) -> None:
    session = create_session(agent)

    agent.delete(f"/sessions/{session['id']}")

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["outcome"], entry["subject_id"]) == ("session.deleted", "success", session["id"])
    assert entry["actor"] == f"agent:{session['owner_id']}"


def test_a_deleted_session_takes_no_more_state(owner: Caller) -> None:
    session = create_session(owner)
    owner.delete(f"/sessions/{session['id']}")
    path = f"/sessions/{session['id']}/state"

    answers = [owner.put(path, {}), owner.patch(path, {})]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "not-found")}
    assert len(events_of(session["id"])) == 2
