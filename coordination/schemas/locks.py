from datetime import datetime

from pydantic import Field

from api.values import Number
from orgs.schemas import In, Out


class LockAcquireIn(In):
    """Times in seconds. A token of the caller's own, never used before, makes the call safe to repeat."""

    ttl_seconds: Number
    wait_seconds: Number = 0
    token: str | None = None


class LockExtendIn(In):
    token: str
    ttl_seconds: Number


class LockReleaseIn(In):
    token: str


class LockHoldingOut(Out):
    """What everyone may know of a lock that is held."""

    resource: str
    name: str
    fencing_number: int | None = Field(
        description="Send it with each protected write, as Holdfast-Fencing-Number. Null where a program beside the "
        "service acquired the lock without one."
    )
    expires_at: datetime
    expires_in_seconds: float


class LockOut(LockHoldingOut):
    """A lock as its holder has it. The token is a secret: it extends and releases the lock."""

    token: str
