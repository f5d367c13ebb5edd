from datetime import timedelta
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from orgs import tenancy
from orgs.keys import Environment
from orgs.models import Agent, Organization
from orgs.permissions import EVERYTHING, Scope
from orgs.services.api_keys import UnknownReference, issue_operator_key
from orgs.services.key_policy import InvalidExpiry


class Command(BaseCommand):
    help = "Make an API key of an organization and print it once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("organization", help="the organization's slug")
        parser.add_argument("--name", default="Made by manage.py")
        parser.add_argument(
            "--scope", action="append", choices=[scope.value for scope in Scope], help="repeatable; default: everything"
        )
        bearer = parser.add_mutually_exclusive_group()
        bearer.add_argument("--user", metavar="EMAIL", help="a member, whom the key acts as; default: the key itself")
        bearer.add_argument("--agent", metavar="SLUG", help="an agent, which the key acts as")
        parser.add_argument("--environment", choices=Environment.values, default=Environment.PRODUCTION.value)
        parser.add_argument("--expires-in-days", type=int, help="1 to 3650; default: as long as allowed")

    def handle(
        self, *args: Any, organization: str, name: str, scope: list[str] | None, user: str | None, agent: str | None,
        environment: str, expires_in_days: int | None, **options: Any,
    ) -> None:  # fmt: skip
        now = timezone.now()
        if not 1 <= len(name) <= 200:
            raise CommandError("--name takes 1 to 200 characters.")
        if expires_in_days is not None and not 1 <= expires_in_days <= 3650:
            raise CommandError("--expires-in-days takes 1 to 3650.")
        try:
            with tenancy.system():
                found = Organization.objects.get(slug=organization)
                minted = issue_operator_key(
                    found,
                    name=name,
                    scopes=scope or EVERYTHING,
                    environment=environment,
                    user=User.objects.with_email(user).get() if user else None,
                    agent=Agent.objects.get(organization=found, slug=agent) if agent else None,
                    expires_at=None if expires_in_days is None else now + timedelta(days=expires_in_days),
                    actor="operator:shell",
                    now=now,
                )
        except Organization.DoesNotExist:
            raise CommandError(f"There is no organization {organization!r}.") from None
        except User.DoesNotExist:
            raise CommandError(f"There is no user {user!r}.") from None
        except Agent.DoesNotExist:
            raise CommandError(f"The organization has no agent {agent!r}.") from None
        except (UnknownReference, InvalidExpiry) as unknown:
            raise CommandError(str(unknown)) from None
        self.stdout.write(minted.text)
