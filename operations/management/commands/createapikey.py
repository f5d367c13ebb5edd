from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orgs.models import Organization
from orgs.permissions import EVERYTHING, Scope
from orgs.services import issue_operator_key


class Command(BaseCommand):
    help = "Make an API key of an organization and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="the organization's slug")
        parser.add_argument("--name", default="Made by manage.py")
        parser.add_argument(
            "--scope", action="append", choices=[scope.value for scope in Scope], help="repeatable; default: everything"
        )

    def handle(self, *args: Any, organization: str, name: str, scope: list[str] | None, **options: Any) -> None:
        try:
            minted = issue_operator_key(slug=organization, name=name, scopes=scope or EVERYTHING, now=timezone.now())
        except Organization.DoesNotExist:
            raise CommandError(f"There is no organization {organization!r}.") from None
        self.stdout.write(minted.text)
