from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from accounts import lockout
from operations.people import find_user
from orgs import tenancy


class Command(BaseCommand):
    help = "End the waits of an operator after failed sign-ins, and of the addresses that they were tried from."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email", help="the operator's address")

    def handle(self, *args: Any, email: str, **options: Any) -> None:
        with tenancy.system():
            user = find_user(email)
            lockout.lift(user, actor="operator:shell", now=timezone.now())
        self.stdout.write(f"{user.email} need not wait.")
