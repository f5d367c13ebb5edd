"""What the tests of tasks do over and over: go to a state, claim, let a lease run out."""

import uuid
from typing import Any

from orgs import tenancy
from orgs.models import Organization
from tasks.models import State, Task
from tests.factories import Answer, Caller, submit_task, text_message
from tests.statements import system_rows

ENDINGS = ("task.completed", "task.canceled", "task.failed", "task.rejected")
Made = dict[str, Any]
# What a task has beyond its summary.
BELONGINGS = ("history", "history_truncated", "artifacts")


def path(task: Made) -> str:
    return f"/tasks/{task['id']}"


def key_of(task: Made) -> uuid.UUID:
    return uuid.UUID(task["id"])


def under(token: int) -> dict[str, str]:
    """Return the headers of a write made under a lease."""
    return {"Holdfast_Lease_Token": str(token)}


def append(caller: Caller, task: Made, role: str = "user", text: str = "more", **headers: str) -> Answer:
    return caller.post(f"{path(task)}/messages", text_message(text, role=role), **headers)


def append_chunk(caller: Caller, task: Made, artifact: str = "report", **fields: Any) -> Answer:
    headers = fields.pop("headers", {})
    body = {"artifact_id": artifact, "parts": [{"kind": "text", "text": "chunk"}], **fields}
    return caller.post(f"{path(task)}/artifacts", body, **headers)


def put_state(caller: Caller, task: Made, state: str, **headers: str) -> Answer:
    return caller.put(f"{path(task)}/state", {"state": state}, **headers)


def heartbeat(caller: Caller, task: Made, token: int, seconds: int = 60) -> Answer:
    return caller.put(f"{path(task)}/lease", {"lease_seconds": seconds}, **under(token))


def task_in(caller: Caller, state: str) -> Made:
    """Submit a task and bring it to the state; every state is one step away from submitted."""
    task = submit_task(caller)
    if state != State.SUBMITTED:
        answer = put_state(caller, task, state)
        assert answer.status == 200, answer
    return get(caller, task)


def get(caller: Caller, task: Made) -> Made:
    answer = caller.get(path(task))
    assert answer.status == 200, answer
    found: Made = answer.json
    return found


def claim(caller: Caller, **fields: Any) -> list[Made]:
    answer = caller.post("/tasks/claim", fields)
    assert answer.status == 200, answer
    items: list[Made] = answer.json["items"]
    return items


def claim_one(caller: Caller, **fields: Any) -> tuple[Made, int]:
    """Claim the one task there is; return it and the lease's token."""
    (item,) = claim(caller, **fields)
    return item["task"], item["lease_token"]


def expire_lease(organization: Organization, task: Made) -> None:
    """Let the lease run out without waiting."""
    with tenancy.organization(organization.id):
        changed = Task.objects.filter(id=task["id"]).update(lease_expires_at="2000-01-01T00:00:00Z")
    assert changed == 1


def snapshot(task: Made) -> list[tuple[Any, ...]]:
    """Return every row there is of a task, to compare before and after what must change nothing."""
    tables = {"tasks_task": "id", "tasks_message": "task_id", "tasks_artifact": "task_id"}
    tables |= {"tasks_artifactchunk": "task_id", "events_event": "subject_id"}
    found: list[tuple[Any, ...]] = []
    for table, column in tables.items():
        found += system_rows(f"SELECT to_jsonb(r)::text FROM {table} r WHERE {column} = %s ORDER BY 1", task["id"])
    return found
