"""The caller, and who they become by signing up, on the wire."""

import uuid
from typing import Annotated, Any

from pydantic import AfterValidator, Field, StringConstraints

from accounts.passwords import MOST_CHARACTERS
from orgs.keys import Environment
from orgs.models import Role
from orgs.schemas import Email, In, Out, not_null
from orgs.schemas.api_keys import MintedKeyOut
from orgs.schemas.members import UserOut
from orgs.schemas.organizations import OrganizationIn, OrganizationOut

DisplayName = Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)]


class SignUpIn(In):
    email: Email
    display_name: DisplayName = ""
    password: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)]
    organization: OrganizationIn


class SignUpOut(Out):
    user: UserOut
    organization: OrganizationOut
    api_key: MintedKeyOut


class ProfileOut(UserOut):
    external_id: str | None


class PlaceOut(Out):
    """An organization, and the user's role in it."""

    id: uuid.UUID
    name: str
    slug: str
    role: Role


class MeOut(Out):
    """Who the presented key or token is. `api_key_id` is null for a token; what follows the scopes is a user's."""

    organization: OrganizationOut
    actor_type: str
    actor_id: uuid.UUID
    api_key_id: uuid.UUID | None
    environment: Environment
    role: Role | None
    scopes: list[str]
    user: ProfileOut | None = None
    preferences: Annotated[Any, Field(description="A JSON object of the user's own, of at most 16 KiB.")] = None
    memberships: list[PlaceOut] | None = None


class MePatch(In):
    """`preferences` is a merge patch (RFC 7396)."""

    display_name: Annotated[DisplayName | None, AfterValidator(not_null)] = None
    preferences: Annotated[dict[str, Any] | None, AfterValidator(not_null)] = None
