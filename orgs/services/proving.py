"""Proving a user by their password over the API: tries count together with those of a sign-in to the console.

Else whoever holds a leaked key, or an invitation's link, could go on guessing where the console makes everyone wait.
"""

from datetime import datetime

from accounts import lockout
from accounts.models import User


class TooManyAttempts(Exception):
    """Raised when too many passwords were tried lately, of one account, from one source, or with invitations."""


def charge(user: User, address: str | None, *, now: datetime) -> lockout.Admission:
    """Count a try, inside the open system scope, which commits before the password is looked at.

    One that did not fail is forgiven afterwards (`lockout.forgive`). Raises TooManyAttempts.
    """
    admission = lockout.charge(lockout.name_of(user), lockout.source_of(address), now=now)
    if admission.locked:
        raise TooManyAttempts(lockout.REFUSAL)
    return admission
