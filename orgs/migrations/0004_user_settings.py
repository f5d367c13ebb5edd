"""What the serving roles may do with a user's settings, the functions that do it, and who counts a user's changes."""

from django.db import migrations

from orgs.policies import functions
from orgs.tenancy import SYSTEM_ROLE

# They are no organization's: the role that serves a tenant's requests has no right on them.
SETTINGS = f"""
ALTER TABLE accounts_usersettings ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts_usersettings FORCE ROW LEVEL SECURITY;
CREATE POLICY accounts_usersettings_system ON accounts_usersettings TO {SYSTEM_ROLE}
    USING (current_user = '{SYSTEM_ROLE}') WITH CHECK (current_user = '{SYSTEM_ROLE}');
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts_usersettings TO {SYSTEM_ROLE};
"""
NO_SETTINGS = f"""
REVOKE ALL ON accounts_usersettings FROM {SYSTEM_ROLE};
DROP POLICY accounts_usersettings_system ON accounts_usersettings;
ALTER TABLE accounts_usersettings NO FORCE ROW LEVEL SECURITY;
ALTER TABLE accounts_usersettings DISABLE ROW LEVEL SECURITY;
"""
COUNT = """
CREATE TRIGGER accounts_user_count_change BEFORE UPDATE ON accounts_user
    FOR EACH ROW EXECUTE FUNCTION accounts_count_change();
"""
NO_COUNT = "DROP TRIGGER accounts_user_count_change ON accounts_user"


class Migration(migrations.Migration):
    dependencies = [("orgs", "0003_agent_card"), ("accounts", "0002_settings_and_preferences")]

    operations = [
        migrations.RunSQL(SETTINGS, NO_SETTINGS),
        functions(
            "accounts",
            "accounts_find_user",
            "accounts_load_settings",
            "accounts_store_settings",
            "accounts_count_change",
        ),
        migrations.RunSQL(COUNT, NO_COUNT),
    ]
