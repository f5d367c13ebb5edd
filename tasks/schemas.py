import uuid
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, StringConstraints, ValidationInfo, field_validator

from api.metadata import Metadata
from api.values import INTEGER, Flag, SubjectId
from orgs.schemas import In, Out
from tasks.models import MessageRole, State

Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]{0,127}$")]
Parts = Annotated[list[dict[str, Any]], Field(min_length=1, max_length=1000)]
MessageId = Annotated[
    Identifier | None,
    Field(description="The caller's own, made when none is given. Not checked to be unique: see Idempotency-Key."),
]


class MessageIn(In):
    """A message. Parts are A2A parts, kept as they are."""

    role: MessageRole = MessageRole.USER
    parts: Parts
    message_id: MessageId = None
    metadata: Metadata


class FirstMessageIn(In):
    """The message that asks for the work; its role is user."""

    role: Literal["user"] = "user"
    parts: Parts
    message_id: MessageId = None
    metadata: Metadata


class TaskIn(In):
    """What is asked for: the first message, in an existing context or in a new one."""

    message: FirstMessageIn
    context_id: SubjectId | None = None
    agent_id: SubjectId | None = None
    metadata: Metadata


class ArtifactIn(In):
    """The first chunk of an artifact, or with `append` a later one; name and the like only come with the first."""

    artifact_id: Identifier | None = None
    append: Flag = False
    name: Annotated[str, StringConstraints(max_length=500)] = ""
    description: Annotated[str, StringConstraints(max_length=4000)] = ""
    metadata: Metadata
    parts: Parts
    last_chunk: Flag = True

    @field_validator("name", "description", "metadata")
    @classmethod
    def _comes_with_the_first(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("append"):
            raise ValueError("comes with the first chunk only")
        return value


class StateIn(In):
    state: State


class ClaimIn(In):
    """How many tasks to lease, for how many seconds, and for which agent: its own and those given to nobody."""

    agent_id: SubjectId | None = None
    count: Annotated[int, Field(ge=1, le=20), INTEGER] = 1
    lease_seconds: Annotated[int, Field(ge=1, le=3600), INTEGER] = 60
    history_length: Annotated[int, Field(ge=0, le=1000), INTEGER] = 100


class LeaseIn(In):
    lease_seconds: Annotated[int, Field(ge=1, le=3600), INTEGER] = 60


class MessageOut(Out):
    number: int
    message_id: str
    role: MessageRole
    parts: Any
    metadata: Any
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class AppendedOut(Out):
    """Where the message stands, and what the task has become."""

    task_id: uuid.UUID
    message_id: str
    number: int
    generation: int
    state: State
    created_at: datetime


class ArtifactOut(Out):
    artifact_id: str
    name: str
    description: str
    metadata: Any
    chunk_count: int
    complete: bool
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class ArtifactChunkOut(Out):
    number: int
    parts: Any
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class TaskSummaryOut(Out):
    """A task without its messages and artifacts."""

    id: uuid.UUID
    context_id: uuid.UUID
    agent_id: uuid.UUID | None
    owner_id: uuid.UUID
    state: State
    state_at: datetime
    metadata: Any
    message_count: int
    artifact_count: int
    generation: int
    created_at: datetime


class TaskOut(TaskSummaryOut):
    """A task with its last messages in order, and its first 100 artifacts without their parts.

    `history_truncated` says that older messages were asked for than fit into 8 MiB.
    """

    history_truncated: bool
    history: list[MessageOut]
    artifacts: list[ArtifactOut]


class ClaimedTaskOut(BaseModel):
    """A leased task. Send `lease_token` as Holdfast-Lease-Token with every write made under the lease."""

    lease_token: int
    lease_expires_at: datetime
    task: TaskOut


class ClaimOut(BaseModel):
    items: list[ClaimedTaskOut]


class LeaseOut(Out):
    task_id: uuid.UUID
    lease_token: int
    lease_expires_at: datetime


class ContextOut(Out):
    id: uuid.UUID
    owner_id: uuid.UUID
    metadata: Any
    generation: int
    created_at: datetime
