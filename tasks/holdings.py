"""What this app holds of a person: contexts and tasks that they own, and what they said in tasks of others."""

from accounts.holdings import Holding, Lines
from accounts.own_holdings import PSEUDONYM
from tasks.erasing import erase_tasks

TASK = """id, organization_id, context_id, agent_id, state, state_at, metadata, message_count, artifact_count,
generation, created_at"""
# A task that somebody owns is theirs with all that was said to them in it.
OF_TASKS = "owner_id = %(user)s OR task_id IN (SELECT id FROM tasks_task WHERE owner_id = %(user)s)"

TASKS = Holding(
    "tasks",
    claims=tuple(f"tasks.{model}.owner_id" for model in ("Context", "Task", "Message", "Artifact", "ArtifactChunk")),
    lines=(
        Lines("contexts", "tasks_context", "id, organization_id, metadata, created_at", "owner_id = %(user)s"),
        Lines("tasks", "tasks_task", TASK, "owner_id = %(user)s"),
        # Parts have up to 1 MiB each.
        Lines(
            "messages",
            "tasks_message",
            "task_id, number, owner_id, message_id, role, parts, metadata, generation, created_at",
            OF_TASKS,
            ("task_id", "number"),
            batch=50,
        ),
        Lines(
            "artifacts",
            "tasks_artifact",
            "task_id, artifact_id, number, owner_id, name, description, metadata, complete, generation, created_at",
            OF_TASKS,
            ("task_id", "artifact_id"),
        ),
        Lines(
            "artifact-chunks",
            "tasks_artifactchunk",
            "task_id, artifact_id, number, owner_id, parts, generation, created_at",
            OF_TASKS,
            ("task_id", "artifact_id", "number"),
            batch=50,
        ),
    ),
    erase=erase_tasks,
    kept={
        "messages and artifacts in tasks of others": f"emptied in their place; owner_id is {PSEUDONYM}",
        "contexts in which others have tasks": f"their tasks stand there; owner_id is {PSEUDONYM}",
    },
)
