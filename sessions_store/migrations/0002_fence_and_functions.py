from django.db import migrations

from orgs.policies import fence, functions, same_organization

# Room on each page for the next version of a row, so that a change of state stays on its page (HOT).
ROOM = "ALTER TABLE sessions_store_session SET (fillfactor = 80)"
NO_ROOM = "ALTER TABLE sessions_store_session RESET (fillfactor)"


class Migration(migrations.Migration):
    dependencies = [("sessions_store", "0001_initial"), ("events", "0002_fence")]

    operations = [
        fence("sessions_store_session"),
        same_organization("sessions_store_session", "agent_id", "orgs_agent"),
        migrations.RunSQL(ROOM, NO_ROOM),
        functions("sessions_store", "sessions_json", "sessions_get", "sessions_replace_state"),
    ]
