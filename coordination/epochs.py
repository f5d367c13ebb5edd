"""The epochs that fencing numbers begin with, drawn from PostgreSQL; see coordination/scripts/lock_acquire.lua."""

from concurrent.futures import ThreadPoolExecutor

from django.db import connection

from coordination.locks import EPOCHS_A_SECOND, EPOCHS_BEGIN
from orgs import tenancy

# At least what the clock says: a row that is restored from an older backup, or lost, does not repeat an epoch. (Had
# the clock one epoch a second, a thousand organizations that draw after a flush would leave it behind for a while.)
RISE = """
INSERT INTO coordination_fencingepoch AS current (id, epoch)
VALUES (1, greatest(%(least)s, floor(extract(epoch FROM clock_timestamp() - %(begin)s) * %(rate)s)::bigint))
ON CONFLICT (id) DO UPDATE SET epoch = greatest(current.epoch + 1, excluded.epoch)
RETURNING epoch
"""


def next_epoch(least: int) -> int:
    """Return an epoch of at least `least` that was never returned before; raises Django's OperationalError.

    On a connection of its own, and committed when this returns: the caller may be in a transaction, which may be
    rolled back after the epoch was used. It is drawn once in the life of a Valkey for each organization.
    """
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="fencing-epoch") as thread:
        return thread.submit(_rise, least).result()


def _rise(least: int) -> int:
    try:
        with tenancy.system(), connection.cursor() as cursor:
            cursor.execute(RISE, {"least": least, "begin": EPOCHS_BEGIN, "rate": EPOCHS_A_SECOND})
            epoch: int = cursor.fetchone()[0]
        return epoch
    finally:
        connection.close()
