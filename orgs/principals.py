"""Who is calling: the outcome of authentication, and the request that carries it."""

import uuid
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from django.http import HttpRequest


class ActorType(StrEnum):
    USER = "user"
    AGENT = "agent"
    API_KEY = "api-key"


@dataclass(frozen=True, slots=True)
class Principal:
    """The organization that a call is for, who makes it, and what they may do.

    `key_id` is the row of the API key that the call came with; None for a user who came with a token. `role` is a
    user's in the organization, which bounds the scopes; None for an agent and for a key that acts as itself.
    """

    organization_id: uuid.UUID
    actor_type: ActorType
    actor_id: uuid.UUID
    key_id: uuid.UUID | None
    scopes: frozenset[str]
    role: str | None = None
    # What the key is for, as `orgs.keys.Environment` has it.
    environment: str = "production"
    # As the log, the events and the audit trail name them; made once, since a warm key's principal serves many calls.
    actor: str = field(init=False)
    organization: str = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "actor", f"{self.actor_type}:{self.actor_id}")
        object.__setattr__(self, "organization", str(self.organization_id))

    @property
    def credential_id(self) -> uuid.UUID:
        """The key that the call came with, or the user whose token it was: tokens come and go."""
        return self.key_id or self.actor_id


class UserRequired(Exception):
    """Raised when a key that acts as no user asks for what only a user has."""


def require_user(principal: Principal) -> uuid.UUID:
    """Return the id of the calling user; raises UserRequired."""
    if principal.actor_type != ActorType.USER:
        raise UserRequired("This key acts as no user: use one that was made for a user.")
    return principal.actor_id


class Request(HttpRequest):
    """A request that has passed the gate."""

    principal: Principal
    document: Any
    # Organization and owner that an operation has made, for the answer kept under its Idempotency-Key.
    made_for: tuple[uuid.UUID, uuid.UUID]
    # The user who has proven who they are beyond a key, or without one, where an operation asks for that (proof).
    proven: uuid.UUID | None
