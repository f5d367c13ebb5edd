"""What the service holds of a person: each app registers its part from `AppConfig.ready`, for exports and erasures.

A column that may hold a user's id is claimed by one holding, also where it is kept: a test fails for one that is not.
"""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

BATCH = 500
# Erases one batch of what the user has, inside the open system scope, in the name of an actor; returns how many rows of
# each kind went, and nothing once nothing is left.
Erase = Callable[[uuid.UUID, str], dict[str, int]]


@dataclass(frozen=True)
class Lines:
    """The rows of a table that an export writes into one file, each as a JSON object on its line.

    SQL, because a json column leaves the database as the text it was stored as, while no row is ever parsed here.
    `condition` finds the rows of the person `%(user)s`; `key` is unique, and among the columns. One statement looks at
    `batch` rows, and gives as many of them as memory is to hold at once. Rows that are no organization's are
    `tenant=False`; of one row at most the `suffix` is json.
    """

    name: str
    table: str
    columns: str
    condition: str
    key: tuple[str, ...] = ("id",)
    tenant: bool = True
    batch: int = BATCH
    suffix: str = "jsonl"


@dataclass(frozen=True)
class Holding:
    """What one app holds of a person: where their id stands, what an export has of it, how it is erased.

    `claims` names columns as `app.Model.attribute`. `kept` says what an erasure leaves, and why; receipts repeat it.
    """

    name: str
    claims: tuple[str, ...]
    lines: tuple[Lines, ...] = ()
    erase: Erase | None = None
    kept: Mapping[str, str] = field(default_factory=dict)


_holdings: dict[str, Holding] = {}


def register(holding: Holding) -> None:
    """Add what an app holds. One name has one holding."""
    if _holdings.setdefault(holding.name, holding) is not holding:
        raise ValueError(f"There is a holding {holding.name} already.")


def holdings() -> tuple[Holding, ...]:
    return tuple(_holdings.values())


def kept() -> list[dict[str, str]]:
    """Return what stays of a person who was erased, and why."""
    return [{"what": what, "why": why} for holding in holdings() for what, why in holding.kept.items()]


def delete_batch(rows: QuerySet[Any], limit: int = BATCH) -> int:
    """Delete up to `limit` of these rows and return how many went."""
    ids = list(rows.order_by("pk").values_list("pk", flat=True)[:limit])
    rows.model._default_manager.filter(pk__in=ids).delete()
    return len(ids)
