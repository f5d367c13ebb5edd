"""Run the statements of the stores, on connections of our own or on one that the caller has opened.

A statement stands once, beside its app, with `%s` for its parameters; Django's cursor takes it too. Needs no Django
that is configured, and imports no SQLAlchemy: what was not installed was not given either.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any, Protocol

import psycopg
from django.conf import settings
from psycopg.rows import tuple_row

from api.addresses import PATIENCE, Addresses, parse_database_url
from api.pools import Address, PoolExhausted, pool_for

# What Django or its pool reads, and libpq does not know.
OF_DJANGO = {"server_side_binding", "isolation_level", "assume_role", "pool", "prepare_threshold", "cursor_factory"}
NAMES = {"HOST": "host", "PORT": "port", "NAME": "dbname", "USER": "user", "PASSWORD": "password"}
# SQLSTATEs, or the classes of them, of a server that is away, stops, starts, or has no room for one more connection.
AWAY = ("08", "57P", "53300")


class StoreUnavailable(Exception):
    """Raised when the database cannot be reached, or ends the connection; whether a write was made is then unknown."""


class Executor(Protocol):
    async def rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        """Run one statement and return its rows; raises StoreUnavailable."""


class Pooled:
    """Each statement on a connection of the pool, as a transaction of its own."""

    def __init__(self, database_url: str | None = None) -> None:
        self._url = database_url

    async def rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with _reached():
            async with pool_for(find_address(self._url)).connection() as connection:
                return await _run(connection, statement, parameters)


class OnPsycopg:
    """On a psycopg connection of the caller, in the transaction that it may be in."""

    def __init__(self, connection: psycopg.AsyncConnection) -> None:
        self._connection = connection

    async def rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with _reached():
            return await _run(self._connection, statement, parameters)


class OnSQLAlchemy:
    """On an AsyncSession or an AsyncConnection of the caller, in its transaction, over whichever driver it has."""

    def __init__(self, session: Any) -> None:
        self._session = session

    async def rows(self, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
        with _reached():
            session = self._session
            connection = session if hasattr(session, "exec_driver_sql") else await session.connection()
            if connection.dialect.paramstyle.startswith("numeric"):
                statement = _numbered(statement)
            result = await connection.exec_driver_sql(statement, tuple(parameters))
            return [tuple(row) for row in result]


def executor_for(connection: Any = None, *, database_url: str | None = None) -> Executor:
    """Return what runs statements on this connection, or on our own where there is none."""
    if connection is None:
        return Pooled(database_url)
    if database_url is not None:
        raise TypeError("Give a connection or a database_url, not both.")
    if isinstance(connection, psycopg.AsyncConnection):
        return OnPsycopg(connection)
    if hasattr(connection, "exec_driver_sql") or hasattr(connection, "connection"):
        return OnSQLAlchemy(connection)
    raise TypeError(
        "Give a psycopg AsyncConnection, a SQLAlchemy AsyncSession or AsyncConnection, or None; "
        f"not {type(connection).__name__}."
    )


def find_address(database_url: str | None = None) -> Address:
    """Return how to connect: to the URL, else where a configured Django does, else where the environment says.

    Raises BadSetting where nothing names a database.
    """
    if database_url is not None:
        found: Mapping[str, Any] = parse_database_url(database_url)
    elif settings.configured or os.environ.get("DJANGO_SETTINGS_MODULE"):
        found = settings.DATABASES["default"]
    else:
        found = Addresses().database()
    options = PATIENCE | {name: value for name, value in found.get("OPTIONS", {}).items() if name not in OF_DJANGO}
    parts = {name: found.get(key) for key, name in NAMES.items()}
    return tuple(sorted((options | {name: value for name, value in parts.items() if value}).items()))


async def _run(connection: psycopg.AsyncConnection, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    # Of our own kind: the connection's cursors may make dictionaries of rows.
    async with psycopg.AsyncCursor(connection, row_factory=tuple_row) as cursor:
        await cursor.execute(statement, parameters)
        return list(await cursor.fetchall())


def _numbered(statement: str) -> str:
    numbers = count(1)
    first, *rest = statement.split("%s")
    return first + "".join(f"${next(numbers)}{part}" for part in rest)


@contextmanager
def _reached() -> Iterator[None]:
    """Turn what says that the server is away into StoreUnavailable, whichever driver says it."""
    try:
        yield
    except (OSError, PoolExhausted) as error:
        raise StoreUnavailable(f"The database cannot be reached: {error}") from error
    except Exception as error:
        if not _says_away(error):
            raise
        reason = str(error).strip().partition("\n")[0]
        raise StoreUnavailable(f"The database cannot be reached: {reason}") from error


def _says_away(error: Exception) -> bool:
    """Look at psycopg's error, or at the one that SQLAlchemy has wrapped."""
    if getattr(error, "connection_invalidated", False):
        return True
    cause = getattr(error, "orig", None) or error
    state = getattr(cause, "sqlstate", None)
    if state is None:
        # It never came to a server that would name a state.
        return isinstance(cause, psycopg.OperationalError)
    return str(state).startswith(AWAY)
