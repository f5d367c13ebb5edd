from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError
from django.db import IntegrityError

from accounts.models import User
from orgs import tenancy

TAKEN = "A user with this e-mail address exists."


class Command(createsuperuser.Command):
    """Django's own, which takes an address for free until the unique constraint says otherwise, whatever its case."""

    help = "Make an operator, who may sign in to the console and do everything there."

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            # The user and the audit entry commit together. What is asked meanwhile leaves the transaction idle, without
            # any lock that a server in service waits for.
            with tenancy.system():
                super().handle(*args, **options)
        except IntegrityError as error:
            # Another made the same one between the look and the write.
            if "accounts_user_email_unique" not in str(error):
                raise
            raise CommandError(TAKEN) from None

    def _validate_username(self, username: str, *rest: Any) -> str | None:
        invalid: str | None = super()._validate_username(username, *rest)  # type: ignore[misc]
        return invalid or (TAKEN if User.objects.with_email(username).exists() else None)
