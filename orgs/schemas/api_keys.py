"""API keys on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import Field

from api.values import Instant, SubjectId
from orgs.permissions import Scope
from orgs.schemas import In, Name, Out


class APIKeyIn(In):
    name: Name
    scopes: Annotated[list[Scope], Field(min_length=1, max_length=len(Scope))]
    agent_id: SubjectId | None = None
    expires_at: Instant | None = None


class APIKeyOut(Out):
    id: uuid.UUID
    key_id: str
    name: str
    scopes: list[str]
    user_id: uuid.UUID | None
    agent_id: uuid.UUID | None
    owner_id: uuid.UUID
    generation: int
    created_at: datetime
    expires_at: datetime | None
    last_used_at: datetime | None
    revoked_at: datetime | None


class MintedKeyOut(APIKeyOut):
    """A new key. `key` is shown here and never again."""

    key: str
