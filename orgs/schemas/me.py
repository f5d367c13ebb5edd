"""The caller, and who they become by signing up, on the wire."""

import uuid
from typing import Annotated

from pydantic import StringConstraints

from orgs.models import Role
from orgs.schemas import Email, In, Out
from orgs.schemas.api_keys import MintedKeyOut
from orgs.schemas.members import UserOut
from orgs.schemas.organizations import OrganizationIn, OrganizationOut


class SignUpIn(In):
    email: Email
    display_name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    password: Annotated[str, StringConstraints(max_length=1024)]
    organization: OrganizationIn


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
    role: Role | None
    scopes: list[str]
