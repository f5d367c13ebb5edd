import os
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.utils import timezone

from accounts.models import User
from operations.people import find_user_id
from orgs import tenancy
from orgs.services.exporting import export_person


class Command(BaseCommand):
    help = "Write everything that is held of a user, in all organizations, into one ZIP archive."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="the user's e-mail address or id")
        parser.add_argument("--to", required=True, type=Path, metavar="FILE", help="must not exist yet")

    def handle(self, *args: Any, user: str, to: Path, **options: Any) -> None:
        user_id = find_user_id(user)
        with tenancy.system():
            if not User.objects.filter(id=user_id).exists():
                raise CommandError(f"There is no user {user!r}.")
        with new_file(to) as file:
            export_person(user_id, file, actor="operator:shell", now=timezone.now(), progress=self._tell)
        self.stdout.write(f"Everything of {user_id} is in {to}.")

    def _tell(self, name: str, rows: int) -> None:
        self.stderr.write(f"{name}: {rows}")


@contextmanager
def new_file(path: Path) -> Iterator[IO[bytes]]:
    """Open a file that is there under its name once it is whole, readable by its owner alone; never over another.

    SIGTERM ends the command like Ctrl-C does, so that nothing is left behind.
    """
    if path.exists():
        raise CommandError(f"{path} exists already.")
    before = signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
            os.link(file.name, path)
    except FileExistsError:
        raise CommandError(f"{path} exists already.") from None
    except FileNotFoundError:
        raise CommandError(f"There is no folder {path.parent}.") from None
    finally:
        signal.signal(signal.SIGTERM, before)
