"""Finding the user whom a command names."""

from django.core.management.base import CommandError

from accounts.models import User


def find_user(email: str) -> User:
    """Return the user of this address, whatever its case, or end the command."""
    try:
        return User.objects.with_email(email).get()
    except User.DoesNotExist:
        raise CommandError(f"There is no user {email!r}.") from None
