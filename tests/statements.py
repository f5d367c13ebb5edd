"""What a test needs to look below the ORM: statements counted, other connections, the server's superuser."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from django.db import connection, connections

from orgs import tenancy
from orgs.models import Organization

T = TypeVar("T")
EVENTS = """
SELECT generation, type, subject_type, owner_id, actor, request_id, facts::text
FROM events_event WHERE subject_id = %s ORDER BY generation
"""


@contextmanager
def statements() -> Iterator[list[str]]:
    """Collect the statements that this thread's connection is sent, without BEGIN and COMMIT."""
    sent: list[str] = []

    def note(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        sent.append(sql)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield sent


def rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    """Run raw SQL on this thread's connection, in whatever scope is open."""
    with connection.cursor() as cursor:
        cursor.execute(sql, params)
        return list(cursor.fetchall()) if cursor.description else []


def system_rows(sql: str, *params: Any) -> list[tuple[Any, ...]]:
    with tenancy.system():
        return rows(sql, *params)


def events_of(subject_id: object) -> list[dict[str, Any]]:
    """Return what the event log holds of a subject, by generation."""
    names = ("generation", "type", "subject_type", "owner_id", "actor", "request_id", "facts")
    return [named(names, row) for row in system_rows(EVENTS, str(subject_id))]


def audit_of(organization: Organization) -> list[dict[str, Any]]:
    """Return the organization's audit entries, oldest first."""
    names = ("action", "actor", "subject_type", "subject_id", "outcome", "address", "request_id", "detail")
    sql = f"SELECT {', '.join(names)}::text FROM audit_entry WHERE organization_id = %s ORDER BY id"
    return [named(names, row) for row in system_rows(sql, organization.id)]


def named(names: tuple[str, ...], row: tuple[Any, ...]) -> dict[str, Any]:
    """Return the row as a dictionary; its last column is JSON."""
    return dict(zip(names, (*row[:-1], json.loads(row[-1])), strict=True))


def at_once(*works: Callable[[], T]) -> list[T | Exception]:
    """Run each in a thread with a connection of its own, all let go together; return results or exceptions."""
    start = threading.Barrier(len(works))
    results: list[Any] = [None] * len(works)

    def run(number: int, work: Callable[[], T]) -> None:
        try:
            connection.ensure_connection()
            start.wait(10)
            results[number] = work()
        except Exception as error:
            results[number] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(works)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return results


def elsewhere(work: Callable[[], T]) -> T:
    """Run in another thread with a connection of its own, and wait for it."""
    (result,) = at_once(work)
    if isinstance(result, Exception):
        raise result
    return result


WAITING = """
SELECT count(*) FROM pg_locks l JOIN pg_stat_activity a USING (pid)
WHERE NOT l.granted AND a.datname = current_database()
"""


def wait_until_someone_waits() -> None:
    """Return once another connection to this database waits for a lock, such as one that this one holds."""
    ends = time.monotonic() + 10
    # Within a transaction PostgreSQL shows the connections as they were when it was first asked.
    while rows("SELECT pg_stat_clear_snapshot()") and not rows(WAITING)[0][0]:
        assert time.monotonic() < ends, "nobody waits"
