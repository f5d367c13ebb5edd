"""GET /tasks/{id}/events: one event per generation, with its facts."""

import uuid

import pytest

from orgs.models import Organization
from tests import factories
from tests.factories import Caller, submit_task
from tests.statements import events_of, statements
from tests.tasks.work import (
    append,
    append_chunk,
    claim_one,
    expire_lease,
    get,
    heartbeat,
    path,
    put_state,
    task_in,
    under,
)


def test_every_generation_from_submission_to_the_end_has_its_event(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)
    task = submit_task(owner, agent_id=str(agent.id))
    _, token = claim_one(owner)
    heartbeat(owner, task, token)
    append(owner, task, "agent", **under(token))
    append_chunk(owner, task, last_chunk=False, headers=under(token))
    append_chunk(owner, task, append=True, headers=under(token))
    put_state(owner, task, "input-required", **under(token))
    append(owner, task, "user")
    _, second = claim_one(owner)
    put_state(owner, task, "completed", **under(second))

    items = owner.get(f"{path(task)}/events").json["items"]

    assert [(item["type"], item["facts"]) for item in items] == [
        (
            "task.submitted",
            {"state": "submitted", "number": 1, "context_id": task["context_id"], "agent_id": str(agent.id)},
        ),
        ("task.claimed", {"from": "submitted", "state": "working", "lease_token": token}),
        ("task.message.appended", {"number": 2, "role": "agent", "state": "working"}),
        ("task.artifact.appended", {"artifact_id": "report", "chunk": 1, "last_chunk": False}),
        ("task.artifact.appended", {"artifact_id": "report", "chunk": 2, "last_chunk": True}),
        ("task.input.requested", {"from": "working", "state": "input-required"}),
        ("task.message.appended", {"number": 3, "role": "user", "state": "submitted"}),
        ("task.claimed", {"from": "submitted", "state": "working", "lease_token": second}),
        ("task.completed", {"from": "working", "state": "completed"}),
    ]
    assert [item["generation"] for item in items] == list(range(1, 10))
    assert {item["owner_id"] for item in items} == {task["owner_id"]}
    assert {(item["subject_type"], item["subject_id"]) for item in items} == {("task", task["id"])}


@pytest.mark.parametrize(
    ("state", "event_type"),
    [
        ("working", "task.started"),
        ("input-required", "task.input.requested"),
        ("auth-required", "task.auth.requested"),
        ("completed", "task.completed"),
        ("canceled", "task.canceled"),
        ("failed", "task.failed"),
        ("rejected", "task.rejected"),
    ],
)
def test_a_change_of_state_is_named_for_what_it_came_to(owner: Caller, state: str, event_type: str) -> None:
    task = task_in(owner, state)

    event = events_of(task["id"])[-1]

    assert (event["type"], event["facts"]) == (event_type, {"from": "submitted", "state": state})


def test_a_task_that_is_given_back_is_resubmitted(owner: Caller) -> None:
    task = task_in(owner, "working")

    put_state(owner, task, "submitted")

    event = events_of(task["id"])[-1]
    assert (event["type"], event["facts"]) == ("task.resubmitted", {"from": "working", "state": "submitted"})


def test_a_second_claim_says_that_the_task_was_working(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner)
    claim_one(owner)
    expire_lease(organization, task)

    claim_one(owner)

    assert events_of(task["id"])[-1]["facts"] == {"from": "working", "state": "working", "lease_token": 2}


def test_an_event_names_its_actor_and_request(owner: Caller, member: Caller) -> None:
    task = submit_task(owner)

    append(member, task, X_Request_Id="request-17")

    event = events_of(task["id"])[-1]
    assert (event["actor"], event["request_id"]) == (f"user:{member.get('/me').json['actor_id']}", "request-17")
    assert str(event["owner_id"]) == task["owner_id"]


def test_a_refused_write_has_neither_generation_nor_event(owner: Caller) -> None:
    task = task_in(owner, "completed")

    append(owner, task)
    append_chunk(owner, task)
    put_state(owner, task, "working")

    assert get(owner, task)["generation"] == task["generation"] == len(events_of(task["id"]))


def test_the_events_are_paged_oldest_first(owner: Caller) -> None:
    task = submit_task(owner)
    for _ in range(3):
        append(owner, task)

    first = owner.get(f"{path(task)}/events?limit=3").json
    second = owner.get(f"{path(task)}/events?limit=3&cursor={first['next_cursor']}").json

    assert [item["generation"] for item in first["items"]] == [1, 2, 3]
    assert ([item["generation"] for item in second["items"]], second["next_cursor"]) == ([4], None)


def test_the_events_are_two_queries_beside_the_tenancy(owner: Caller) -> None:
    task = submit_task(owner)

    with statements() as sent:
        owner.get(f"{path(task)}/events")

    assert len(sent) == 3


def test_the_events_of_an_unknown_task_are_not_found(owner: Caller) -> None:
    answer = owner.get(f"/tasks/{uuid.uuid4()}/events")

    assert (answer.status, answer.code) == (404, "not-found")
