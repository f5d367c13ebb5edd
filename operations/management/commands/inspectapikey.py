import sys
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from orgs import keys, tenancy
from orgs.models import APIKey
from orgs.services.key_rotation import revoke_with_successors

LONGEST = 1000


class Command(BaseCommand):
    help = "Read an API key from standard input, such as one that leaked, and say whose it is."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--revoke", action="store_true", help="also revoke it and all that replaced it, for good")

    def handle(self, *args: Any, revoke: bool, **options: Any) -> None:
        # Never an argument: those are read by everyone on the machine and kept by shells.
        text = sys.stdin.read(LONGEST).strip()
        key_id = keys.find_key_id(text)
        if key_id is None:
            raise CommandError("This is no API key: its form or its checksum is wrong.")
        with tenancy.system():
            row = APIKey.objects.filter(key_id=key_id, digest=keys.digest(text)).values("id").first()
            if row is None:
                raise CommandError("The form and the checksum are right, but there is no such key here.")
            revoked = revoke_with_successors(row["id"], actor="operator:shell", now=timezone.now()) if revoke else []
            found = APIKey.objects.select_related("organization", "user", "agent").get(id=row["id"])
        for name, value in _facts(found).items():
            self.stdout.write(f"{name:<14}{value}")
        for successor in revoked[1:]:
            self.stdout.write(f"{'revoked too':<14}{successor.id}")


def _facts(row: APIKey) -> dict[str, object]:
    bearer = f"user {row.user.email}" if row.user else f"agent {row.agent.slug}" if row.agent else "itself"
    return {
        "organization": row.organization.slug,
        "id": row.id,
        "name": row.name,
        "environment": row.environment,
        "acts as": bearer,
        "scopes": " ".join(row.scopes),
        "created": row.created_at.isoformat(),
        "last used": _time(row.last_used_at),
        "expires": _time(row.expires_at),
        "revoked": _time(row.revoked_at),
        "replaced by": row.replaced_by_id or "-",
    }


def _time(instant: Any) -> str:
    return instant.isoformat() if instant is not None else "-"
