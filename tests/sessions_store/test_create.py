"""POST /sessions."""

from typing import Any

from orgs import tenancy
from orgs.models import Agent, Organization
from tests import factories
from tests.factories import Caller, create_session
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, events_of, wait_until_someone_waits

NO_OBJECTS: list[Any] = [[], "text", 1, None]


def test_a_session_starts_with_an_empty_state(owner: Caller) -> None:
    session = create_session(owner, title="first")

    assert (session["state"], session["title"], session["generation"]) == ({}, "first", 1)


def test_a_session_starts_with_the_state_that_is_given(owner: Caller) -> None:
    state: dict[str, Any] = {"number": 2**70, "nested": {"list": [1, None, "é"]}}

    session = create_session(owner, state=state, metadata={"source": "test"})

    assert owner.get(f"/sessions/{session['id']}").json["state"] == state


def test_create_names_where_the_session_is_and_its_generation(owner: Caller) -> None:
    answer = owner.post("/sessions", {})

    assert answer.headers["Location"] == f"/api/v1/sessions/{answer.json['id']}"
    assert answer.headers["ETag"] == '"1"'


def test_a_session_belongs_to_the_actor_who_made_it(agent: Caller) -> None:
    me = agent.get("/me").json

    assert create_session(agent)["owner_id"] == me["actor_id"]


def test_a_session_may_be_given_an_agent_of_the_organization(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)

    assert create_session(owner, agent_id=str(agent.id))["agent_id"] == str(agent.id)


def test_an_agent_of_another_organization_is_an_unknown_reference(owner: Caller) -> None:
    foreign = factories.make_agent(factories.make_organization())

    answer = owner.post("/sessions", {"agent_id": str(foreign.id)})

    assert (answer.status, answer.code) == (422, "unknown-reference")
    assert owner.get("/sessions").json["items"] == []


def test_an_agent_that_is_deleted_meanwhile_is_an_unknown_reference(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)

    def delete() -> None:
        with tenancy.organization(organization.id):
            Agent.objects.filter(id=agent.id).delete()
            wait_until_someone_waits()

    def create() -> tuple[int, str]:
        wait_until_held(Agent, organization.id, agent.id)
        answer = owner.post("/sessions", {"agent_id": str(agent.id)})
        return answer.status, answer.code

    _, created = at_once(delete, create)

    assert created == (422, "unknown-reference")


def test_create_publishes_the_first_generation(owner: Caller) -> None:
    session = create_session(owner)

    (event,) = events_of(session["id"])

    assert (event["generation"], event["type"], event["subject_type"]) == (1, "session.created", "session")
    assert str(event["owner_id"]) == session["owner_id"]
    assert event["actor"] == f"api-key:{session['owner_id']}"


def test_a_state_that_is_no_object_is_refused(owner: Caller) -> None:
    answers = [owner.post("/sessions", {"state": state}) for state in NO_OBJECTS]

    assert {(answer.status, answer.code) for answer in answers} == {(422, "invalid")}


def test_a_title_beyond_500_characters_is_refused(owner: Caller) -> None:
    answer = owner.post("/sessions", {"title": "x" * 501})

    assert (answer.status, answer.code) == (422, "invalid")
    assert answer.json["errors"][0]["field"] == "title"


def test_a_repeated_create_with_its_key_makes_one_session(owner: Caller) -> None:
    first = owner.post("/sessions", {"title": "once"}, Idempotency_Key="k1")
    again = owner.post("/sessions", {"title": "once"}, Idempotency_Key="k1")

    assert again.raw == first.raw
    assert [item["id"] for item in owner.get("/sessions").json["items"]] == [first.json["id"]]
