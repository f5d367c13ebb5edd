"""POST /tasks/claim."""

import uuid
from datetime import datetime
from typing import Any

import pytest

from orgs import tenancy
from orgs.models import Organization
from tasks.models import Task
from tests import factories
from tests.factories import Caller, submit_task
from tests.statements import elsewhere, events_of, statements
from tests.tasks.work import append, claim, claim_one, expire_lease, get, put_state, task_in


def test_a_claim_leases_the_task_and_sets_it_working(owner: Caller) -> None:
    task = submit_task(owner)

    (item,) = claim(owner)

    claimed = item["task"]
    assert (claimed["id"], claimed["state"], claimed["generation"]) == (task["id"], "working", 2)
    assert item["lease_token"] == 1
    assert claimed["history"] == task["history"]
    assert claimed["state_at"] > task["state_at"]


def test_a_claim_answers_what_a_get_answers(owner: Caller) -> None:
    submit_task(owner)

    task, _ = claim_one(owner)

    assert get(owner, task) == task


def test_the_lease_runs_for_the_seconds_that_are_asked_for(owner: Caller) -> None:
    submit_task(owner)

    (item,) = claim(owner, lease_seconds=600)

    runs = datetime.fromisoformat(item["lease_expires_at"]) - datetime.fromisoformat(item["task"]["state_at"])
    assert runs.total_seconds() == pytest.approx(600, abs=1)


def test_claims_take_the_oldest_first(owner: Caller) -> None:
    made = [submit_task(owner)["id"] for _ in range(3)]

    claimed = [claim_one(owner)[0]["id"] for _ in made]

    assert claimed == made


def test_claims_take_first_what_waits_the_longest(owner: Caller, organization: Organization) -> None:
    dropped, resubmitted, unleased, fresh = (submit_task(owner) for _ in range(4))
    put_state(owner, unleased, "working")
    put_state(owner, resubmitted, "input-required")
    append(owner, resubmitted, "user")
    claim(owner)
    expire_lease(organization, dropped)

    claimed = [item["task"]["id"] for item in claim(owner, count=20)]

    assert claimed == [task["id"] for task in (dropped, fresh, unleased, resubmitted)]


def test_a_claim_takes_as_many_as_it_asks_for_in_order(owner: Caller) -> None:
    made = [submit_task(owner)["id"] for _ in range(3)]

    assert [item["task"]["id"] for item in claim(owner, count=2)] == made[:2]


def test_a_claim_takes_what_there_is_when_it_asks_for_more(owner: Caller) -> None:
    submit_task(owner)

    assert len(claim(owner, count=20)) == 1


def test_a_claim_with_nothing_to_do_is_empty(owner: Caller) -> None:
    assert claim(owner) == []


def test_a_leased_task_is_not_claimed_again(owner: Caller) -> None:
    submit_task(owner)
    claim_one(owner)

    assert claim(owner) == []


@pytest.mark.parametrize("state", ["input-required", "auth-required", "completed", "canceled", "failed", "rejected"])
def test_a_task_that_waits_or_has_ended_is_not_claimed(owner: Caller, state: str) -> None:
    task_in(owner, state)

    assert claim(owner) == []


def test_a_task_that_somebody_works_on_without_a_lease_is_claimed(owner: Caller) -> None:
    """Whoever set it working may be dead, and then nobody else would ever come for it."""
    task = task_in(owner, "working")

    claimed, token = claim_one(owner)

    assert (claimed["id"], claimed["state"], claimed["generation"], token) == (task["id"], "working", 3, 1)
    assert claimed["state_at"] == task["state_at"]


def test_a_task_that_got_its_input_is_claimed(owner: Caller) -> None:
    task = task_in(owner, "input-required")
    append(owner, task, "user")

    assert claim_one(owner)[0]["id"] == task["id"]


