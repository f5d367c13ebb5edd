"""What the system role may do with erasures. They are no organization's: a tenant's role has no right on them."""

from django.db import migrations

from orgs.tenancy import SYSTEM_ROLE

ERASURES = f"""
ALTER TABLE accounts_erasure ENABLE ROW LEVEL SECURITY;
ALTER TABLE accounts_erasure FORCE ROW LEVEL SECURITY;
CREATE POLICY accounts_erasure_system ON accounts_erasure TO {SYSTEM_ROLE}
    USING (current_user = '{SYSTEM_ROLE}') WITH CHECK (current_user = '{SYSTEM_ROLE}');
GRANT SELECT, INSERT, UPDATE ON accounts_erasure TO {SYSTEM_ROLE};
"""
NO_ERASURES = f"""
REVOKE ALL ON accounts_erasure FROM {SYSTEM_ROLE};
DROP POLICY accounts_erasure_system ON accounts_erasure;
ALTER TABLE accounts_erasure NO FORCE ROW LEVEL SECURITY;
ALTER TABLE accounts_erasure DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [("orgs", "0009_life_of_an_organization"), ("accounts", "0005_erasure")]

    operations = [migrations.RunSQL(ERASURES, NO_ERASURES)]
