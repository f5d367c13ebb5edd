"""System checks: every tenant table is fenced, and the serving roles cannot climb over."""

from collections.abc import Iterable, Sequence
from typing import Any

from django.apps import AppConfig, apps
from django.core import checks
from django.core.management.base import SystemCheckError
from django.db import connections, models
from django.db.migrations.executor import MigrationExecutor
from django.db.models.signals import post_migrate
from django.dispatch import receiver

from orgs.tenancy import APP_ROLE, SYSTEM_ROLE

FENCED = """
SELECT c.relname FROM pg_class c
WHERE c.relname = ANY(%s) AND c.relnamespace = current_schema()::regnamespace
  AND c.relrowsecurity AND c.relforcerowsecurity
  AND EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = current_schema() AND p.tablename = c.relname
              AND %s = ANY(p.roles) AND p.qual LIKE %s AND p.with_check LIKE %s)
  AND NOT EXISTS (SELECT FROM pg_policies p WHERE p.schemaname = current_schema() AND p.tablename = c.relname
                  AND p.permissive = 'PERMISSIVE' AND p.roles && ARRAY[%s, 'public']::name[]
                  AND NOT concat(p.qual, p.with_check) LIKE %s)
"""
PRESENT = "SELECT relname FROM pg_class WHERE relname = ANY(%s) AND relnamespace = current_schema()::regnamespace"
POWERS = """
SELECT r.rolname, r.rolsuper, r.rolbypassrls,
       (SELECT count(*) FROM pg_class c WHERE c.relowner = r.oid AND c.relnamespace = current_schema()::regnamespace)
FROM pg_roles r WHERE r.rolname IN (%s, %s, session_user)
"""


def tenant_tables() -> list[str]:
    """Return the tables that hold an organization's rows: the organization's own and all that point to one."""
    return sorted(model._meta.db_table for model in apps.get_models() if _is_tenant(model))


def _is_tenant(model: type[models.Model]) -> bool:
    columns = {field.column for field in model._meta.concrete_fields}
    return "organization_id" in columns or model._meta.label == "orgs.Organization"


def unfenced_tables(alias: str) -> list[str]:
    """Return the tenant tables in this database without forced row-level security and an organization policy.

    A second policy counts too: PostgreSQL adds up what permissive policies allow.
    """
    tables = tenant_tables()
    pattern = "%holdfast.organization%"
    with connections[alias].cursor() as cursor:
        cursor.execute(PRESENT, [tables])
        present = {name for (name,) in cursor.fetchall()}
        cursor.execute(FENCED, [tables, APP_ROLE, pattern, pattern, APP_ROLE, pattern])
        return sorted(present - {name for (name,) in cursor.fetchall()})


def overpowered_roles(alias: str) -> list[str]:
    """Return a sentence for each role that could bypass the policies."""
    sentences = []
    for name, superuser, bypass, owned in _powers(alias):
        if superuser or bypass:
            sentences.append(
                f"The role {name} is a superuser or has BYPASSRLS, which no policy holds back. Give DATABASE_URL an "
                "ordinary role: CREATE ROLE holdfast LOGIN CREATEROLE PASSWORD '…'; ALTER DATABASE … OWNER TO holdfast."
            )
        if owned and name in (APP_ROLE, SYSTEM_ROLE):
            sentences.append(f"The role {name} owns {owned} relations; it must own none.")
    return sentences


def missing_roles(alias: str) -> list[str]:
    """Return a sentence for each serving role that does not exist."""
    found = {name for name, *_ in _powers(alias)}
    roles = (APP_ROLE, SYSTEM_ROLE)
    return [f"The role {role} does not exist; run manage.py migrate." for role in roles if role not in found]


def _powers(alias: str) -> list[tuple[str, bool, bool, int]]:
    with connections[alias].cursor() as cursor:
        cursor.execute(POWERS, [APP_ROLE, SYSTEM_ROLE])
        return list(cursor.fetchall())


def migrations_pending(alias: str) -> bool:
    """Tell whether this database still lacks a migration, of whichever app: one app may fence another's tables."""
    executor = MigrationExecutor(connections[alias])
    return bool(executor.migration_plan(executor.loader.graph.leaf_nodes()))


@checks.register(checks.Tags.database)
def check_tenancy(
    app_configs: Sequence[AppConfig] | None, databases: Iterable[str] | None = None, **kwargs: Any
) -> list[checks.CheckMessage]:
    """Fail when a tenant table lacks its policy (holdfast.E001) or a role may bypass it (holdfast.E002).

    What a pending migration brings is not yet missed: the check runs before migrating too, and a first migration that
    was killed between a table and its fence could otherwise never go on. It is made again afterwards.
    """
    messages: list[checks.CheckMessage] = []
    for alias in databases or []:
        due = [
            checks.Error(f"The tenant table {table} has no forced row-level security policy.", id="holdfast.E001")
            for table in unfenced_tables(alias)
        ]
        if _roles_are_due(alias):
            due += [checks.Error(sentence, id="holdfast.E002") for sentence in missing_roles(alias)]
        if due and not migrations_pending(alias):
            messages += due
        messages += [checks.Error(sentence, id="holdfast.E002") for sentence in overpowered_roles(alias)]
    return messages


@receiver(post_migrate)
def fail_unfenced_migration(sender: AppConfig, using: str, **kwargs: Any) -> None:
    """End `migrate` with an error when its migrations, all of them applied, left a hole. Raises SystemCheckError."""
    # The signal comes once for each app, each time after the last migration.
    if sender.label == "orgs" and (messages := check_tenancy(None, databases=[using])):
        raise SystemCheckError("\n".join(str(message) for message in messages))


def _roles_are_due(alias: str) -> bool:
    """Roles come with the first migration; before it their absence is no error."""
    with connections[alias].cursor() as cursor:
        cursor.execute("SELECT to_regclass('orgs_organization') IS NOT NULL")
        row = cursor.fetchone()
    return bool(row and row[0])
