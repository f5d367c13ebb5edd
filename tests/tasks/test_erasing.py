"""Tasks and contexts are deleted in batches, whatever they hold."""

import uuid

from django.db.models import Q

from orgs import tenancy
from orgs.models import Organization
from tasks.erasing import delete_contexts_batch, delete_tasks_batch
from tests.factories import Caller, submit_task
from tests.statements import events_of
from tests.tasks.work import append, append_chunk, snapshot

ACTOR = "operator:shell"


def delete_tasks(where: Q, *, limit: int) -> list[dict[str, int]]:
    """Delete batch after batch, each in a transaction of its own; return what each one had."""
    batches: list[dict[str, int]] = []
    while True:
        with tenancy.system():
            gone = delete_tasks_batch(where, actor=ACTOR, limit=limit)
        if not any(gone.values()):
            return batches
        batches.append(gone)


def test_a_long_task_goes_in_several_batches_and_its_row_last(owner: Caller) -> None:
    task = submit_task(owner)
    for _ in range(4):
        append(owner, task)
    append_chunk(owner, task)

    batches = delete_tasks(Q(id=task["id"]), limit=3)

    assert [batch.get("tasks", 0) for batch in batches] == [0, 0, 1]
    assert [sum(batch.values()) for batch in batches] == [3, 3, 2]
    assert events_of(task["id"])[-1]["type"] == "task.erased"
    assert {row for (row,) in snapshot(task) if "bytes_before" in row} == set()


def test_a_batch_touches_no_other_task(owner: Caller) -> None:
    task, other = submit_task(owner), submit_task(owner)
    before = snapshot(other)

    delete_tasks(Q(id=task["id"]), limit=1000)

    assert snapshot(other) == before


def test_a_task_that_has_ended_is_deleted_too(owner: Caller) -> None:
    task = submit_task(owner)
    owner.put(f"/tasks/{task['id']}/state", {"state": "canceled"})

    delete_tasks(Q(id=task["id"]), limit=1000)

    assert owner.get(f"/tasks/{task['id']}").status == 404


def test_a_context_with_a_task_is_kept(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner)

    with tenancy.system():
        kept = delete_contexts_batch(Q(organization_id=organization.id), actor=ACTOR)
    delete_tasks(Q(id=task["id"]), limit=1000)
    with tenancy.system():
        gone = delete_contexts_batch(Q(organization_id=organization.id), actor=ACTOR)

    assert (kept, gone) == (0, 1)
    assert events_of(task["context_id"])[-1]["type"] == "context.erased"


def test_nothing_to_delete_is_nothing_deleted() -> None:
    assert delete_tasks(Q(owner_id=uuid.uuid4()), limit=10) == []
