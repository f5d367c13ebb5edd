from typing import Any

from django.contrib.auth.management.commands import changepassword

from accounts.models import ConsoleSession
from audit.models import Action
from audit.services import record_of_user
from operations.people import find_user
from orgs import tenancy


class Command(changepassword.Command):
    """Django's own, which finds an address in its own case only and tells nobody."""

    def handle(self, *args: Any, **options: Any) -> str | None:
        # What is asked meanwhile leaves the transaction idle, without any lock that a server in service waits for.
        with tenancy.system():
            user = find_user(options["username"] or "")
            said: str | None = super().handle(*args, **{**options, "username": user.email})
            ConsoleSession.objects.of(user).delete()
            record_of_user(
                Action.USER_PASSWORD_CHANGED,
                user.id,
                actor="operator:shell",
            )
        return said
