from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization
from orgs.services.constraints import SlugTaken
from orgs.services.organizations import create_organization


class Command(BaseCommand):
    help = "Make an organization that a user owns."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", help="1 to 63 lower-case letters, digits and inner hyphens")
        parser.add_argument("--name", help="default: made from the slug")
        parser.add_argument("--owner-email", required=True, help="the address of the user who owns it")

    def handle(self, *args: Any, slug: str, name: str | None, owner_email: str, **options: Any) -> None:
        name = (name or slug.replace("-", " ").title()).strip()
        try:
            Organization(name=name, slug=slug).clean_fields(exclude=["owner_id"])
            with tenancy.system():
                owner = User.objects.with_email(owner_email).get()
                made = create_organization(name=name, slug=slug, owner=owner, actor="operator:shell")
        except ValidationError as error:
            raise CommandError(" ".join(error.messages)) from None
        except User.DoesNotExist:
            raise CommandError(f"There is no user {owner_email!r}.") from None
        except SlugTaken as taken:
            raise CommandError(str(taken)) from None
        self.stdout.write(f"The organization {made.slug} ({made.id}) belongs to {owner.email}.")
