"""DELETE /agents/{id}: the agent and its keys are gone, its sessions and tasks stay."""

import secrets
import threading
from typing import Any

import pytest

from orgs import tenancy
from orgs.models import Agent, APIKey, Organization
from tests import factories
from tests.factories import Answer, Caller, create_session, submit_task
from tests.statements import at_once, audit_of, events_of, wait_until_someone_waits


@pytest.fixture
def doomed(organization: Organization) -> Agent:
    return factories.make_agent(organization)


def delete(caller: Caller, doomed: Agent) -> Answer:
    return caller.delete(f"/agents/{doomed.id}")


def test_a_deleted_agent_is_not_found_and_its_slug_is_free(owner: Caller, doomed: Agent) -> None:
    answer = owner.delete(f"/agents/{doomed.id}", If_Match='"1"')

    assert (answer.status, answer.raw) == (204, b"")
    assert owner.get(f"/agents/{doomed.id}").status == 404
    assert delete(owner, doomed).status == 404
    assert owner.post("/agents", {"name": "New", "slug": doomed.slug}).status == 201


def test_a_deletion_is_audited_and_the_agent_s_last_event(
    owner: Caller, organization: Organization, doomed: Agent
) -> None:
    delete(owner, doomed)

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["subject_id"], entry["detail"]) == (
        "agent.deleted",
        str(doomed.id),
        {"slug": doomed.slug},
    )
    assert [(event["type"], event["generation"]) for event in events_of(doomed.id)] == [("agent.deleted", 2)]


def test_a_deletion_refuses_another_generation(owner: Caller, doomed: Agent) -> None:
    owner.patch(f"/agents/{doomed.id}", {"name": "Changed"})

    answer = owner.delete(f"/agents/{doomed.id}", If_Match='"1"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/agents/{doomed.id}").status == 200


def test_the_keys_of_a_deleted_agent_are_revoked_and_gone(
    owner: Caller, organization: Organization, doomed: Agent
) -> None:
    minted = factories.make_key(organization, agent=doomed)
    bearer = Caller(minted.text)
    assert bearer.get("/me").status == 200

    delete(owner, doomed)

    assert bearer.get("/me").status == 401
    assert owner.get(f"/api-keys/{minted.row.id}").status == 404
    assert [event["type"] for event in events_of(minted.row.id)] == ["api-key.created", "api-key.revoked"]
    assert "api-key.revoked" in [entry["action"] for entry in audit_of(organization)]


def test_an_agent_may_delete_itself(organization: Organization, doomed: Agent) -> None:
    own = Caller(factories.make_key(organization, agent=doomed).text)

    answer = delete(own, doomed)

    assert answer.status == 204
    assert own.get("/me").status == 401


def test_a_key_that_the_agent_made_works_on(owner: Caller, organization: Organization, doomed: Agent) -> None:
    """It is the organization's, as one that a member made is after their leaving."""
    own = Caller(factories.make_key(organization, agent=doomed).text)
    made = Caller(own.post("/api-keys", {"name": "made", "scopes": ["tasks:read"]}).json["key"])

    delete(owner, doomed)

    assert made.get("/tasks").status == 200


def test_its_tasks_stay_as_nobody_s(owner: Caller, doomed: Agent) -> None:
    task = submit_task(owner, agent_id=str(doomed.id))

    delete(owner, doomed)

    kept = owner.get(f"/tasks/{task['id']}")
    assert (kept.json["agent_id"], kept.json["state"], kept.headers["ETag"]) == (None, "submitted", '"2"')
    last = events_of(task["id"])[-1]
    assert (last["type"], last["generation"], last["facts"]) == ("task.released", 2, {"agent_id": str(doomed.id)})
    assert [item["task"]["id"] for item in owner.post("/tasks/claim", {}).json["items"]] == [task["id"]]


def test_its_sessions_stay_as_nobody_s(owner: Caller, doomed: Agent) -> None:
    session = create_session(owner, agent_id=str(doomed.id), state={"kept": True})

    delete(owner, doomed)

    kept = owner.get(f"/sessions/{session['id']}").json
    assert kept == session | {"agent_id": None, "generation": 2}
    assert [event["type"] for event in events_of(session["id"])] == ["session.created", "session.released"]


def test_what_names_another_agent_is_left_alone(owner: Caller, organization: Organization, doomed: Agent) -> None:
    other = factories.make_agent(organization)
    task, session = (make(owner, agent_id=str(other.id)) for make in (submit_task, create_session))

    delete(owner, doomed)

    assert owner.get(f"/tasks/{task['id']}").json == task
    assert owner.get(f"/sessions/{session['id']}").json == session


def test_deleting_an_agent_needs_more_than_writing_agents(organization: Organization, doomed: Agent) -> None:
    caller = Caller(factories.make_key(organization, scopes=("agents:write",)).text)

    answer = delete(caller, doomed)

    assert (answer.status, answer.code) == (403, "scope-missing")


NAMING: dict[str, tuple[str, dict[str, Any]]] = {
    "task": ("/tasks", {"message": factories.text_message()}),
    "session": ("/sessions", {}),
    "key": ("/api-keys", {"name": "made", "scopes": ["tasks:read"]}),
}


@pytest.mark.parametrize("kind", sorted(NAMING))
def test_who_names_an_agent_waits_for_its_deletion_and_does_not_find_it(
    owner: Caller, organization: Organization, doomed: Agent, kind: str
) -> None:
    path, body = NAMING[kind]
    locked = threading.Event()

    def delete_slowly() -> None:
        with tenancy.organization(organization.id):
            row = Agent.objects.select_for_update().get(id=doomed.id)
            locked.set()
            wait_until_someone_waits()
            row.delete()

    def name() -> Answer:
        assert locked.wait(10)
        return owner.post(path, {**body, "agent_id": str(doomed.id)})

    _, answer = at_once(delete_slowly, name)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (422, "unknown-reference")


@pytest.mark.parametrize("kind", sorted(NAMING))
def test_of_a_deletion_and_a_naming_at_once_neither_fails(owner: Caller, organization: Organization, kind: str) -> None:
    path, body = NAMING[kind]

    for _ in range(8):
        doomed = factories.make_agent(organization)
        named = {**body, "agent_id": str(doomed.id)}
        deleted, made = at_once(lambda: delete(owner, doomed), lambda: owner.post(path, named))  # noqa: B023

        assert isinstance(deleted, Answer)
        assert isinstance(made, Answer)
        assert (deleted.status, made.status in (201, 422)) == (204, True), made


def test_a_deletion_waits_for_a_key_being_made_and_takes_it_along(
    owner: Caller, organization: Organization, doomed: Agent
) -> None:
    locked = threading.Event()

    def make_slowly() -> None:
        with tenancy.organization(organization.id):
            Agent.objects.select_for_update(no_key=True).get(id=doomed.id)
            locked.set()
            wait_until_someone_waits()
            fields = {"owner_id": doomed.id, "key_id": secrets.token_hex(6), "digest": b"", "name": "late"}
            APIKey.objects.create(organization=organization, agent=doomed, scopes=["tasks:read"], **fields)

    def delete_then() -> Answer:
        assert locked.wait(10)
        return delete(owner, doomed)

    made, answer = at_once(make_slowly, delete_then)

    assert made is None
    assert isinstance(answer, Answer)
    assert answer.status == 204
    with tenancy.organization(organization.id):
        assert not APIKey.objects.filter(name="late").exists()
