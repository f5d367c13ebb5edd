"""The console's own tables: for the system role, which serves it, and nothing of them for the API's."""

from django.db import migrations

from orgs.tenancy import SYSTEM_ROLE

TABLES = "accounts_consolesession, accounts_failurecount, accounts_totpdevice, accounts_backupcode"


class Migration(migrations.Migration):
    dependencies = [("orgs", "0004_user_settings"), ("accounts", "0003_sign_in")]

    operations = [
        migrations.RunSQL(
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON {TABLES} TO {SYSTEM_ROLE}",
            f"REVOKE ALL ON {TABLES} FROM {SYSTEM_ROLE}",
        ),
    ]
