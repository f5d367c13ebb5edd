"""Users and their places on the wire."""

import uuid
from datetime import datetime

from orgs.models import Role
from orgs.schemas import Out


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
