"""The two serving roles, and the fence around the tables of this app and of those below it."""

from django.core.management.base import CommandError
from django.db import ProgrammingError, migrations
from django.db.backends.base.schema import BaseDatabaseSchemaEditor
from django.db.migrations.state import ProjectState
from psycopg.errors import InsufficientPrivilege

from orgs.policies import fence, functions, same_organization
from orgs.tenancy import APP_ROLE, SYSTEM_ROLE

# Roles belong to the whole server: another database may have made them, even at this moment, under another role that
# has to hand them on. From PostgreSQL 16 on the migrating role may take them without inheriting their policies.
ROLES = f"""
DO $$
DECLARE
    role_name text;
    detached text := '';
    remedy text := '';
BEGIN
    IF current_setting('server_version_num')::int >= 160000 THEN
        detached := ' WITH INHERIT FALSE, SET TRUE';
    END IF;
    FOREACH role_name IN ARRAY ARRAY['{APP_ROLE}', '{SYSTEM_ROLE}'] LOOP
        BEGIN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                BEGIN
                    EXECUTE format('CREATE ROLE %I NOLOGIN NOSUPERUSER NOBYPASSRLS NOINHERIT', role_name);
                EXCEPTION WHEN duplicate_object OR unique_violation THEN
                    NULL;
                END;
            END IF;
            IF detached <> '' THEN
                IF NOT EXISTS (
                    SELECT FROM pg_auth_members m
                    WHERE m.roleid = role_name::regrole AND m.member = current_user::regrole AND m.set_option
                ) THEN
                    EXECUTE format('GRANT %I TO CURRENT_USER', role_name) || detached;
                END IF;
            ELSIF NOT pg_has_role(current_user, role_name, 'MEMBER') THEN
                EXECUTE format('GRANT %I TO CURRENT_USER', role_name);
            END IF;
        EXCEPTION WHEN insufficient_privilege THEN
            IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = role_name) THEN
                remedy := remedy || format(' CREATE ROLE %I NOLOGIN NOINHERIT;', role_name);
            END IF;
            remedy := remedy || format(' GRANT %I TO %I', role_name, current_user) || detached || ';';
            CONTINUE;
        END;
        EXECUTE format('GRANT USAGE ON SCHEMA %I TO %I', current_schema(), role_name);
    END LOOP;
    IF remedy <> '' THEN
        RAISE insufficient_privilege USING MESSAGE = format(
            'The role %I may not take the roles that serve: run as a superuser, or as who made them:%s',
            current_user, remedy);
    END IF;
END $$;
"""


class MakeRoles(migrations.RunSQL):
    """Make the serving roles; where others must do so, end the command with what they have to run."""

    def database_forwards(
        self, app_label: str, schema_editor: BaseDatabaseSchemaEditor, from_state: ProjectState, to_state: ProjectState
    ) -> None:
        try:
            super().database_forwards(app_label, schema_editor, from_state, to_state)
        except ProgrammingError as error:
            if not isinstance(error.__cause__, InsufficientPrivilege):
                raise
            raise CommandError(error.__cause__.diag.message_primary) from None


# Users are no tenant's, but a tenant sees only its members, and never a password's hash.
USERS = f"""
ALTER TABLE accounts_user ENABLE ROW LEVEL SECURITY;
CREATE POLICY accounts_user_members ON accounts_user FOR SELECT TO {APP_ROLE}
    USING (EXISTS (SELECT FROM orgs_membership m WHERE m.user_id = accounts_user.id));
CREATE POLICY accounts_user_system ON accounts_user TO {SYSTEM_ROLE}
    USING (current_user = '{SYSTEM_ROLE}') WITH CHECK (current_user = '{SYSTEM_ROLE}');
GRANT SELECT (id, email, display_name, external_id, is_active, created_at) ON accounts_user TO {APP_ROLE};
GRANT SELECT, INSERT, UPDATE, DELETE ON accounts_user, accounts_user_groups, accounts_user_user_permissions,
    auth_group, auth_group_permissions, auth_permission, django_admin_log, django_content_type, django_session
    TO {SYSTEM_ROLE};
"""
NO_USERS = f"""
REVOKE ALL ON accounts_user, accounts_user_groups, accounts_user_user_permissions, auth_group, auth_group_permissions,
    auth_permission, django_admin_log, django_content_type, django_session FROM {SYSTEM_ROLE};
REVOKE ALL ON accounts_user FROM {APP_ROLE};
DROP POLICY accounts_user_system ON accounts_user;
DROP POLICY accounts_user_members ON accounts_user;
ALTER TABLE accounts_user DISABLE ROW LEVEL SECURITY;
"""


class Migration(migrations.Migration):
    dependencies = [
        ("orgs", "0001_initial"),
        ("accounts", "0001_initial"),
        ("api", "0001_initial"),
        ("audit", "0001_initial"),
        ("admin", "0003_logentry_add_action_flag_choices"),
        ("auth", "0012_alter_user_first_name_max_length"),
        ("contenttypes", "0002_remove_content_type_name"),
        ("sessions", "0001_initial"),
    ]

    operations = [
        MakeRoles(ROLES, migrations.RunSQL.noop),
        fence("orgs_organization", column="id"),
        fence("orgs_membership"),
        fence("orgs_agent"),
        fence("orgs_apikey"),
        same_organization("orgs_apikey", "agent_id", "orgs_agent"),
        fence("api_idempotentanswer"),
        fence("audit_entry", append_only=True),
        migrations.RunSQL(USERS, NO_USERS),
        functions("orgs", "orgs_find_key", "orgs_touch_key"),
    ]
