"""Up to when the trail stands still, so that whoever follows it misses no entry that is committed late."""

from datetime import datetime

from django.db import connection

# An entry bears the time of its statement, which is not before its transaction's begin. So nothing can come any more
# from before the oldest transaction under way. A long one that has written nothing, such as a backup, holds nobody up:
# what it may still write bears a later time. A transaction of another role shows neither its begin nor its state;
# where it has written entries, nothing is known to stand still.
SETTLED = """
SELECT least(
    statement_timestamp(),
    min(a.xact_start) FILTER (
        WHERE a.backend_xid IS NOT NULL OR w.pid IS NOT NULL
           OR a.xact_start > statement_timestamp() - interval '1 minute'),
    min(timestamptz 'epoch') FILTER (
        WHERE w.pid IS NOT NULL AND a.xact_start IS NULL AND coalesce(a.state, 'disabled') = 'disabled'))
FROM pg_stat_activity a
LEFT JOIN (
    SELECT DISTINCT l.pid FROM pg_locks l
    WHERE l.relation = 'audit_entry'::regclass AND l.mode = 'RowExclusiveLock'
) w ON w.pid = a.pid
WHERE a.datname = current_database() AND a.pid <> pg_backend_pid()
"""


def settled_before() -> datetime:
    """Return the time, by the database's clock, before which no entry can appear that is not there to read now.

    To be asked outside of any scope: the serving roles see no other session. What is to be relied on is read by a
    later statement.
    """
    with connection.cursor() as cursor:
        cursor.execute(SETTLED)
        (settled,) = cursor.fetchone()
    found: datetime = settled
    return found
