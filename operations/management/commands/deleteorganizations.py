from typing import Any

from django.core.management.base import BaseCommand
from django.utils import timezone

from orgs.services.organization_erasing import delete_due


class Command(BaseCommand):
    help = "Delete the organizations that are due, as beat does every minute; may be stopped and run again."

    def handle(self, *args: Any, **options: Any) -> None:
        round_ = delete_due(now=timezone.now())
        for organization_id in round_.ended:
            self.stdout.write(f"{organization_id}: erased.")
        for erasure in round_.waiting:
            done = sum(erasure.counts.values())
            stands = "its own row is gone" if erasure.row_gone_at else f"closed since {erasure.closed_at:%F %T} UTC"
            self.stdout.write(f"{erasure.id}: {done:,} rows erased; {stands}. Run again to go on.")
        if not (round_.ended or round_.waiting):
            self.stdout.write("No organization is being deleted.")
