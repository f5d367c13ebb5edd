"""How an organization's tasks are erased: a hundred at a time, their parts before them."""

import uuid

from django.db import connection

from orgs.deletion import Step, run

# Found by their task: they have no index by organization, which every append would pay for.
PARTS = ("tasks_artifactchunk", "tasks_artifact", "tasks_message")
TABLES = (*PARTS, "tasks_task")
TASKS_AT_ONCE = 100
NEXT = "SELECT id FROM tasks_task WHERE organization_id = %s ORDER BY id LIMIT %s"
TAKE_PARTS = "DELETE FROM {0} WHERE ctid = ANY (ARRAY(SELECT ctid FROM {0} WHERE task_id = ANY (%s) LIMIT %s))"


def erase(organization_id: uuid.UUID, most: int, position: int) -> Step:
    with connection.cursor() as cursor:
        cursor.execute(NEXT, [organization_id, TASKS_AT_ONCE])
        tasks = [task_id for (task_id,) in cursor.fetchall()]
    for table in PARTS:
        if gone := run(TAKE_PARTS.format(table), tasks, most):
            return Step({table: gone}, over=False)
    return Step({"tasks_task": run("DELETE FROM tasks_task WHERE id = ANY (%s)", tasks)}, over=not tasks)