def test_an_agents_claim_takes_its_own_and_unassigned_tasks(owner: Caller, organization: Organization) -> None:
    own, other = factories.make_agent(organization), factories.make_agent(organization)
    submit_task(owner, agent_id=str(other.id))
    mine = submit_task(owner, agent_id=str(own.id))
    unassigned = submit_task(owner)

    claimed = claim(owner, agent_id=str(own.id), count=20)

    assert [item["task"]["id"] for item in claimed] == [mine["id"], unassigned["id"]]


def test_a_claim_for_no_agent_takes_every_task(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner, agent_id=str(factories.make_agent(organization).id))

    assert claim_one(owner)[0]["id"] == task["id"]


def test_a_claim_gives_the_history_that_is_asked_for(owner: Caller) -> None:
    task = submit_task(owner)
    append(owner, task)

    claimed, _ = claim_one(owner, history_length=1)

    assert [message["number"] for message in claimed["history"]] == [2]


@pytest.mark.parametrize(
    "fields",
    [
        {"count": 0},
        {"count": 21},
        {"lease_seconds": 0},
        {"lease_seconds": 3601},
        {"history_length": -1},
        {"history_length": 1001},
        {"agent_id": "none"},
    ],
)
def test_a_claim_out_of_form_is_refused(owner: Caller, fields: dict[str, Any]) -> None:
    answer = owner.post("/tasks/claim", fields)

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_claim_publishes_one_event_for_each_task(owner: Caller) -> None:
    made = [submit_task(owner) for _ in range(2)]

    claim(owner, count=2)

    assert [[event["type"] for event in events_of(task["id"])] for task in made] == [
        ["task.submitted", "task.claimed"]
    ] * 2


def test_an_expired_lease_is_claimed_again_with_a_larger_token(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner)
    first, token = claim_one(owner)
    expire_lease(organization, task)

    again, larger = claim_one(owner)

    assert (again["id"], again["generation"]) == (task["id"], 3)
    assert larger > token
    assert again["state_at"] == first["state_at"]


def test_a_task_that_was_given_back_is_claimed_with_a_larger_token(owner: Caller) -> None:
    submit_task(owner)
    task, token = claim_one(owner)
    put_state(owner, task, "submitted", Holdfast_Lease_Token=str(token))

    _, larger = claim_one(owner)

    assert larger > token


def test_a_claim_passes_over_a_task_that_another_transaction_holds(owner: Caller, organization: Organization) -> None:
    held, free = submit_task(owner), submit_task(owner)

    with tenancy.organization(organization.id):
        Task.objects.select_for_update().get(id=held["id"])
        claimed = elsewhere(lambda: claim(owner, count=20))

    assert [item["task"]["id"] for item in claimed] == [free["id"]]


def test_a_claim_does_not_wait_when_every_task_is_held(owner: Caller, organization: Organization) -> None:
    held = submit_task(owner)

    with tenancy.organization(organization.id):
        Task.objects.select_for_update().get(id=held["id"])
        claimed = elsewhere(lambda: claim(owner))

    assert claimed == []


def test_a_claim_is_one_statement_however_many_it_takes(owner: Caller) -> None:
    for _ in range(3):
        submit_task(owner)

    with statements() as sent:
        claim(owner, count=3)

    assert len(sent) == 1


def test_a_repeated_claim_with_its_key_gives_the_same_lease(owner: Caller) -> None:
    task, waiting = submit_task(owner), submit_task(owner)

    first = owner.post("/tasks/claim", {}, Idempotency_Key="k1")
    again = owner.post("/tasks/claim", {}, Idempotency_Key="k1")

    assert (again.raw, again.headers["Idempotency-Replayed"]) == (first.raw, "true")
    assert get(owner, task)["generation"] == 2
    assert get(owner, waiting)["state"] == "submitted"


def test_a_claim_for_an_unknown_agent_takes_only_unassigned_tasks(owner: Caller, organization: Organization) -> None:
    submit_task(owner, agent_id=str(factories.make_agent(organization).id))
    unassigned = submit_task(owner)

    claimed = claim(owner, agent_id=str(uuid.uuid4()), count=20)

    assert [item["task"]["id"] for item in claimed] == [unassigned["id"]]
