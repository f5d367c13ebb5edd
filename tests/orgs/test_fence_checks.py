"""What is noticed, and refused, when the second fence has a hole."""

import json
import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.core.checks import run_checks
from django.core.management import call_command
from django.core.management.base import SystemCheckError
from django.db import ProgrammingError, connection, connections, transaction

from operations.embedded.postgres import SUPERUSER
from orgs import tenancy
from orgs.checks import missing_roles, overpowered_roles, tenant_tables, unfenced_tables
from orgs.models import Organization
from orgs.policies import narrow
from tests.orgs.servers import CHECKOUT, connected_as, role, service_environ, superuser
from tests.statements import rows

READY = """
import json, django
django.setup()
from operations.health import missing_parts
print(json.dumps(missing_parts()))
"""
TABLES = tenant_tables()


@pytest.fixture
def taken_back() -> Iterator[None]:
    """Run the test in a transaction of the tables' owner, and take back what it did."""
    with transaction.atomic():
        yield
        transaction.set_rollback(True)


def test_every_table_with_an_organization_is_a_tenant_table() -> None:
    found = rows(
        "SELECT c.relname FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'organization_id'"
        " WHERE c.relkind = 'r' AND c.relnamespace = current_schema()::regnamespace"
    )

    assert sorted(["orgs_organization", *(name for (name,) in found)]) == TABLES


def test_every_tenant_table_is_fenced() -> None:
    assert unfenced_tables("default") == []


def test_every_tenant_table_has_an_owner_and_a_generation() -> None:
    """But for the audit trail, whose entries never change, the answers kept for a repeated call, and what operators
    decide of an organization, which nobody in it owns.
    """
    found = rows(
        "SELECT attrelid::regclass::text FROM pg_attribute WHERE attname IN ('owner_id', 'generation') AND attnotnull"
        " GROUP BY 1 HAVING count(*) = 2"
    )

    assert set(TABLES) - {name for (name,) in found} == {
        "api_idempotentanswer",
        "audit_entry",
        "coordination_organizationratelimits",
    }


@pytest.mark.usefixtures("taken_back")
@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize(
    "hole",
    [
        "DROP POLICY {table}_organization ON {table}",
        "ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        "ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
        "ALTER POLICY {table}_organization ON {table} USING (true)",
        "ALTER POLICY {table}_organization ON {table} WITH CHECK (true)",
        "ALTER POLICY {table}_organization ON {table} TO holdfast_system",
        "CREATE POLICY another ON {table} TO holdfast_app USING (true)",
        "CREATE POLICY another ON {table} FOR INSERT WITH CHECK (true)",
    ],
)
def test_a_table_with_a_hole_in_its_fence_is_named(table: str, hole: str) -> None:
    rows(hole.format(table=table))

    assert unfenced_tables("default") == [table]


@pytest.mark.usefixtures("taken_back")
def test_a_further_policy_that_only_restricts_is_no_hole() -> None:
    rows("CREATE POLICY another ON orgs_agent AS RESTRICTIVE TO holdfast_app USING (name <> '')")

    assert unfenced_tables("default") == []


@pytest.mark.usefixtures("taken_back")
def test_the_system_check_fails_for_an_unfenced_table() -> None:
    rows("ALTER TABLE orgs_agent NO FORCE ROW LEVEL SECURITY")

    found = [message for message in run_checks(databases=["default"]) if message.id == "holdfast.E001"]

    assert [message.msg for message in found] == [
        "The tenant table orgs_agent has no forced row-level security policy."
    ]


@pytest.mark.usefixtures("taken_back")
def test_migrating_is_refused_while_a_table_is_unfenced() -> None:
    rows("ALTER TABLE orgs_agent DISABLE ROW LEVEL SECURITY")

    with pytest.raises(SystemCheckError, match=r"holdfast\.E001"):
        call_command("migrate", interactive=False, verbosity=0, skip_checks=False)


RIGHTS = """
SELECT privilege_type, ARRAY['*'] FROM information_schema.table_privileges
WHERE table_name = %(table)s AND grantee = 'holdfast_app'
UNION ALL
SELECT privilege_type, array_agg(column_name::text ORDER BY column_name) FROM information_schema.column_privileges c
WHERE table_name = %(table)s AND grantee = 'holdfast_app' AND NOT EXISTS (
    SELECT FROM information_schema.table_privileges t
    WHERE (t.table_name, t.grantee, t.privilege_type) = (c.table_name, c.grantee, c.privilege_type))
GROUP BY 1
"""


def rights_on(table: str) -> dict[str, list[str]]:
    """Return what a tenant's role may do with a table, and with which columns where not with all."""
    return dict(rows(RIGHTS.replace("%(table)s", f"'{table}'")))


