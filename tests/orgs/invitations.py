"""Invitations as tests make them, take them and look behind them."""

import re
import uuid
from datetime import datetime, timedelta
from typing import Any

from accounts.models import User
from orgs import tenancy
from orgs.models import Invitation, Organization, Role
from tests.factories import Answer, Caller
from tests.orgs.console import PASSWORD, new_address

TOKEN = re.compile(r"hfi_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}")


def new_email() -> str:
    return f"Ada-{uuid.uuid4().hex[:20]}@example.com"


def invite(caller: Caller, email: str = "", role: str = Role.MEMBER, **fields: Any) -> dict[str, Any]:
    """Invite over the API and return the invitation with its token."""
    answer = caller.post("/invitations", {"email": email or new_email(), "role": role, **fields})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


def accept(invited: dict[str, Any], password: str | None = PASSWORD, **headers: str) -> Answer:
    """Accept without any key, from an address of which no other test counts the failures."""
    return accept_from(new_address(), invited, password, **headers)


def accept_from(address: str, invited: dict[str, Any], password: str | None = PASSWORD, **headers: str) -> Answer:
    body = {"token": invited["token"]} | ({"password": password} if password is not None else {})
    return Caller("", address=address).post("/invitations/accept", body, **{"Authorization": "", **headers})


def look_up(token: str) -> Answer:
    return Caller("").post("/invitations/look-up", {"token": token}, Authorization="")


def make_person(email: str, password: str = PASSWORD) -> User:
    """Make a user who has a password."""
    with tenancy.system():
        return User.objects.create_user(email, password)


def row_of(invited: dict[str, Any]) -> Invitation:
    with tenancy.system():
        return Invitation.objects.get(id=invited["id"])


def change(invited: dict[str, Any], **fields: Any) -> None:
    """Change the row as time would."""
    with tenancy.system():
        Invitation.objects.filter(id=invited["id"]).update(**fields)


def make_rows(organization: Organization, count: int, *, expires_at: datetime) -> None:
    """Make invitations without going through the API, many at once."""
    rows = [
        Invitation(
            organization=organization,
            owner_id=organization.owner_id,
            email=new_email(),
            role=Role.MEMBER,
            token_id=uuid.uuid4().hex[:12],
            digest=b"",
            expires_at=expires_at,
            last_sent_at=expires_at - timedelta(days=7),
        )
        for _ in range(count)
    ]
    with tenancy.system():
        Invitation.objects.bulk_create(rows)
