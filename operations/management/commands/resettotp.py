from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts import totp
from operations.people import find_user
from orgs import tenancy


class Command(BaseCommand):
    help = "Take an operator's second factor and backup codes away, and end their sessions."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the operator's address")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        with tenancy.system():
            user = find_user(email)
            done = totp.reset(user, actor="operator:shell")
        if not done:
            raise CommandError(f"{user.email} has no second factor.")
        self.stdout.write(f"{user.email} signs in with the password alone.")
