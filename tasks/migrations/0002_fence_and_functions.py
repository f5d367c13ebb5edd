from django.db import migrations

from orgs.policies import fence, functions, same_organization

# Room on each page for the next version of a row, so that an append updates its task in place (HOT).
ROOM = "ALTER TABLE tasks_task SET (fillfactor = 80)"
NO_ROOM = "ALTER TABLE tasks_task RESET (fillfactor)"

# The functions enforce the transitions; this holds whatever else may update a task. Appends do not fire it.
GUARD = """
CREATE TRIGGER tasks_task_state BEFORE UPDATE OF state ON tasks_task
    FOR EACH ROW WHEN (OLD.state IS DISTINCT FROM NEW.state) EXECUTE FUNCTION tasks_guard_state();
"""
NO_GUARD = "DROP TRIGGER tasks_task_state ON tasks_task"


class Migration(migrations.Migration):
    dependencies = [("tasks", "0001_initial"), ("events", "0002_fence")]

    operations = [
        fence("tasks_context"),
        fence("tasks_task"),
        fence("tasks_message"),
        fence("tasks_artifact"),
        fence("tasks_artifactchunk"),
        same_organization("tasks_task", "context_id", "tasks_context"),
        same_organization("tasks_task", "agent_id", "orgs_agent"),
        same_organization("tasks_message", "task_id", "tasks_task"),
        same_organization("tasks_artifact", "task_id", "tasks_task"),
        same_organization("tasks_artifactchunk", "task_id", "tasks_task"),
        migrations.RunSQL(ROOM, NO_ROOM),
        functions(
            "tasks",
            "tasks_may_change",
            "tasks_documents",
            "tasks_get",
            "tasks_submit",
            "tasks_refuse",
            "tasks_append_message",
            "tasks_append_artifact",
            "tasks_change_state",
            "tasks_claim",
            "tasks_extend_lease",
        ),
        migrations.RunSQL(GUARD, NO_GUARD),
    ]
