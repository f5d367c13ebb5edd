from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from orgs.services.signing_up import bootstrap


class Command(BaseCommand):
    help = "On an empty installation make an operator, an organization and an API key, and print them once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--email", default="operator@localhost.localdomain")
        parser.add_argument("--slug", default="default")

    def handle(self, *args: Any, email: str, slug: str, **options: Any) -> None:
        made = bootstrap(email=email, slug=slug)
        if made is None:
            return
        sign_up, password = made
        self.stdout.write(
            "First start. Shown once, keep it:\n"
            f"  operator      {sign_up.user.email}\n"
            f"  password      {password}\n"
            f"  organization  {sign_up.organization.slug}\n"
            f"  API key       {sign_up.minted.text}"
        )
