"""Calling the SQL functions of the hot paths: one statement, one round trip, tenancy set inside."""

from collections.abc import Sequence
from typing import Any

from django.db import DatabaseError, connections

# SQLSTATE of our own class HF, raised by a function, to the exception that the owning app registered.
_errors: dict[str, type[Exception]] = {}


def register_errors(errors: dict[str, type[Exception]]) -> None:
    """Map SQLSTATEs to exceptions; each is raised with the function's message. One state has one meaning."""
    for state, error in errors.items():
        if _errors.setdefault(state, error) is not error:
            raise ValueError(f"SQLSTATE {state} already stands for {_errors[state].__name__}.")


def call(statement: str, parameters: Sequence[Any]) -> tuple[Any, ...]:
    """Run one function call and return its single row. Raises what the owning app registered for its SQLSTATE."""
    row = find(statement, parameters)
    if row is None:
        raise RuntimeError(f"{statement.partition('(')[0]} returned no row")
    return row


def find(statement: str, parameters: Sequence[Any]) -> tuple[Any, ...] | None:
    """As `call`, for a function that may return no row."""
    rows = rows_of(statement, parameters)
    return rows[0] if rows else None


def rows_of(statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """As `call`, for a function that returns any number of rows."""
    try:
        return _fetch(connections["default"], statement, parameters)
    except DatabaseError as error:
        known = _errors.get(getattr(error.__cause__, "sqlstate", None) or "")
        if known is None:
            raise
        message = error.__cause__.diag.message_primary  # type: ignore[union-attr]
        raise known(message) from None


def _fetch(own: Any, statement: str, parameters: Sequence[Any]) -> list[tuple[Any, ...]]:
    """Run the statement on the driver's cursor, without the two wrappers that Django puts around it.

    They take 40 µs of the 350 of an append. What they are for is kept: whoever watches statements gets them, a broken
    transaction refuses, errors are Django's.
    """
    if own.execute_wrappers or own.queries_logged:
        with own.cursor() as cursor:
            cursor.execute(statement, parameters)
            return list(cursor.fetchall())
    own.ensure_connection()
    own.validate_no_broken_transaction()
    with own.wrap_database_errors:
        rows: list[tuple[Any, ...]] = own.create_cursor().execute(statement, parameters).fetchall()
        return rows
