"""Other roles and other processes on the database that the tests run on."""

import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from django.db import connection, connections

from operations.embedded.paths import Var
from operations.embedded.postgres import SUPERUSER, Postgres
from operations.embedded.secret_files import POSTGRES_SUPERUSER_PASSWORD, secret

CHECKOUT = Path(__file__).resolve().parents[2]


def superuser_password() -> str:
    """Return the password of the embedded server's superuser; skip the test where the server is not our own."""
    port = int(connection.settings_dict["PORT"])
    var = Var(Path(os.environ.get("VAR", "var")))
    if Postgres(var).published() == port:
        return secret(var, POSTGRES_SUPERUSER_PASSWORD)
    pytest.skip("the tests run on a server whose superuser they do not know")


@contextmanager
def connected_as(user: str, password: str) -> Iterator[str]:
    """Yield a database alias under which Django connects as this role."""
    alias = f"as_{user}_{secrets.token_hex(4)}"  # blocks may nest
    connections.databases[alias] = connection.settings_dict | {"USER": user, "PASSWORD": password}
    try:
        yield alias
    finally:
        connections[alias].close()
        del connections[alias], connections.databases[alias]


@contextmanager
def connected_to(database: str) -> Iterator[str]:
    """Yield a database alias under which Django connects to another database of the same server."""
    connections.databases[database] = connection.settings_dict | {"NAME": database}
    try:
        yield database
    finally:
        connections[database].close()
        del connections[database], connections.databases[database]


@contextmanager
def superuser() -> Iterator[str]:
    with connected_as(SUPERUSER, superuser_password()) as alias:
        yield alias


@contextmanager
def role(options: str) -> Iterator[tuple[str, str]]:
    """Make a role that may sign in, with further options, for the length of the block; yield name and password."""
    name, password = f"test_{secrets.token_hex(6)}", secrets.token_hex(16)
    with superuser() as alias, connections[alias].cursor() as cursor:
        cursor.execute(f"CREATE ROLE {name} LOGIN PASSWORD '{password}' {options}")
        try:
            yield name, password
        finally:
            cursor.execute(f"DROP ROLE {name}")


@contextmanager
def empty_database(owner: str = "", *, alias: str = "default") -> Iterator[str]:
    """Make a database for the length of the block, of the tests' role unless another is named; yield its name."""
    name = f"test_{secrets.token_hex(6)}"
    with connections[alias].cursor() as cursor:
        cursor.execute(f"CREATE DATABASE {name} OWNER {owner or connection.settings_dict['USER']}")
        try:
            yield name
        finally:
            cursor.execute(f"DROP DATABASE {name} WITH (FORCE)")


def service_environ(*, user: str = "", password: str = "", port: int = 0, database: str = "") -> dict[str, str]:
    """Return the environment of another process of the service, on this test database unless another is named."""
    own = connection.settings_dict
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("DB_", "DATABASE_"))}
    sign_in = f"{user or own['USER']}:{password or own['PASSWORD']}"
    url = f"postgresql://{sign_in}@{own['HOST']}:{port or own['PORT']}/{database or own['NAME']}"
    return environ | {"DATABASE_URL": url, "DJANGO_SETTINGS_MODULE": "config.settings", "PYTHONPATH": str(CHECKOUT)}


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
    return port


def listens(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
