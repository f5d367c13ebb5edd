"""Users and their places on the wire."""

import uuid
from datetime import datetime
from typing import Literal, Self

from pydantic import model_validator

from api.values import SubjectId
from orgs.models import Role
from orgs.schemas import In, Out


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


class MemberPatch(In):
    role: Role


class TransferIn(In):
    """Who is to be the owner, by membership or by user; `role` is what the one before them is from then on."""

    membership_id: SubjectId | None = None
    user_id: SubjectId | None = None
    from_membership_id: SubjectId | None = None
    role: Literal["admin", "member"] = "admin"

    @model_validator(mode="after")
    def _names_one(self) -> Self:
        if (self.membership_id is None) == (self.user_id is None):
            raise ValueError("name the new owner by either membership_id or user_id")
        return self

    def to(self) -> dict[str, uuid.UUID]:
        """Return the new owner's place, as the field that names it and its value."""
        named = {"id": self.membership_id, "user_id": self.user_id}
        return {field: value for field, value in named.items() if value is not None}
