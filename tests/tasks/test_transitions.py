"""PUT /tasks/{id}/state: the table of transitions, and that nothing leaves a terminal state by any path."""

import uuid
from typing import cast

import pytest
from django.db import DatabaseError

from orgs import tenancy
from orgs.authentication import authenticate_key
from orgs.models import Organization
from tasks import hot_paths
from tasks.models import TERMINAL, State, Task
from tests.factories import Caller, submit_task
from tests.statements import rows, statements
from tests.tasks.work import BELONGINGS, Made, append, append_chunk, get, key_of, path, put_state, snapshot, task_in

OPEN = ("submitted", "working", "input-required", "auth-required")
ENDED = ("completed", "canceled", "failed", "rejected")
STATES = OPEN + ENDED
ALLOWED: dict[str, set[str]] = {
    "submitted": {"working", "input-required", "auth-required", *ENDED},
    "working": {"submitted", "input-required", "auth-required", *ENDED},
    "input-required": {"submitted", "working", "auth-required", *ENDED},
    "auth-required": {"submitted", "working", "input-required", *ENDED},
    "completed": set(),
    "canceled": set(),
    "failed": set(),
    "rejected": set(),
}
PAIRS = [(before, after) for before in STATES for after in STATES]
DONE = [(before, after) for before, after in PAIRS if after in ALLOWED[before]]
REFUSED = [(before, after) for before, after in PAIRS if after not in ALLOWED[before]]


def test_the_table_of_these_tests_has_every_state() -> None:
    assert set(STATES) == set(ALLOWED) == set(State.values)
    assert set(ENDED) == TERMINAL


@pytest.mark.parametrize(("before", "after"), DONE)
def test_a_transition_of_the_table_is_done(owner: Caller, before: str, after: str) -> None:
    task = task_in(owner, before)

    answer = put_state(owner, task, after)

    assert (answer.status, answer.json["state"], answer.json["generation"]) == (200, after, task["generation"] + 1)
    assert get(owner, task) == answer.json | {name: task[name] for name in BELONGINGS}


@pytest.mark.parametrize(("before", "after"), REFUSED)
def test_a_transition_that_the_table_lacks_is_refused(owner: Caller, before: str, after: str) -> None:
    task = task_in(owner, before)

    answer = put_state(owner, task, after)

    refusal = "task-terminal" if before in ENDED else "transition-refused"
    assert (answer.status, answer.code) == (409, refusal)
    assert get(owner, task) == task


@pytest.mark.parametrize(("before", "after"), DONE)
def test_the_trigger_lets_a_transition_of_the_table_pass(
    owner: Caller, organization: Organization, before: str, after: str
) -> None:
    task = task_in(owner, before)

    with tenancy.organization(organization.id):
        Task.objects.filter(id=task["id"]).update(state=after)

    assert get(owner, task)["state"] == after


@pytest.mark.parametrize(("before", "after"), [pair for pair in REFUSED if pair[0] != pair[1]])
def test_the_trigger_holds_back_an_update_that_the_table_lacks(
    owner: Caller, organization: Organization, before: str, after: str
) -> None:
    task = task_in(owner, before)

    with pytest.raises(DatabaseError) as caught, tenancy.organization(organization.id):
        Task.objects.filter(id=task["id"]).update(state=after)

    assert sqlstate(caught.value) == "HF420"
    assert get(owner, task) == task


def sqlstate(error: DatabaseError) -> str:
    return cast(str, error.__cause__.sqlstate)  # type: ignore[union-attr]


@pytest.mark.parametrize("ended", ENDED)
def test_the_hot_function_leaves_no_terminal_state(owner: Caller, ended: str) -> None:
    task = task_in(owner, ended)
    before = snapshot(task)

    for state in STATES:
        with pytest.raises(hot_paths.TaskTerminal):
            hot_paths.change_state(authenticate_key(owner.key), key_of(task), state, expected=None, lease=None)

    assert snapshot(task) == before


@pytest.mark.parametrize("ended", ENDED)
def test_saving_a_model_leaves_no_terminal_state(owner: Caller, organization: Organization, ended: str) -> None:
    task = task_in(owner, ended)

    with tenancy.organization(organization.id):
        found = Task.objects.get(id=task["id"])
    found.state = State.WORKING

    with pytest.raises(DatabaseError) as caught, tenancy.organization(organization.id):
        found.save()

    assert sqlstate(caught.value) == "HF420"
    assert get(owner, task) == task


@pytest.mark.parametrize("ended", ENDED)
def test_plain_sql_leaves_no_terminal_state(owner: Caller, ended: str) -> None:
    task = task_in(owner, ended)

    with pytest.raises(DatabaseError) as caught, tenancy.system():
        rows("UPDATE tasks_task SET state = 'submitted' WHERE id = %s", task["id"])

    assert sqlstate(caught.value) == "HF420"
    assert get(owner, task) == task


def test_an_unknown_state_is_refused_by_the_database(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner)

    with pytest.raises(DatabaseError), tenancy.organization(organization.id):
        Task.objects.filter(id=task["id"]).update(state="paused")

    assert get(owner, task) == task


@pytest.mark.parametrize("ended", ENDED)
def test_a_task_that_has_ended_takes_nothing_more(owner: Caller, ended: str) -> None:
    task = task_in(owner, ended)
    before = snapshot(task)

    answers = [append(owner, task), append(owner, task, "agent"), append_chunk(owner, task)]

    assert {(answer.status, answer.code) for answer in answers} == {(409, "task-terminal")}
    assert snapshot(task) == before


@pytest.mark.parametrize("state", ["unknown", "", None, 1, "Working"])
def test_a_state_that_is_none_is_refused(owner: Caller, state: object) -> None:
    task = submit_task(owner)

    answer = owner.put(f"{path(task)}/state", {"state": state})

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_change_of_an_unknown_task_is_not_found(owner: Caller) -> None:
    missing: Made = {"id": str(uuid.uuid4())}

    answers = [put_state(owner, missing, "working"), put_state(owner, missing, "working", If_Match='"1"')]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "not-found")}


def test_a_change_with_the_current_etag_is_done(owner: Caller) -> None:
    task = submit_task(owner)

    answer = put_state(owner, task, "working", If_Match='"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')


def test_a_change_with_another_etag_changes_nothing(owner: Caller) -> None:
    task = submit_task(owner)

    answer = put_state(owner, task, "working", If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert get(owner, task) == task


def test_a_change_answers_the_task_without_messages_and_artifacts(owner: Caller) -> None:
    task = submit_task(owner)

    answer = put_state(owner, task, "working")

    assert answer.json == {name: value for name, value in get(owner, task).items() if name not in BELONGINGS}


def test_a_change_moves_state_at(owner: Caller) -> None:
    task = submit_task(owner)

    assert put_state(owner, task, "working").json["state_at"] > task["state_at"]


def test_a_change_of_state_is_one_statement(owner: Caller) -> None:
    task = submit_task(owner)

    with statements() as sent:
        put_state(owner, task, "working")

    assert len(sent) == 1
