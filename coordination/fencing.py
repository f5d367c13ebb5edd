"""The protected write: a row remembers the greatest fencing number it was written with, and refuses smaller ones.

A holder whose lock is over cannot know it, whatever the clocks say; the row does, as soon as a later holder has written
to it. A write without a number is not looked at: who protects a row sends the number with every write of it.

A number that no lock can have yet is refused: one write with the greatest of all would bar every real one for good.
"""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta

from django.db import models
from django.http import HttpRequest
from django.utils import timezone

from api.headers import Header
from api.requests import InvalidHeader
from coordination.locks import EPOCHS_A_SECOND, EPOCHS_BEGIN
from orgs import tenancy

HEADER = "Holdfast-Fencing-Number"
MOST = 2**53 - 1
# Of each epoch, as coordination/scripts/lock_acquire.lua counts.
NUMBERS_AN_EPOCH = 2**16
# By how much a clock may differ from that of PostgreSQL, and epochs be ahead of it: each server and each organization
# that draws one takes them on by one, and the clock by EPOCHS_A_SECOND.
AHEAD = timedelta(days=1)
FENCING_NUMBER = Header(
    HEADER,
    "The fencing number of the lock that the write is made under; refused with 409 `fencing-number-stale` where a "
    "greater one has written since, and with 400 `invalid-header` where no lock can have it yet.",
    {"type": "integer", "minimum": 1, "maximum": MOST},
)


class FencingNumberStale(Exception):
    """Raised when a write carries a smaller fencing number than one that wrote before: its lock is over."""


class Fenced(models.Model):
    """A row that may be written under a lock. No check constraint: adding one would read the whole table."""

    fencing_number = models.BigIntegerField(db_default=0, editable=False)

    class Meta:
        abstract = True


def most_at(now: datetime) -> int:
    """Return the greatest number that a lock can have by then, with a day to spare."""
    epoch = int((now + AHEAD - EPOCHS_BEGIN).total_seconds() * EPOCHS_A_SECOND)
    return min(MOST, (epoch + 1) * NUMBERS_AN_EPOCH - 1)


def find_number(request: HttpRequest, *, now: datetime | None = None) -> int | None:
    """Return the request's fencing number, or None; raises InvalidHeader for what is none, or is none yet."""
    given = request.META.get("HTTP_HOLDFAST_FENCING_NUMBER")
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 20 and 0 < int(given) <= MOST):
        raise InvalidHeader(f"{HEADER} must be the number that acquiring the lock gave.")
    if int(given) > most_at(now or timezone.now()):
        raise InvalidHeader(f"{HEADER} is a number that no lock can have yet.")
    return int(given)


@contextmanager
def fenced(organization_id: uuid.UUID, model: type[Fenced], row_id: uuid.UUID, number: int | None) -> Iterator[None]:
    """Make the writes of the block under the number, in one transaction that opens here; without one, change nothing.

    The row stays locked until the block's end, so that no greater number passes between the look and the write. When
    the write is refused for another reason, the number is forgotten with it. Neither generation nor event come of the
    number alone. Raises FencingNumberStale, and the model's DoesNotExist.
    """
    if number is None:
        yield
        return
    with tenancy.organization(organization_id):
        rows = model._default_manager.filter(pk=row_id)
        if not rows.filter(fencing_number__lte=number).update(fencing_number=number):
            raise FencingNumberStale(f"It was written with the greater number {_greatest(rows)}.")
        yield


def _greatest(rows: "models.QuerySet[Fenced]") -> int:
    greatest: int = rows.values_list("fencing_number", flat=True).get()
    return greatest
