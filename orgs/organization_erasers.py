"""What erases an organization's rows, table by table: each app registers its own once it is ready.

Nothing is loaded into Python: rows of one organization may be many and large. An eraser takes a few of them at a time
and is called again until it says that it is over, in a short transaction of the system role each time; it may be called
from the start again at any time, and by another process.
"""

import uuid
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from django.db import connection


class HeldUp(Exception):
    """Raised by an eraser that cannot go on at this moment: it is called again in the next round."""


# The order in which things go: what refers before what is referred to. The organization's own row goes at its number.
WORK, IDENTITY, ORGANIZATION, EVENTS, ANSWERS, CONSOLE, TRAIL = 100, 200, 300, 400, 500, 600, 700


@dataclass(frozen=True)
class Step:
    """What one call erased, by table. `position` is handed to the next one."""

    counts: dict[str, int]
    over: bool
    position: int = 0


# Rows are named by where they stand, so one that is changed at this moment is left for the next call.
TAKE = "DELETE FROM {table} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {table} WHERE {condition} LIMIT %s))"
# Organization, about how many rows at most, position.
Erase = Callable[[uuid.UUID, int, int], Step]


@dataclass(frozen=True)
class Eraser:
    name: str
    erase: Erase
    order: int
    # Those whose every row of the organization is gone when it is over.
    tables: tuple[str, ...]


_erasers: dict[str, Eraser] = {}


def register(name: str, erase: Erase, *, order: int, tables: Iterable[str] = ()) -> None:
    """Have `erase` called when an organization is deleted. One for what is no table, such as a cache, names none.

    Rows that refer to the organization, or to what does, go before ORGANIZATION. After it goes what no reference
    protects: by then nobody writes any more.
    """
    _erasers[name] = Eraser(name, erase, order, tuple(tables))


def register_table(table: str, *, order: int) -> None:
    """Register the eraser of a table that has an index which begins with its organization, or is small."""
    register(table, rows_of(table), order=order, tables=[table])


def erasers(*, after_organization: bool) -> list[Eraser]:
    """Return those that come before or after the organization's own row, in their order."""
    chosen = [eraser for eraser in _erasers.values() if (eraser.order > ORGANIZATION) == after_organization]
    return sorted(chosen, key=lambda eraser: (eraser.order, eraser.name))


def rows_of(table: str, condition: str = "organization_id = %s") -> Erase:
    """Return what erases the rows of a table that meet the condition on the organization's id."""
    statement = TAKE.format(table=table, condition=condition)

    def erase(organization_id: uuid.UUID, most: int, position: int) -> Step:
        gone = run(statement, organization_id, most)
        return Step({table: gone}, over=not gone)

    return erase


def run(statement: str, *parameters: Any) -> int:
    """Run one statement and return how many rows it took."""
    with connection.cursor() as cursor:
        cursor.execute(statement, parameters)
        return int(cursor.rowcount)
