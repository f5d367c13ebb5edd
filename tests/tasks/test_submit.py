"""POST /tasks."""

import uuid
from typing import Any

import pytest

from orgs import tenancy
from orgs.models import Agent, Organization
from tests import factories
from tests.factories import Caller, submit_task, text_message
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, events_of, statements, wait_until_someone_waits


def test_a_task_starts_submitted_with_its_first_message(owner: Caller) -> None:
    task = submit_task(owner, message=text_message("do it", message_id="m-1", metadata={"a": 1}))

    assert (task["state"], task["generation"], task["message_count"], task["artifacts"]) == ("submitted", 1, 1, [])
    (message,) = task["history"]
    assert (message["number"], message["message_id"], message["role"]) == (1, "m-1", "user")
    assert (message["parts"], message["metadata"]) == ([{"kind": "text", "text": "do it"}], {"a": 1})


def test_submit_answers_what_a_get_answers(owner: Caller) -> None:
    answer = owner.post("/tasks", {"message": text_message(), "metadata": {"n": 2**70}})

    found = owner.get(answer.headers["Location"])
    assert found.json == answer.json
    assert found.headers["ETag"] == answer.headers["ETag"] == '"1"'


def test_submit_is_one_statement(owner: Caller) -> None:
    owner.get("/me")

    with statements() as sent:
        submit_task(owner)

    assert len(sent) == 1


def test_a_task_without_a_context_begins_one(owner: Caller) -> None:
    task = submit_task(owner)

    context = owner.get(f"/contexts/{task['context_id']}")

    assert (context.status, context.json["generation"], context.headers["ETag"]) == (200, 1, '"1"')
    assert context.json["owner_id"] == task["owner_id"]


def test_tasks_may_share_a_context(owner: Caller) -> None:
    first = submit_task(owner)

    second = submit_task(owner, context_id=first["context_id"])

    assert second["context_id"] == first["context_id"]
    assert [context["id"] for context in owner.get("/contexts").json["items"]] == [first["context_id"]]


def test_a_context_of_another_organization_is_an_unknown_reference(owner: Caller, outsider: Caller) -> None:
    foreign = submit_task(outsider)

    answer = owner.post("/tasks", {"message": text_message(), "context_id": foreign["context_id"]})

    assert (answer.status, answer.code) == (422, "unknown-reference")
    assert owner.get("/tasks").json["items"] == []


def test_a_context_that_is_not_there_is_an_unknown_reference(owner: Caller) -> None:
    answer = owner.post("/tasks", {"message": text_message(), "context_id": str(uuid.uuid4())})

    assert (answer.status, answer.code) == (422, "unknown-reference")


def test_a_task_may_be_given_to_an_agent_of_the_organization(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)

    assert submit_task(owner, agent_id=str(agent.id))["agent_id"] == str(agent.id)


def test_an_agent_of_another_organization_is_an_unknown_reference_and_leaves_no_context(owner: Caller) -> None:
    foreign = factories.make_agent(factories.make_organization())

    answer = owner.post("/tasks", {"message": text_message(), "agent_id": str(foreign.id)})

    assert (answer.status, answer.code) == (422, "unknown-reference")
    assert owner.get("/contexts").json["items"] == []


def test_an_agent_that_is_deleted_meanwhile_is_an_unknown_reference(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)

    def delete() -> None:
        with tenancy.organization(organization.id):
            Agent.objects.filter(id=agent.id).delete()
            wait_until_someone_waits()

    def submit() -> tuple[int, str]:
        wait_until_held(Agent, organization.id, agent.id)
        answer = owner.post("/tasks", {"message": text_message(), "agent_id": str(agent.id)})
        return answer.status, answer.code

    _, submitted = at_once(delete, submit)

    assert submitted == (422, "unknown-reference")


def test_submit_publishes_the_context_and_the_task(owner: Caller) -> None:
    task = submit_task(owner)

    (begun,) = events_of(task["context_id"])
    (submitted,) = events_of(task["id"])

    assert (begun["type"], begun["subject_type"], begun["generation"]) == ("context.created", "context", 1)
    assert (submitted["type"], submitted["subject_type"], submitted["generation"]) == ("task.submitted", "task", 1)


def test_a_new_task_in_a_context_is_no_change_of_the_context(owner: Caller) -> None:
    first = submit_task(owner)

    submit_task(owner, context_id=first["context_id"])

    assert len(events_of(first["context_id"])) == 1


@pytest.mark.parametrize(
    "message",
    [
        {"parts": []},
        {"parts": ["text"]},
        {},
        {"parts": [{}], "role": "agent"},
        {"parts": [{}], "message_id": ""},
        {"parts": [{}], "message_id": "with space"},
        {"parts": [{}], "message_id": "x" * 129},
        {"parts": [{}] * 1001},
    ],
)
def test_a_first_message_out_of_form_is_refused(owner: Caller, message: dict[str, Any]) -> None:
    answer = owner.post("/tasks", {"message": message})

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_repeated_submit_with_its_key_makes_one_task(owner: Caller) -> None:
    body = {"message": text_message()}

    first = owner.post("/tasks", body, Idempotency_Key="k1")
    again = owner.post("/tasks", body, Idempotency_Key="k1")

    assert (again.raw, again.headers["Idempotency-Replayed"]) == (first.raw, "true")
    assert len(owner.get("/tasks").json["items"]) == 1
    assert len(owner.get("/contexts").json["items"]) == 1
