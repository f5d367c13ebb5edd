"""Finding the user whom a command names."""

import uuid

from django.core.management.base import CommandError

from accounts.models import User
from orgs import tenancy


def find_user(email: str) -> User:
    """Return the user of this address, whatever its case, or end the command."""
    try:
        return User.objects.with_email(email).get()
    except User.DoesNotExist:
        raise CommandError(f"There is no user {email!r}.") from None


def find_user_id(named: str) -> uuid.UUID:
    """Return the id of the user with this address or id; an id is returned also where the user is gone by now."""
    try:
        return uuid.UUID(named)
    except ValueError:
        pass
    with tenancy.system():
        return find_user(named).id
