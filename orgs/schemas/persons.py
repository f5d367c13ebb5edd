"""The erasure of a person on the wire."""

import uuid
from datetime import datetime
from typing import Annotated

from pydantic import StringConstraints

from accounts.passwords import MOST_CHARACTERS
from orgs.schemas import Email, In, Out


class EraseIn(In):
    """The user's own address, and the password where they have one."""

    email: Email
    password: Annotated[str, StringConstraints(max_length=MOST_CHARACTERS)] | None = None


class ErasureOut(Out):
    """What is begun. `id` is the receipt's, which the operator has once it is finished."""

    id: uuid.UUID
    user_id: uuid.UUID
    requested_at: datetime
    finished_at: datetime | None
