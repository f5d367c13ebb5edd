"""PostgreSQL from the wheel: how its data folder is made, how it is run, and whether it answers."""

import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

import psycopg

from operations.embedded import secret_files
from operations.embedded.accounts import Account, account_for, hand_over
from operations.embedded.binaries import Binaries, binaries_for, launcher
from operations.embedded.engine import Engine, Progress, holding, tethered_to_us
from operations.embedded.errors import CannotStart
from operations.embedded.launch import end_orphans
from operations.embedded.locks import in_use
from operations.embedded.paths import sync
from operations.embedded.secret_files import secret

SUPERUSER = "holdfast_superuser"
ROLE = "holdfast"
DATABASE = "holdfast"

# There is no socket file, and nobody is trusted: every local account can reach the port.
_HBA = "host all all 127.0.0.1/32 scram-sha-256\n"

# Written to postgresql.conf, where an operator may change them.
_DEFAULTS = {
    "max_connections": "200",
    "shared_buffers": "128MB",
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    # An error in a statement is told to the client; in a log it would only show the client's data.
    "log_min_messages": "log",
    "log_min_error_statement": "panic",
    "log_checkpoints": "off",
}

# What Holdfast needs, whatever postgresql.conf says.
_FIXED = ("port={port}", "listen_addresses=127.0.0.1", "unix_socket_directories=", "logging_collector=off")


@dataclass(frozen=True)
class Postgres(Engine):
    name = "PostgreSQL"
    key = "postgres"
    variable = "DATABASE_URL"
    stop_signal = signal.SIGINT  # The fast shutdown: clients are cut off, everything is written.

    @property
    def pid_file(self) -> Path:
        return self.directory / "postmaster.pid"

    def prepare(self, progress: Progress) -> None:
        account = account_for(self.directory)
        if not (self.directory / "PG_VERSION").exists():
            progress("Creating the PostgreSQL database")
            self._create(account, binaries_for(account))
        hand_over(self.directory, account)

    def arguments(self, binaries: Binaries) -> list[str]:
        settings = [word for setting in _FIXED for word in ("-c", setting)]
        return [str(binaries.postgres), "-D", "{directory}", *settings]

    def answers(self, port: int) -> bool:
        try:
            with psycopg.connect(self.url(port), connect_timeout=5):
                return True
        except psycopg.OperationalError as problem:
            if "authentication failed" in str(problem):
                raise CannotStart(
                    f"PostgreSQL does not accept the password in {self.var.secrets / secret_files.POSTGRES_PASSWORD}: "
                    "put the file back that belongs to this database."
                ) from problem
            return False

    def url(self, port: int) -> str:
        password = secret(self.var, secret_files.POSTGRES_PASSWORD)
        return f"postgresql://{ROLE}:{password}@127.0.0.1:{port}/{DATABASE}"

    def _create(self, account: Account | None, binaries: Binaries) -> None:
        """Build the database in a folder beside, and give it its name once all of it is on disk.

        A crash at any point leaves a draft that the next start throws away.
        """
        if self.directory.exists() and any(self.directory.iterdir()):
            raise CannotStart(f"{self.directory} holds files but no PostgreSQL database: move them away.")
        draft = _empty_folder(self.var.root / "postgres.new")
        hand_over(draft, account)
        initdb = [str(binaries.initdb), "-D", "{directory}"]
        _run(draft, account, [*initdb, "--no-sync", *_initdb_options()])
        _run(draft, account, [str(binaries.postgres), "--single", "-F", "-D", "{directory}", "postgres"], self._roles())
        _write_hba(draft / "pg_hba.conf", account)
        _run(draft, account, [*initdb, "--sync-only"])
        draft.rename(self.directory)
        sync(self.var.root)

    def _roles(self) -> str:
        """Answer the statements for the roles, one a line, as PostgreSQL's single-user mode reads them.

        That mode takes them from its standard input before the server ever listens, so no password is in an argument,
        and no file has to be readable for the server's account.
        """
        password = secret(self.var, secret_files.POSTGRES_PASSWORD)
        superuser_password = secret(self.var, secret_files.POSTGRES_SUPERUSER_PASSWORD)
        return (
            f"ALTER ROLE {SUPERUSER} PASSWORD '{superuser_password}'\n"
            f"CREATE ROLE {ROLE} LOGIN CREATEROLE CREATEDB PASSWORD '{password}'\n"
            f"CREATE DATABASE {DATABASE} OWNER {ROLE}\n"
        )


def _initdb_options() -> list[str]:
    # The build has no ICU; PostgreSQL's own C.UTF-8 sorts alike on every machine.
    locale = ["--encoding=UTF8", "--no-locale", "--locale-provider=builtin", "--builtin-locale=C.UTF-8"]
    defaults = [word for name, value in _DEFAULTS.items() for word in ("-c", f"{name}={value}")]
    # Nobody gets in before our own pg_hba.conf is there.
    return ["--username", SUPERUSER, "--auth=reject", "--no-instructions", *locale, *defaults]


def _empty_folder(path: Path) -> Path:
    # What a killed initdb forked lives on for a moment, and writes.
    while in_use(path):
        end_orphans(str(path))
        time.sleep(0.02)
    if path.exists():
        shutil.rmtree(path)
    path.mkdir(mode=0o700)
    return path


def _run(directory: Path, account: Account | None, command: list[str], statements: str = "") -> None:
    """Run one step in the folder as the account; raise CannotStart with what it said if it fails."""
    step = launcher(*tethered_to_us(signal.SIGKILL), *holding(directory, account), "--", *command)
    done = subprocess.run(
        step, input=statements, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False,
        process_group=0,
    )  # fmt: skip
    # The single-user mode exits with 0 after an error in a statement.
    complaints = [line for line in done.stdout.splitlines() if "ERROR:" in line or "FATAL:" in line or "error:" in line]
    if done.returncode or complaints:
        raise CannotStart(f"Creating the PostgreSQL database failed: {' '.join(complaints) or done.stdout.strip()}")


def _write_hba(path: Path, account: Account | None) -> None:
    path.write_text(_HBA)
    path.chmod(0o600)
    if account:
        os.chown(path, account.uid, account.gid)
