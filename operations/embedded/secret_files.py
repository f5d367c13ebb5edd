"""Secrets that an installation makes for itself, once, under `VAR/secrets`."""
# ruff: noqa: S105  (these are the names of the files)

import os
import secrets
from pathlib import Path

from operations.embedded.errors import CannotStart
from operations.embedded.paths import Var, sync

SECRET_KEY = "secret_key"
POSTGRES_PASSWORD = "postgres_password"
POSTGRES_SUPERUSER_PASSWORD = "postgres_superuser_password"
REDIS_PASSWORD = "redis_password"

_ALL = (SECRET_KEY, POSTGRES_PASSWORD, POSTGRES_SUPERUSER_PASSWORD, REDIS_PASSWORD)

# What an existing database loses with the file: a fresh value would only hide that.
_LOST_WITHOUT = {
    POSTGRES_PASSWORD: "{database} cannot be opened without it: put the file back from your backup.",
    SECRET_KEY: (
        "answers that {database} keeps for repeated calls, and cursors, cannot be read without it: "
        "put the file back from your backup, or give them up with `openssl rand -hex 32 > {file}`."
    ),
}


def make_secrets(var: Var) -> None:
    """Make those that are missing. To be called before the database is made, which some of them belong to."""
    for name in _ALL:
        secret(var, name)


def secret(var: Var, name: str) -> str:
    """Answer the secret of that name, making it first when there is none."""
    path = var.secrets / name
    if not path.exists():
        _refuse_a_second_value(var, name)
        _make_once(path)
    return path.read_text().strip()


def _refuse_a_second_value(var: Var, name: str) -> None:
    if name in _LOST_WITHOUT and (var.postgres / "PG_VERSION").exists():
        file = var.secrets / name
        raise CannotStart(f"{file} is missing, and {_LOST_WITHOUT[name].format(database=var.postgres, file=file)}")


def _make_once(path: Path) -> None:
    """Give the file its content and its name in one step: two processes end with one value, a crash with none."""
    draft = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w") as file:
        # Hexadecimal needs no quoting in a URL, in SQL or in Valkey's configuration.
        file.write(secrets.token_hex(32))
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, path)
    except FileExistsError:
        pass  # Another process was first; its value counts.
    finally:
        draft.unlink()
    sync(path.parent)
