import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from accounts.models import Erasure
from accounts.receipts import is_genuine
from orgs import tenancy


class Command(BaseCommand):
    help = "Tell whether a receipt of an erasure was made here and not changed since."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", type=Path)

    def handle(self, *args: Any, file: Path, **options: Any) -> None:
        try:
            receipt = json.loads(file.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise CommandError(f"{file} cannot be read: {error}") from None
        if not isinstance(receipt, dict) or not is_genuine(receipt):
            raise CommandError("The receipt was not signed with this SECRET_KEY, or was changed since.")
        with tenancy.system():
            kept = Erasure.objects.filter(receipt=receipt).exists()
        known = "the same is kept here" if kept else "it is not kept here: the database may be older than it"
        self.stdout.write(f"The receipt {receipt.get('receipt_id')} is genuine; {known}.")
