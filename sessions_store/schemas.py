import uuid
from datetime import datetime
from typing import Annotated, Any

from pydantic import Field, StringConstraints

from api.metadata import Metadata
from api.values import SubjectId
from orgs.schemas import In, Out

Title = Annotated[str, StringConstraints(max_length=500)]


class SessionIn(In):
    title: Title = ""
    agent_id: SubjectId | None = None
    state: Annotated[dict[str, Any], Field(default_factory=dict)]
    metadata: Metadata


class SessionSummaryOut(Out):
    """A session without its state."""

    id: uuid.UUID
    title: str
    agent_id: uuid.UUID | None
    owner_id: uuid.UUID
    metadata: Any
    generation: int
    created_at: datetime
    updated_at: datetime


class SessionOut(SessionSummaryOut):
    state: dict[str, Any]


class StateChangedOut(Out):
    """What a write to the state came to; the state itself is not sent back."""

    id: uuid.UUID
    generation: int
    updated_at: datetime
