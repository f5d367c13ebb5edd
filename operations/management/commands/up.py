"""Start the whole service in the foreground."""

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import OperationalError, connection
from django.db.migrations.executor import MigrationExecutor

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
        try:
            self._migrate()
        except OperationalError as error:
            reason = str(error).strip().partition("\n")[0]
            raise CommandError(f"The database that DATABASE_URL or DB_* names cannot be used: {reason}") from None
        call_command("bootstrap")

    def _migrate(self) -> None:
        executor = MigrationExecutor(connection)
        if plan := executor.migration_plan(executor.loader.graph.leaf_nodes()):
            self.stdout.write(f"Applying {len(plan)} migrations, up to {plan[-1][0]} ...")
        # Without its own list, of which it prints the half also where there is nothing to do.
        call_command("migrate", interactive=False, skip_checks=False, verbosity=0)
