"""Deleting tasks in batches, a person's or an organization's, in the open system scope.

A person's words are also taken out of tasks that are others'.
"""

import uuid
from typing import Any

from django.db import connection
from django.db.models import Exists, OuterRef, Q

from events.services import publish, publish_all
from orgs.changes import Change
from orgs.organization_erasers import Step, run
from tasks.models import Context, Task

TASKS = 50
ROWS = 1000
PARTS = {"messages": "tasks_message", "artifact_chunks": "tasks_artifactchunk", "artifacts": "tasks_artifact"}
TABLES = (*PARTS.values(), "tasks_task")
NEXT = "SELECT id FROM tasks_task WHERE organization_id = %s ORDER BY id LIMIT %s"
# Found by their task: they have no index by organization, which every append would pay for. Under the lock of the
# tasks' rows, or once their organization is closed, nobody else writes to them.
DELETE_PARTS = "DELETE FROM {} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {} WHERE task_id = ANY (%s) LIMIT %s))"
# What stands where somebody's words stood: a part as readers expect one.
ERASED = '[{"kind":"text","text":"[erased]"}]'
WORDS = """
SELECT task_id FROM tasks_message
WHERE owner_id = %(user)s AND (parts::text <> %(erased)s OR metadata::text <> '{}' OR message_id <> 'erased')
UNION
SELECT task_id FROM tasks_artifactchunk WHERE owner_id = %(user)s AND parts::text <> %(erased)s
UNION
SELECT task_id FROM tasks_artifact
WHERE owner_id = %(user)s AND (name <> '' OR description <> '' OR metadata::text <> '{}')
LIMIT %(limit)s
"""


def delete_tasks_batch(where: Q, *, actor: str, limit: int = ROWS) -> dict[str, int]:
    """Delete up to `limit` parts of some of these tasks, and the tasks once they have none; return how many went.

    A worker that holds a lease is not waited for: its next write finds no task. Each task's log ends in task.erased.
    """
    tasks = list(Task.objects.filter(where).order_by("id").select_for_update().defer("metadata")[:TASKS])
    ids = [task.id for task in tasks]
    gone: dict[str, int] = {}
    for name, table in PARTS.items():
        with connection.cursor() as cursor:
            cursor.execute(DELETE_PARTS.format(table, table), [ids, limit - sum(gone.values())])
            gone[name] = cursor.rowcount
        if sum(gone.values()) >= limit:
            return gone
    publish_all(_change(task, "task.erased", actor) for task in tasks)
    Task.objects.filter(id__in=ids).delete()
    return {**gone, "tasks": len(tasks)}


def delete_contexts_batch(where: Q, *, actor: str, limit: int = ROWS) -> int:
    """Delete up to `limit` of these contexts that have no task, and return how many went."""
    empty = ~Exists(Task.objects.filter(context_id=OuterRef("pk")))
    found = list(Context.objects.filter(where).filter(empty).order_by("id").values_list("id", flat=True)[:limit])
    # Locked first, so that a task that is being submitted into one has either committed and is seen, or finds none.
    held = [row.id for row in Context.objects.filter(id__in=found).order_by("id").select_for_update()]
    contexts = list(Context.objects.filter(id__in=held).filter(empty))
    publish_all(_change(context, "context.erased", actor) for context in contexts)
    Context.objects.filter(id__in=[context.id for context in contexts]).delete()
    return len(contexts)


def redact_words_batch(user_id: uuid.UUID, *, actor: str) -> dict[str, int]:
    """Take the person's messages and artifacts out of tasks that are others', whose numbering they stay part of."""
    with connection.cursor() as cursor:
        cursor.execute(WORDS, {"user": user_id, "erased": ERASED, "limit": TASKS})
        ids = [task_id for (task_id,) in cursor.fetchall()]
    redacted: dict[str, int] = {}
    for task in Task.objects.filter(id__in=ids).order_by("id").select_for_update().defer("metadata"):
        facts = _redact(task, user_id)
        publish(_change(task, "task.redacted", actor, facts))
        Task.objects.filter(id=task.id).update(generation=task.generation + 1)
        redacted = {name: redacted.get(name, 0) + number for name, number in facts.items()}
    return {f"redacted_{name}": number for name, number in redacted.items()}


def _redact(task: Task, user_id: uuid.UUID) -> dict[str, int]:
    """Return how many of the task's messages, chunks and artifacts were the person's."""
    statements = {
        "messages": "UPDATE tasks_message SET parts = %(erased)s::json, metadata = '{}', message_id = 'erased'",
        "artifact_chunks": "UPDATE tasks_artifactchunk SET parts = %(erased)s::json",
        "artifacts": "UPDATE tasks_artifact SET name = '', description = '', metadata = '{}'",
    }
    facts = {}
    with connection.cursor() as cursor:
        for name, statement in statements.items():
            cursor.execute(
                f"{statement} WHERE task_id = %(task)s AND owner_id = %(user)s",
                {"task": task.id, "user": user_id, "erased": ERASED},
            )
            facts[name] = cursor.rowcount
    return facts


def _change(row: Task | Context, event_type: str, actor: str, facts: dict[str, Any] | None = None) -> Change:
    subject, _, _ = event_type.partition(".")
    return Change(
        row.organization_id, subject, row.id, row.generation + 1, event_type, row.owner_id, actor, facts or {}
    )


def erase_tasks(user_id: uuid.UUID, actor: str) -> dict[str, int]:
    """Erase one batch: the person's tasks, then their words in others' tasks, then their contexts."""
    owned = Q(owner_id=user_id)
    erased = delete_tasks_batch(owned, actor=actor)
    if not any(erased.values()):
        erased = redact_words_batch(user_id, actor=actor)
    if not any(erased.values()):
        erased = {"contexts": delete_contexts_batch(owned, actor=actor)}
    return erased


def erase_organization(organization_id: uuid.UUID, most: int, position: int) -> Step:
    """Erase one batch of an organization's tasks, their parts before them; without a word in a log that goes too."""
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [organization_id, TASKS])
        tasks = [task_id for (task_id,) in cursor.fetchall()]
    for table in PARTS.values():
        if gone := run(DELETE_PARTS.format(table, table), tasks, most):
            return Step({table: gone}, over=False)
    return Step({"tasks_task": run("DELETE FROM tasks_task WHERE id = ANY (%s)", tasks)}, over=not tasks)
