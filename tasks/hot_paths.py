"""The SQL functions of tasks, as Python calls them (tasks/sql/). Each is one statement and one round trip."""

import uuid
from datetime import datetime
from typing import Any, NamedTuple

from api import documents
from api.etags import PreconditionFailed
from api.identifiers import new_id
from api.responses import Document
from audit.origin import current_origin
from coordination.fencing import fenced
from orgs import functions
from orgs.principals import Principal
from orgs.services.api_keys import UnknownReference
from tasks.models import Task


class LeaseLost(Exception):
    """Raised when a write carries the token of a lease that was taken over, given back or ended."""


class TaskLeased(Exception):
    """Raised when a write that belongs to the worker comes without the token of the live lease."""


class TaskTerminal(Exception):
    """Raised when a task that has ended is asked to change."""


class TransitionRefused(Exception):
    """Raised for a change of state that the table of transitions does not have."""


class ArtifactExists(Exception):
    """Raised when the first chunk of an artifact names one that the task already has."""


class ArtifactMissing(Exception):
    """Raised when a later chunk names an artifact that the task does not have."""


class ArtifactComplete(Exception):
    """Raised when a chunk comes after the last one."""


ERRORS: dict[str, type[Exception]] = {
    "HF404": Task.DoesNotExist,
    "HF409": LeaseLost,
    "HF412": PreconditionFailed,
    "HF420": TaskTerminal,
    "HF421": TransitionRefused,
    "HF422": UnknownReference,
    "HF423": TaskLeased,
    "HF424": ArtifactExists,
    "HF425": ArtifactMissing,
    "HF426": ArtifactComplete,
}


class Claimed(NamedTuple):
    token: int
    expires_at: datetime
    text: str


def get(organization_id: uuid.UUID, task_id: uuid.UUID, *, history: int) -> Document:
    """Return the task with its last `history` messages, as far as they fit; raises Task.DoesNotExist."""
    row = functions.find("SELECT generation, document FROM tasks_get(%s, %s, %s)", [organization_id, task_id, history])
    if row is None:
        raise Task.DoesNotExist("There is no such task.")
    return Document(*row)


def submit(
    principal: Principal,
    *,
    task_id: uuid.UUID,
    context_id: uuid.UUID | None,
    agent_id: uuid.UUID | None,
    metadata: dict[str, Any],
    message_id: str,
    parts: list[Any],
    message_metadata: dict[str, Any],
) -> Document:
    """Create a task with its first message; raises UnknownReference."""
    row = functions.call(
        "SELECT new_generation, document"
        " FROM tasks_submit(%s, %s, %s, %s, %s, %s::json, %s, %s::json, %s::json, %s, %s, %s)",
        [
            principal.organization_id,
            task_id,
            context_id,
            new_id(),
            agent_id,
            documents.dumps(metadata),
            message_id,
            documents.dumps(parts),
            documents.dumps(message_metadata),
            principal.actor_id,
            principal.actor,
            current_origin().request_id,
        ],
    )
    return Document(*row)


def append_message(
    principal: Principal,
    task_id: uuid.UUID,
    *,
    message_id: str,
    role: str,
    parts: list[Any],
    metadata: dict[str, Any],
    lease: int | None = None,
    expected: list[int] | None = None,
    fencing_number: int | None = None,
) -> Document:
    """Append one message and return where it stands.

    Raises Task.DoesNotExist, LeaseLost, PreconditionFailed, TaskTerminal, TaskLeased, FencingNumberStale.
    """
    with fenced(principal.organization_id, Task, task_id, fencing_number):
        row = functions.call(
            "SELECT new_generation, document"
            " FROM tasks_append_message(%s, %s, %s::bigint[], %s, %s, %s, %s::json, %s::json, %s, %s, %s)",
            [
                principal.organization_id,
                task_id,
                expected,
                lease,
                message_id,
                role,
                documents.dumps(parts),
                documents.dumps(metadata),
                principal.actor_id,
                principal.actor,
                current_origin().request_id,
            ],
        )
    return Document(*row)


def append_artifact(
    principal: Principal,
    task_id: uuid.UUID,
    *,
    artifact_id: str,
    name: str,
    description: str,
    metadata: dict[str, Any],
    parts: list[Any],
    append: bool,
    last_chunk: bool,
    lease: int | None = None,
    expected: list[int] | None = None,
    fencing_number: int | None = None,
) -> Document:
    """Add a chunk and return the artifact; raises as append_message, and ArtifactExists, -Missing, -Complete."""
    with fenced(principal.organization_id, Task, task_id, fencing_number):
        row = functions.call(
            "SELECT new_generation, document"
            " FROM tasks_append_artifact(%s, %s, %s::bigint[], %s, %s, %s, %s, %s::json, %s::json, %s, %s, %s, %s, %s)",
            [
                principal.organization_id,
                task_id,
                expected,
                lease,
                artifact_id,
                name,
                description,
                documents.dumps(metadata),
                documents.dumps(parts),
                append,
                last_chunk,
                principal.actor_id,
                principal.actor,
                current_origin().request_id,
            ],
        )
    return Document(*row)


def change_state(
    principal: Principal,
    task_id: uuid.UUID,
    state: str,
    *,
    expected: list[int] | None,
    lease: int | None,
    fencing_number: int | None = None,
) -> Document:
    """Change the state and return the task without messages and artifacts.

    Raises Task.DoesNotExist, LeaseLost, PreconditionFailed, TaskTerminal, TransitionRefused, TaskLeased,
    FencingNumberStale.
    """
    with fenced(principal.organization_id, Task, task_id, fencing_number):
        row = functions.call(
            "SELECT new_generation, document FROM tasks_change_state(%s, %s, %s::bigint[], %s, %s, %s, %s)",
            [
                principal.organization_id,
                task_id,
                expected,
                lease,
                state,
                principal.actor,
                current_origin().request_id,
            ],
        )
    return Document(*row)


def claim(principal: Principal, *, agent_id: uuid.UUID | None, count: int, seconds: int, history: int) -> list[Claimed]:
    """Lease up to `count` claimable tasks for `seconds`, the one that waits longest first."""
    rows = functions.rows_of(
        "SELECT token, expires_at, document FROM tasks_claim(%s, %s, %s, %s, %s, %s, %s)",
        [
            principal.organization_id,
            agent_id,
            count,
            seconds,
            history,
            principal.actor,
            current_origin().request_id,
        ],
    )
    return [Claimed(*row) for row in rows]


def extend_lease(principal: Principal, task_id: uuid.UUID, *, lease: int, seconds: int) -> datetime:
    """Let the lease run `seconds` from now; raises Task.DoesNotExist, LeaseLost, TaskTerminal."""
    row = functions.call(
        "SELECT expires_at FROM tasks_extend_lease(%s, %s, %s, %s)",
        [principal.organization_id, task_id, lease, seconds],
    )
    expires_at: datetime = row[0]
    return expires_at
