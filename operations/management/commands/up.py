"""Start the whole service in the foreground."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand

from operations import startup


class Command(BaseCommand):
    help = (
        "Start the whole service in the foreground: the servers that no variable names, the web, worker and beat "
        "processes. PORT (default 8000) and HOST (127.0.0.1) say where it listens, VAR (var) where its data is, "
        "WEB_WORKERS (1) how many processes answer. Ctrl-C or SIGTERM stops everything in order."
    )
    # It migrates first; the checks come with that.
    requires_system_checks = ()

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--prepare", action="store_true", help="only migrate and make the first operator, then end")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["prepare"]:
            sys.exit(startup.main())
        call_command("migrate", interactive=False, skip_checks=False)
        call_command("bootstrap")
