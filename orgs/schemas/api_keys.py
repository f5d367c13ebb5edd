"""API keys on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import Field, model_validator

from api.values import INTEGER, Instant, SubjectId
from orgs.keys import Environment
from orgs.permissions import Scope
from orgs.schemas import In, Name, Out
from orgs.services.key_rotation import DEFAULT_OVERLAP, MAX_OVERLAP

Scopes = Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
Overlap = Annotated[int, Field(ge=0, le=int(MAX_OVERLAP.total_seconds())), INTEGER]


class MyKeyIn(In):
    """`environment` is the calling key's where none is given."""

    name: Name
    scopes: Scopes
    environment: Environment | None = None
    expires_at: Instant | None = None


class APIKeyIn(MyKeyIn):
    """A key acts as an agent or as a user, or as itself."""

    agent_id: SubjectId | None = None
    user_id: SubjectId | None = None

    @model_validator(mode="after")
    def _of_one(self) -> "APIKeyIn":
        if self.agent_id is not None and self.user_id is not None:
            raise ValueError("A key acts as a user or as an agent, not as both.")
        return self


class OwnRotationIn(In):
    """The old key works for `overlap_seconds` more, or to its own end where that comes first."""

    overlap_seconds: Overlap = int(DEFAULT_OVERLAP.total_seconds())


class RotationIn(OwnRotationIn):
    """Without `expires_at` the new key lives as long as the old one was made for, or as the policy has it."""

    expires_at: Instant | None = None


# What a call without any body asks for.
OWN_ROTATION = OwnRotationIn()
ROTATION = RotationIn()


class APIKeyOut(Out):
    id: uuid.UUID
    key_id: str
    name: str
    scopes: list[str]
    environment: Environment
    user_id: uuid.UUID | None
    agent_id: uuid.UUID | None
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
    expires_at: datetime | None
    ends_by_policy: bool
    last_used_at: datetime | None
    revoked_at: datetime | None
    replaces_id: uuid.UUID | None
    replaced_by_id: uuid.UUID | None


class MintedKeyOut(APIKeyOut):
    """A new key. `key` is shown here and never again."""

    key: str
