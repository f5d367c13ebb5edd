"""Migration operations that fence a tenant table, and the SQL of the hot paths."""

from pathlib import Path

from django.db import migrations

from orgs.tenancy import APP_ROLE, SETTING, SYSTEM_ROLE

# After a commit the setting is '' rather than NULL, and ''::uuid is an error: hence nullif.
CURRENT_ORGANIZATION = f"nullif(current_setting('{SETTING}', true), '')::uuid"

FENCE = """
ALTER TABLE {table} ENABLE ROW LEVEL SECURITY;
ALTER TABLE {table} FORCE ROW LEVEL SECURITY;
CREATE POLICY {table}_organization ON {table} TO {app}
    USING ({column} = {current}) WITH CHECK ({column} = {current});
CREATE POLICY {table}_system ON {table} TO {system}
    USING (current_user = '{system}') WITH CHECK (current_user = '{system}');
GRANT {verbs} ON {table} TO {app}, {system};
"""
UNFENCE = """
REVOKE ALL ON {table} FROM {app}, {system};
DROP POLICY {table}_system ON {table};
DROP POLICY {table}_organization ON {table};
ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY;
ALTER TABLE {table} DISABLE ROW LEVEL SECURITY;
"""
ERASABLE = """
GRANT DELETE ON {table} TO {system};
CREATE POLICY {table}_erasable ON {table} AS RESTRICTIVE FOR DELETE TO {system}
    USING (organization_id IS NOT NULL
           AND NOT EXISTS (SELECT FROM orgs_organization o WHERE o.id = {table}.organization_id));
"""
UNERASABLE = """
DROP POLICY {table}_erasable ON {table};
REVOKE DELETE ON {table} FROM {system};
"""
NEEDED = """
CREATE POLICY {table}_needed ON {table} AS RESTRICTIVE FOR INSERT TO {app}
    WITH CHECK (EXISTS (SELECT FROM orgs_organization o WHERE o.id = {table}.organization_id));
"""
UNNEEDED = "DROP POLICY {table}_needed ON {table}"

NARROW = """
REVOKE INSERT, UPDATE, DELETE ON {table} FROM {app};
GRANT {rights} ON {table} TO {app};
"""
WIDE = """
REVOKE UPDATE ON {table} FROM {app};
GRANT INSERT, UPDATE, DELETE ON {table} TO {app};
"""


def fence(table: str, *, column: str = "organization_id", append_only: bool = False) -> migrations.RunSQL:
    """Return the operation that puts `table` behind row-level security for both serving roles.

    The system policy asks for `current_user` itself: on PostgreSQL 15 a login role that inherits from
    `holdfast_system` would otherwise pass it without having taken the role.
    """
    words = {
        "table": table,
        "column": column,
        "app": APP_ROLE,
        "system": SYSTEM_ROLE,
        "current": CURRENT_ORGANIZATION,
        "verbs": "SELECT, INSERT" if append_only else "SELECT, INSERT, UPDATE, DELETE",
    }
    return migrations.RunSQL(FENCE.format(**words), UNFENCE.format(**words))


def erasable(table: str) -> migrations.RunSQL:
    """Return the operation that lets the system role delete from an append-only table what a deleted organization left.

    While the organization's row is there, and where a row has none, nothing can be deleted.
    """
    words = {"table": table, "system": SYSTEM_ROLE}
    return migrations.RunSQL(ERASABLE.format(**words), UNERASABLE.format(**words))


def needs_organization(table: str) -> migrations.RunSQL:
    """Return the operation that refuses a tenant's new row once its organization is gone, where no reference does."""
    words = {"table": table, "app": APP_ROLE}
    return migrations.RunSQL(NEEDED.format(**words), UNNEEDED.format(**words))


def narrow(table: str, *, verbs: tuple[str, ...], columns: tuple[str, ...]) -> migrations.RunSQL:
    """Return the operation that leaves a tenant of a fenced table these verbs and the change of these columns alone."""
    named = ", ".join(columns)
    words = {"table": table, "app": APP_ROLE, "rights": ", ".join([*verbs, f"UPDATE ({named})"])}
    return migrations.RunSQL(NARROW.format(**words), WIDE.format(**words))


def same_organization(table: str, column: str, target: str, target_column: str = "id") -> migrations.RunSQL:
    """Return the operation that makes `table.column` refer to a row of `target` in the same organization.

    Foreign keys look past row-level security: one on the id alone would admit another organization's row. `target`
    needs a unique constraint on (organization_id, id).
    """
    name = f"{table}_{column}_same_organization"
    return migrations.RunSQL(
        f"ALTER TABLE {table} ADD CONSTRAINT {name} FOREIGN KEY (organization_id, {column})"
        f" REFERENCES {target} (organization_id, {target_column}) DEFERRABLE INITIALLY DEFERRED",
        f"ALTER TABLE {table} DROP CONSTRAINT {name}",
    )


def functions(app: str, *names: str) -> migrations.RunSQL:
    """Return the operation that installs `<app>/sql/<name>.sql`, each a CREATE OR REPLACE FUNCTION.

    The text in the folder is the current one; a change of it needs a new migration with this operation, and a
    test compares what is installed with what is written.
    """
    folder = Path(__file__).resolve().parent.parent / app / "sql"
    texts = [(folder / f"{name}.sql").read_text(encoding="utf-8") for name in names]
    return migrations.RunSQL([(text, None) for text in texts], migrations.RunSQL.noop)
