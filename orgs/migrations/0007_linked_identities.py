"""What issuers call users is for the system role alone: it finds the bearer of a token, and serves the console."""

from django.db import migrations

from orgs.policies import functions
from orgs.tenancy import SYSTEM_ROLE

IDENTITIES = f"""
ALTER TABLE accounts_linkedidentity ENABLE ROW LEVEL SECURITY;
CREATE POLICY accounts_linkedidentity_system ON accounts_linkedidentity TO {SYSTEM_ROLE}
    USING (current_user = '{SYSTEM_ROLE}') WITH CHECK (current_user = '{SYSTEM_ROLE}');
GRANT SELECT, INSERT, DELETE ON accounts_linkedidentity TO {SYSTEM_ROLE};
"""
NO_IDENTITIES = f"""
REVOKE ALL ON accounts_linkedidentity FROM {SYSTEM_ROLE};
DROP POLICY accounts_linkedidentity_system ON accounts_linkedidentity;
ALTER TABLE accounts_linkedidentity DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0006_invitations"), ("accounts", "0004_linked_identities")]

    operations = [
        migrations.RunSQL(IDENTITIES, NO_IDENTITIES),
        functions("orgs", "orgs_find_bearer"),
    ]
