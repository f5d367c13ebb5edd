"""How an organization's events are erased.

They have no index by organization, which every append would pay for. So the log is gone through once, from the
organization's first event on, some numbers at a time.
"""

import uuid

from django.db import connection

from orgs.organization_erasers import Step, run

# Numbers looked at for each row that may go: most are of others.
NUMBERS_A_ROW = 10
BOUNDS = """
SELECT coalesce((SELECT id - 1 FROM events_event WHERE subject_id = %s AND generation = 1), 0),
       coalesce((SELECT max(id) FROM events_event), 0)
"""
TAKE = "DELETE FROM events_event WHERE id > %s AND id <= %s AND organization_id = %s"


def erase(organization_id: uuid.UUID, most: int, position: int) -> Step:
    """Erase what stands behind `position`, the number of the last event that was looked at."""
    with connection.cursor() as cursor:
        cursor.execute(BOUNDS, [organization_id])
        first, last = cursor.fetchone()
    begin = max(position, first)
    end = begin + most * NUMBERS_A_ROW
    return Step({"events_event": run(TAKE, begin, end, organization_id)}, over=end >= last, position=end)
