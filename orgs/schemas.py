"""The wire of identity."""

import uuid
from datetime import datetime
from typing import Annotated, Any, Generic, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints

from api.values import Instant, SubjectId
from orgs.models import SLUG, Role
from orgs.permissions import Scope

T = TypeVar("T")
Email = Annotated[str, StringConstraints(strip_whitespace=True, max_length=254, pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$")]
Name = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=200)]
Slug = Annotated[str, StringConstraints(pattern=SLUG, max_length=63)]


class In(BaseModel):
    """What a caller sends: a field that is not known is refused. What is no text has its type from `api.values`."""

    model_config = ConfigDict(extra="forbid")


class Out(BaseModel):
    """What a caller gets."""

    model_config = ConfigDict(from_attributes=True)


class PageOut(BaseModel, Generic[T]):
    """One page of a listing; `next_cursor` is null on the last."""

    model_config = ConfigDict(from_attributes=True)
    items: list[T]
    next_cursor: str | None


class ProblemOut(BaseModel):
    """An error (RFC 9457): `code` is stable, `errors` lists the fields at fault where there are any."""

    type: str
    title: str
    status: int
    code: str
    detail: str
    request_id: str
    errors: list[dict[str, Any]] | None = None


class OrganizationOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class OrganizationIn(In):
    name: Name
    slug: Slug


class OrganizationPatch(In):
    name: Name


class SignUpIn(In):
    email: Email
    display_name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    password: Annotated[str, StringConstraints(max_length=1024)]
    organization: OrganizationIn


class UserOut(Out):
    id: uuid.UUID
    email: str
    display_name: str


class MemberOut(Out):
    id: uuid.UUID
    user: UserOut
    role: Role
    generation: int
    created_at: datetime


class AgentIn(In):
    name: Name
    slug: Slug
    description: Annotated[str, StringConstraints(max_length=4000)] = ""


def _not_null(value: str | None) -> str | None:
    if value is None:
        raise ValueError("may be left out, but not be null")
    return value


class AgentPatch(In):
    name: Annotated[Name | None, AfterValidator(_not_null)] = None
    slug: Annotated[Slug | None, AfterValidator(_not_null)] = None
    description: Annotated[str | None, Field(max_length=4000), AfterValidator(_not_null)] = None


class AgentOut(Out):
    id: uuid.UUID
    name: str
    slug: str
    description: str
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


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


class SignUpOut(Out):
    user: UserOut
    organization: OrganizationOut
    api_key: MintedKeyOut


class MeOut(Out):
    """Who the presented key is."""

    organization: OrganizationOut
    actor_type: str
    actor_id: uuid.UUID
    api_key_id: uuid.UUID
    scopes: list[str]


class AuditEntryOut(Out):
    id: uuid.UUID
    actor: str
    action: str
    subject_type: str
    subject_id: str
    outcome: str
    address: str | None
    request_id: str
    detail: dict[str, Any]
    created_at: datetime