@pytest.mark.parametrize("column", ["id", "created_at", "max_members", "max_agents", "max_api_keys", "closed_at"])
def test_a_tenant_does_not_change_what_operators_decide_of_its_organization(
    organization: Organization, column: str
) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.organization(organization.id):
        rows(f"UPDATE orgs_organization SET {column} = {column}")


@pytest.mark.parametrize(
    ("table", "verbs"),
    [
        ("orgs_organization", set()),
        ("orgs_membership", {"DELETE"}),
        ("orgs_invitation", {"INSERT"}),
        ("orgs_agent", {"INSERT", "DELETE"}),
        ("orgs_apikey", {"INSERT", "DELETE"}),
    ],
)
def test_a_tenant_makes_and_deletes_no_rows_but_those_that_its_operations_do(table: str, verbs: set[str]) -> None:
    found = rights_on(table)

    assert set(found) == {"SELECT", "UPDATE"} | verbs
    assert "*" not in found["UPDATE"]


def test_a_tenant_never_changes_whose_a_key_is_or_what_it_may_do() -> None:
    never = {"id", "organization_id", "key_id", "digest", "scopes", "user_id", "agent_id", "owner_id", "environment"}

    assert not never & set(rights_on("orgs_apikey")["UPDATE"])


@pytest.mark.usefixtures("taken_back")
def test_the_narrowing_of_a_tenants_rights_can_be_reversed() -> None:
    rows(str(narrow("orgs_agent", verbs=("INSERT", "DELETE"), columns=("name",)).reverse_sql))

    assert rights_on("orgs_agent") == {verb: ["*"] for verb in ("SELECT", "INSERT", "UPDATE", "DELETE")}


def test_the_serving_roles_have_no_power_to_bypass() -> None:
    assert overpowered_roles("default") + missing_roles("default") == []


@pytest.mark.usefixtures("taken_back")
def test_a_serving_role_that_owns_a_table_is_named() -> None:
    rows(f"GRANT holdfast_app TO {connection.settings_dict['USER']} WITH INHERIT TRUE")
    rows("GRANT CREATE ON SCHEMA public TO holdfast_app")
    rows("CREATE TABLE scratch ()")
    rows("ALTER TABLE scratch OWNER TO holdfast_app")

    assert overpowered_roles("default") == ["The role holdfast_app owns 1 relations; it must own none."]


@pytest.mark.parametrize("name", ["holdfast_app", "holdfast_system"])
@pytest.mark.parametrize("power", ["BYPASSRLS", "SUPERUSER"])
def test_a_serving_role_with_the_power_to_bypass_is_named(name: str, power: str) -> None:
    with superuser() as alias, transaction.atomic(using=alias):
        with connections[alias].cursor() as cursor:
            cursor.execute(f"ALTER ROLE {name} {power}")
        sentences = overpowered_roles(alias)
        transaction.set_rollback(True, using=alias)

    assert {sentence.split(" is ")[0] for sentence in sentences} == {f"The role {name}", f"The role {SUPERUSER}"}


@pytest.mark.parametrize("options", ["BYPASSRLS", "SUPERUSER"])
def test_a_connecting_role_with_the_power_to_bypass_fails_the_check(options: str) -> None:
    with role(options) as (name, password), connected_as(name, password) as alias:
        found = [message for message in run_checks(databases=[alias]) if message.id == "holdfast.E002"]

    assert [message.msg.split(" is ")[0] for message in found] == [f"The role {name}"]


def test_an_ordinary_connecting_role_passes_the_check() -> None:
    with role("") as (name, password), connected_as(name, password) as alias:
        assert overpowered_roles(alias) == []


def test_a_service_whose_role_can_bypass_is_not_ready() -> None:
    with role("SUPERUSER") as (name, password):
        done = subprocess.run(
            [sys.executable, "-c", READY], env=service_environ(user=name, password=password),
            cwd=CHECKOUT, capture_output=True, text=True, check=True,
        )  # fmt: skip

    missing = json.loads(done.stdout.splitlines()[-1])
    assert list(missing) == ["tenancy"]
    assert f"The role {name} is a superuser" in missing["tenancy"]


def test_a_service_whose_role_can_bypass_does_not_start() -> None:
    with role("SUPERUSER") as (name, password):
        done = subprocess.run(
            [sys.executable, "-c", "import config.wsgi"], env=service_environ(user=name, password=password),
            cwd=CHECKOUT, capture_output=True, text=True, check=False,
        )  # fmt: skip

    assert done.returncode != 0
    assert f"ImproperlyConfigured: The role {name} is a superuser" in done.stderr
