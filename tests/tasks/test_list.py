"""GET /tasks, GET /contexts and GET /contexts/{id}."""

import uuid

import pytest

from orgs.models import Organization
from tests import factories
from tests.factories import Caller, submit_task
from tests.statements import statements
from tests.tasks.work import BELONGINGS, put_state, task_in


def ids(caller: Caller, query: str = "") -> list[str]:
    return [item["id"] for item in caller.get(f"/tasks{query}").json["items"]]


def test_the_list_is_newest_first(owner: Caller) -> None:
    made = [submit_task(owner)["id"] for _ in range(3)]

    assert ids(owner) == made[::-1]


def test_the_list_gives_tasks_without_messages_and_artifacts(owner: Caller) -> None:
    task = submit_task(owner)

    (item,) = owner.get("/tasks").json["items"]

    assert item == {name: value for name, value in task.items() if name not in BELONGINGS}


def test_the_list_narrows_to_a_context(owner: Caller) -> None:
    task = submit_task(owner)
    submit_task(owner)
    later = submit_task(owner, context_id=task["context_id"])

    assert ids(owner, f"?context_id={task['context_id']}") == [later["id"], task["id"]]


def test_the_list_narrows_to_an_agent(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)
    task = submit_task(owner, agent_id=str(agent.id))
    submit_task(owner)

    assert ids(owner, f"?agent_id={agent.id}") == [task["id"]]


@pytest.mark.parametrize("state", ["working", "completed"])
def test_the_list_narrows_to_a_state(owner: Caller, state: str) -> None:
    submit_task(owner)
    task = task_in(owner, state)

    assert ids(owner, f"?state={state}") == [task["id"]]


def test_the_filters_hold_together(owner: Caller) -> None:
    task = task_in(owner, "working")
    submit_task(owner, context_id=task["context_id"])
    task_in(owner, "working")

    assert ids(owner, f"?state=working&context_id={task['context_id']}") == [task["id"]]


@pytest.mark.parametrize("query", ["?state=done", "?context_id=1", "?agent_id=none", "?limit=0", "?limit=101"])
def test_a_filter_out_of_form_is_refused(owner: Caller, query: str) -> None:
    answer = owner.get(f"/tasks{query}")

    assert (answer.status, answer.code) == (422, "invalid")


def test_the_pages_of_a_filtered_list_hold_every_task_once(owner: Caller) -> None:
    made = []
    for _ in range(5):
        made.append(task_in(owner, "working")["id"])
        submit_task(owner)

    pages = [owner.get("/tasks?state=working&limit=2").json]
    while pages[-1]["next_cursor"]:
        pages.append(owner.get(f"/tasks?state=working&limit=2&cursor={pages[-1]['next_cursor']}").json)

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [item["id"] for page in pages for item in page["items"]] == made[::-1]


def test_a_cursor_of_other_filters_is_refused(owner: Caller) -> None:
    for _ in range(2):
        submit_task(owner)
    cursor = owner.get("/tasks?limit=1").json["next_cursor"]

    answer = owner.get(f"/tasks?state=submitted&cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_the_list_is_one_query_beside_the_tenancy(owner: Caller) -> None:
    for _ in range(3):
        submit_task(owner)

    with statements() as sent:
        owner.get("/tasks?state=submitted")

    assert len(sent) == 2


def test_the_contexts_are_listed_newest_first_and_paged(owner: Caller) -> None:
    made = [submit_task(owner)["context_id"] for _ in range(3)]

    first = owner.get("/contexts?limit=2").json
    second = owner.get(f"/contexts?limit=2&cursor={first['next_cursor']}").json

    assert [item["id"] for item in first["items"]] == [made[2], made[1]]
    assert ([item["id"] for item in second["items"]], second["next_cursor"]) == ([made[0]], None)


def test_the_contexts_are_one_query_beside_the_tenancy(owner: Caller) -> None:
    for _ in range(3):
        submit_task(owner)

    with statements() as sent:
        owner.get("/contexts")

    assert len(sent) == 2


def test_a_context_that_is_not_there_is_not_found(owner: Caller) -> None:
    answer = owner.get(f"/contexts/{uuid.uuid4()}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_a_task_that_ends_stays_in_the_list(owner: Caller) -> None:
    task = submit_task(owner)
    put_state(owner, task, "failed")

    assert ids(owner) == [task["id"]]
