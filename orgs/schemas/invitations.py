"""Invitations on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints

from accounts.passwords import MOST_CHARACTERS
from api.values import INTEGER
from orgs.models import Invitation, Role
from orgs.schemas import Email, In, Out, not_null
from orgs.schemas.api_keys import MintedKeyOut
from orgs.schemas.members import MemberOut, UserOut
from orgs.schemas.organizations import OrganizationOut
from orgs.services.invitations import MOST_HOURS

Hours = Annotated[int, Field(ge=1, le=MOST_HOURS), INTEGER]
WEEK = 7 * 24
Token = Annotated[str, StringConstraints(max_length=100)]


class InvitationIn(In):
    email: Email
    role: Role
    expires_in_hours: Hours = WEEK


class ResendIn(In):
    """Without `expires_in_hours` the new link lives as long as the one before was made for."""

    expires_in_hours: Annotated[Hours | None, AfterValidator(not_null)] = None


# What a call without any body asks for.
RESEND = ResendIn()


class InvitationOut(Out):
    id: uuid.UUID
    email: str
    role: Role
    status: Invitation.Status
    expires_at: datetime
    sent_count: int
    last_sent_at: datetime
    accepted_at: datetime | None
    accepted_by_id: uuid.UUID | None
    revoked_at: datetime | None
    owner_id: uuid.UUID
    generation: int
    created_at: datetime


class SentInvitationOut(InvitationOut):
    """An invitation with its link, and the token that the link holds: shown here and never again."""

    token: str
    link: str


class TokenIn(In):
    token: Token


class AcceptanceIn(In):
    token: Token
    display_name: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = ""
    password: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)] | None = None


class OfferOut(Out):
    """What whoever holds the token is offered."""

    organization_name: str
    email: str
    role: Role
    expires_at: datetime


class AcceptedOut(Out):
    user: UserOut
    organization: OrganizationOut
    membership: MemberOut
    api_key: MintedKeyOut
