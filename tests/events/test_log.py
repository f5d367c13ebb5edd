"""The event log of organizations, members, agents and keys: one row per generation, none missing, none twice."""

import uuid
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from events.models import Event
from events.services import publish
from orgs import tenancy
from orgs.authentication import authenticate_key
from orgs.changes import Change
from orgs.models import Agent, Organization
from orgs.services import agents
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import at_once, audit_of, events_of, rows, system_rows


def make_agent(caller: Caller) -> str:
    made: str = caller.post("/agents", {"name": "Agent", "slug": f"a-{uuid.uuid4().hex}"}).json["id"]
    return made


def history(subject_id: object) -> list[tuple[int, str]]:
    return [(event["generation"], event["type"]) for event in events_of(subject_id)]


def test_each_change_of_an_agent_is_one_event(owner: Caller) -> None:
    agent_id = make_agent(owner)

    for name in ("one", "two"):
        owner.patch(f"/agents/{agent_id}", {"name": name})

    assert history(agent_id) == [(1, "agent.created"), (2, "agent.changed"), (3, "agent.changed")]


def test_an_event_says_who_did_what_in_which_call(owner: Caller) -> None:
    answer = owner.post("/agents", {"name": "Agent", "slug": "ada"}, X_Request_Id="making-an-agent")

    [event] = events_of(answer.json["id"])

    me = owner.get("/me").json["actor_id"]
    assert event == {
        "generation": 1, "type": "agent.created", "subject_type": "agent", "owner_id": uuid.UUID(me),
        "actor": f"api-key:{me}", "request_id": "making-an-agent", "facts": {"slug": "ada"},
    }  # fmt: skip


def test_a_new_organization_has_events_for_itself_and_its_owner() -> None:
    organization = factories.make_organization()

    kinds = system_rows("SELECT type, generation FROM events_event WHERE organization_id = %s", organization.id)

    assert kinds == [("organization.created", 1), ("membership.created", 1)]


def test_a_refused_change_is_no_event(owner: Caller) -> None:
    agent_id = make_agent(owner)

    refused = owner.patch(f"/agents/{agent_id}", {"name": "new"}, If_Match='"7"')

    assert refused.code == "precondition-failed"
    assert history(agent_id) == [(1, "agent.created")]


def test_concurrent_changes_of_one_agent_are_each_one_generation_and_one_event(owner: Caller) -> None:
    agent_id = make_agent(owner)

    def change(name: str) -> Answer:
        return owner.patch(f"/agents/{agent_id}", {"name": name})

    answers = at_once(*[lambda name=name: change(name) for name in ("left", "right")])

    generations = sorted(answer.json["generation"] for answer in answers if isinstance(answer, Answer))
    assert generations == [2, 3]
    assert history(agent_id) == [(1, "agent.created"), (2, "agent.changed"), (3, "agent.changed")]


def test_many_concurrent_changes_leave_no_gap(owner: Caller, organization: Organization) -> None:
    agent_id = make_agent(owner)

    def change_often() -> list[int]:
        return [owner.patch(f"/agents/{agent_id}", {"description": "again"}).status for _ in range(5)]

    results = at_once(*[change_often] * 4)

    assert results == [[200] * 5] * 4
    assert [generation for generation, _ in history(agent_id)] == list(range(1, 22))
    assert sum(entry["action"] == "agent.changed" for entry in audit_of(organization)) == 20


def test_the_database_refuses_a_second_event_of_one_generation(owner: Caller, organization: Organization) -> None:
    agent_id = uuid.UUID(make_agent(owner))
    again = Change(organization.id, "agent", agent_id, 1, "agent.changed", agent_id, "test")

    with pytest.raises(IntegrityError, match="events_event_generation"), tenancy.organization(organization.id):
        publish(again)


def test_change_event_and_entry_are_taken_back_together(owner: Caller, organization: Organization) -> None:
    agent_id, entries = uuid.UUID(make_agent(owner)), len(audit_of(organization))
    principal = _principal(owner)

    with tenancy.organization(organization.id):
        agents.change_agent(principal, agent_id, changes={"name": "lost"}, expected=None)
        transaction.set_rollback(True)

    with tenancy.organization(organization.id):
        agent = Agent.objects.get(id=agent_id)
    assert (agent.name, agent.generation) == ("Agent", 1)
    assert history(agent_id) == [(1, "agent.created")]
    assert len(audit_of(organization)) == entries


@pytest.mark.parametrize("verb", ["UPDATE events_event SET facts = '{}'", "TRUNCATE events_event"])
def test_no_serving_role_changes_an_event(organization: Organization, verb: str) -> None:
    for scope in (tenancy.organization(organization.id), tenancy.system()):
        with pytest.raises(Exception, match="permission denied for table events_event"), scope:
            rows(verb)


def test_a_tenant_deletes_no_event(organization: Organization) -> None:
    scope = tenancy.organization(organization.id)
    with pytest.raises(Exception, match="permission denied for table events_event"), scope:
        rows("DELETE FROM events_event")


def test_not_even_the_system_role_deletes_an_event_of_a_living_organization(organization: Organization) -> None:
    before = history(str(organization.id))

    with tenancy.system():
        rows("DELETE FROM events_event")

    assert before != []
    assert history(str(organization.id)) == before


def test_another_organization_sees_no_event(owner: Caller, outsider: Caller) -> None:
    agent_id = make_agent(owner)

    with tenancy.organization(_principal(outsider).organization_id):
        assert not Event.objects.filter(subject_id=agent_id).exists()


def _principal(caller: Caller) -> Any:
    return authenticate_key(caller.key)
