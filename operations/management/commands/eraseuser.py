import json
import uuid
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.erasing import LastOperator
from accounts.exporting import count_rows
from accounts.models import Erasure, User
from operations.people import find_user_id
from orgs import tenancy
from orgs.services.exporting import within
from orgs.services.members import LastOwner
from orgs.services.person_erasing import carry_on, request_erasure, settle_time


class Command(BaseCommand):
    help = "Erase a user everywhere, for good, or print the receipt of one who was erased."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user's e-mail address or id")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    def handle(self, *args: Any, user: str, yes: bool, **options: Any) -> None:
        user_id = find_user_id(user)
        with tenancy.system():
            erasure = Erasure.objects.filter(user_id=user_id).first()
        if erasure is None:
            erasure = self._begin(user_id, user, yes=yes)
        erasure = carry_on(erasure.id, now=timezone.now())
        if erasure.finished_at is None:
            ends = erasure.refused_at + settle_time()
            self.stderr.write(
                f"All that is held so far is erased: {json.dumps(erasure.counts)}. What was under way may still come; "
                f"the last sweep is due from {ends:%Y-%m-%d %H:%M:%S} UTC on. A job makes it, or this command again: "
                f"manage.py eraseuser {user_id}"
            )
            return
        self.stdout.write(json.dumps(erasure.receipt, indent=2))

    def _begin(self, user_id: uuid.UUID, named: str, *, yes: bool) -> Erasure:
        with tenancy.system():
            found = User.objects.filter(id=user_id).first()
        if found is None:
            raise CommandError(f"There is no user {named!r}.")
        for name, rows in count_rows(user_id, within).items():
            self.stderr.write(f"{name}: {rows}")
        if not yes and input(f"Erase {found.email} ({user_id}) for good? Type the address: ") != found.email:
            raise CommandError("Nothing was erased.")
        try:
            return request_erasure(user_id, by="operator:shell", now=timezone.now())
        except (LastOwner, LastOperator) as refusal:
            raise CommandError(str(refusal)) from None
