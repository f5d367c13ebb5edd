"""Another organization's task and context are not found, whatever is asked of them, and stay as they were."""

import uuid
from collections.abc import Callable

import pytest

from orgs.authentication import authenticate_key
from orgs.principals import Principal
from tasks import hot_paths
from tasks.models import Task
from tests.factories import Answer, Caller, submit_task
from tests.tasks.work import (
    Made,
    append,
    append_chunk,
    claim,
    claim_one,
    heartbeat,
    key_of,
    path,
    put_state,
    snapshot,
    under,
)

CALLS: dict[str, Callable[[Caller, Made], Answer]] = {
    "get": lambda caller, task: caller.get(path(task)),
    "known copy": lambda caller, task: caller.get(path(task), If_None_Match=f'"{task["generation"]}"'),
    "messages": lambda caller, task: caller.get(f"{path(task)}/messages"),
    "artifacts": lambda caller, task: caller.get(f"{path(task)}/artifacts"),
    "artifact": lambda caller, task: caller.get(f"{path(task)}/artifacts/report"),
    "chunks": lambda caller, task: caller.get(f"{path(task)}/artifacts/report/chunks"),
    "events": lambda caller, task: caller.get(f"{path(task)}/events"),
    "context": lambda caller, task: caller.get(f"/contexts/{task['context_id']}"),
    "user message": append,
    "agent message": lambda caller, task: append(caller, task, "agent"),
    "message under the lease": lambda caller, task: append(caller, task, **under(1)),
    "message under another lease": lambda caller, task: append(caller, task, **under(2)),
    "new artifact": lambda caller, task: append_chunk(caller, task, "other"),
    "chunk": lambda caller, task: append_chunk(caller, task, append=True, headers=under(1)),
    "cancel": lambda caller, task: put_state(caller, task, "canceled"),
    "cancel if not": lambda caller, task: put_state(caller, task, "canceled", If_Match='"9"'),
    "complete": lambda caller, task: put_state(caller, task, "completed", **under(1)),
    "heartbeat": lambda caller, task: heartbeat(caller, task, 1),
    "stale heartbeat": lambda caller, task: heartbeat(caller, task, 2),
}
DIRECT: dict[str, Callable[[Principal, uuid.UUID], object]] = {
    "get": lambda principal, task_id: hot_paths.get(principal.organization_id, task_id, history=10),
    "message": lambda principal, task_id: hot_paths.append_message(
        principal, task_id, lease=1, message_id="m", role="agent", parts=[{}], metadata={}
    ),
    "artifact": lambda principal, task_id: hot_paths.append_artifact(
        principal, task_id, lease=1, artifact_id="report", name="", description="", metadata={}, parts=[{}],
        append=True, last_chunk=True,
    ),
    "state": lambda principal, task_id: hot_paths.change_state(
        principal, task_id, "completed", expected=None, lease=1
    ),
    "same state": lambda principal, task_id: hot_paths.change_state(
        principal, task_id, "working", expected=[1], lease=None
    ),
    "lease": lambda principal, task_id: hot_paths.extend_lease(principal, task_id, lease=1, seconds=60),
}  # fmt: skip


@pytest.fixture
def task(owner: Caller) -> Made:
    """A task under a lease with the token 1, with an artifact that is open."""
    submit_task(owner)
    claimed, token = claim_one(owner)
    append_chunk(owner, claimed, last_chunk=False, headers=under(token))
    return claimed


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
def test_an_outsider_finds_nothing(outsider: Caller, task: Made, call: Callable[[Caller, Made], Answer]) -> None:
    before = snapshot(task)

    answer = call(outsider, task)

    assert (answer.status, answer.code) == (404, "not-found")
    assert snapshot(task) == before


@pytest.mark.parametrize("call", DIRECT.values(), ids=DIRECT)
def test_a_hot_function_finds_no_task_of_another_organization(
    outsider: Caller, task: Made, call: Callable[[Principal, uuid.UUID], object]
) -> None:
    before = snapshot(task)

    with pytest.raises(Task.DoesNotExist):
        call(authenticate_key(outsider.key), key_of(task))

    assert snapshot(task) == before


@pytest.mark.parametrize("listing", ["tasks", "contexts"])
def test_an_outsider_lists_nothing(outsider: Caller, task: Made, listing: str) -> None:
    assert outsider.get(f"/{listing}").json == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("name", ["context_id", "id"])
def test_an_outsiders_filter_finds_nothing(outsider: Caller, task: Made, name: str) -> None:
    assert outsider.get(f"/tasks?context_id={task[name]}").json["items"] == []


def test_an_outsider_claims_nothing(owner: Caller, outsider: Caller) -> None:
    task = submit_task(owner)

    claimed = claim(outsider, count=20)

    assert claimed == []
    assert claim_one(owner)[0]["id"] == task["id"]
