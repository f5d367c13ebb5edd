"""Two organizations on one connection never see each other, whatever is left out of a query."""

import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import DatabaseError, ProgrammingError, connection, transaction

from coordination.models import OrganizationRateLimits
from orgs import functions, tenancy
from orgs.checks import tenant_tables
from orgs.models import Agent, Organization
from orgs.tenancy import TenancyError
from tests import factories
from tests.factories import Caller, create_session, submit_task
from tests.orgs.invitations import invite
from tests.statements import rows, statements, system_rows

NOWHERE = (None, None)


def column(table: str) -> str:
    return "id" if table == "orgs_organization" else "organization_id"


@pytest.fixture(scope="module")
def two() -> tuple[Organization, Organization]:
    """Two organizations that each have a row in every tenant table."""
    pair = (factories.make_organization(), factories.make_organization())
    for organization in pair:
        fill(organization)
    return pair


def fill(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization).text)
    factories.make_agent(organization)
    create_session(caller)
    task = submit_task(caller)
    answer = caller.post(
        f"/tasks/{task['id']}/artifacts",
        {"artifact_id": "a", "parts": [{"kind": "text", "text": "made"}]},
        Idempotency_Key=uuid.uuid4().hex,
    )
    assert answer.status == 201, answer
    invite(caller)
    with tenancy.system():
        OrganizationRateLimits.objects.create(organization=organization, key_requests=1_000_000)


def settings_now() -> tuple[Any, ...]:
    return rows("SELECT current_user::text, nullif(current_setting('holdfast.organization', true), '')")[0]


def test_raw_sql_sees_one_organization_in_every_tenant_table(two: tuple[Organization, Organization]) -> None:
    for table in tenant_tables():
        for organization in (*two, *two):
            with tenancy.organization(organization.id):
                found = rows(f"SELECT DISTINCT {column(table)} FROM {table}")

            assert found == [(organization.id,)], table


def test_hot_functions_and_scopes_interleave_on_one_connection(two: tuple[Organization, Organization]) -> None:
    tasks, sessions = ({}, {})  # type: dict[uuid.UUID, uuid.UUID], dict[uuid.UUID, uuid.UUID]
    for organization in two:
        with tenancy.organization(organization.id):
            [(tasks[organization.id],)] = rows("SELECT id FROM tasks_task")
            [(sessions[organization.id],)] = rows("SELECT id FROM sessions_store_session")
    [(before,)] = rows("SELECT pg_backend_pid()")

    # Often enough that server and client both use prepared statements and generic plans.
    for _ in range(8):
        for mine, theirs in (two, two[::-1]):
            for own in (True, False):
                whose = mine if own else theirs
                task = functions.find("SELECT * FROM tasks_get(%s, %s, 5)", [mine.id, tasks[whose.id]])
                session = functions.find("SELECT * FROM sessions_get(%s, %s)", [mine.id, sessions[whose.id]])
                assert (task is not None, session is not None) == (own, own)
            with tenancy.organization(theirs.id):
                assert rows("SELECT id FROM tasks_task") == [(tasks[theirs.id],)]

    assert rows("SELECT pg_backend_pid()") == [(before,)]


def test_a_function_leaves_no_role_and_no_organization_behind(two: tuple[Organization, Organization]) -> None:
    functions.find("SELECT * FROM tasks_get(%s, %s, 5)", [two[0].id, uuid.uuid4()])

    assert settings_now() == (connection.settings_dict["USER"], None)


def test_outside_of_a_scope_no_tenant_row_is_seen(two: tuple[Organization, Organization]) -> None:
    counted = {table: rows(f"SELECT count(*) FROM {table}") for table in tenant_tables()}

    assert counted == {table: [(0,)] for table in tenant_tables()}


def test_outside_of_a_scope_no_tenant_row_is_written(two: tuple[Organization, Organization]) -> None:
    organization = two[0]

    with pytest.raises(ProgrammingError, match="row-level security"):
        rows(
            "INSERT INTO orgs_agent (id, organization_id, owner_id, name, slug, description, generation)"
            " VALUES (%s, %s, %s, 'a', 'a', '', 1)",
            uuid.uuid4(), organization.id, organization.owner_id,
        )  # fmt: skip


def test_outside_of_a_scope_no_tenant_row_is_changed_or_deleted(two: tuple[Organization, Organization]) -> None:
    rows("UPDATE orgs_agent SET name = 'stolen'")
    rows("DELETE FROM orgs_agent")

    [(names,)] = system_rows("SELECT count(*) FROM orgs_agent WHERE organization_id = %s", two[0].id)
    assert names == 1
    assert system_rows("SELECT id FROM orgs_agent WHERE name = 'stolen'") == []


@pytest.mark.parametrize("table", [table for table in tenant_tables() if table != "orgs_organization"])
def test_a_copy_of_a_row_cannot_be_put_into_another_organization(
    two: tuple[Organization, Organization], table: str
) -> None:
    mine, theirs = two
    with tenancy.organization(mine.id):
        [(names,)] = rows(
            "SELECT array_agg(attname::text ORDER BY attnum) FROM pg_attribute"
            " WHERE attrelid = %s::regclass AND attnum > 0 AND NOT attisdropped AND attidentity = ''",
            table,
        )
    chosen = ", ".join("%s::uuid" if name == "organization_id" else name for name in names)

    with pytest.raises(ProgrammingError, match=r"row-level security|permission denied"), tenancy.organization(mine.id):
        rows(f"INSERT INTO {table} ({', '.join(names)}) SELECT {chosen} FROM {table} LIMIT 1", theirs.id)


@pytest.mark.parametrize("table", tenant_tables())
def test_no_row_can_be_moved_to_another_organization(two: tuple[Organization, Organization], table: str) -> None:
    mine, theirs = two

    with pytest.raises(ProgrammingError, match=r"row-level security|permission denied"), tenancy.organization(mine.id):
        rows(f"UPDATE {table} SET {column(table)} = %s", theirs.id)


def test_no_row_of_another_organization_can_be_changed_or_deleted(two: tuple[Organization, Organization]) -> None:
    mine, theirs = two

    with tenancy.organization(mine.id):
        rows("UPDATE orgs_agent SET name = 'stolen' WHERE organization_id = %s", theirs.id)
        rows("DELETE FROM tasks_context WHERE organization_id = %s", theirs.id)

    with tenancy.organization(theirs.id):
        assert rows("SELECT count(*) FILTER (WHERE name = 'stolen') FROM orgs_agent") == [(0,)]
        assert rows("SELECT count(*) FROM tasks_context") == [(1,)]


def test_a_tenant_sees_only_the_users_who_are_its_members(two: tuple[Organization, Organization]) -> None:
    user = factories.make_member(two[0])

    with tenancy.organization(two[0].id):
        seen = {id_ for (id_,) in rows("SELECT id FROM accounts_user")}

    assert seen == {user.id, two[0].owner_id}


@pytest.mark.parametrize("secret", ["password", "*", "last_login", "is_superuser"])
def test_a_tenant_cannot_read_what_signs_a_user_in(two: tuple[Organization, Organization], secret: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.organization(two[0].id):
        rows(f"SELECT {secret} FROM accounts_user")


@pytest.mark.parametrize(
    "statement",
    ["UPDATE accounts_user SET email = 'x'", "DELETE FROM accounts_user", "SELECT * FROM django_session"],
)
def test_a_tenant_has_nothing_to_do_with_accounts(two: tuple[Organization, Organization], statement: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.organization(two[0].id):
        rows(statement)


def test_the_setting_is_gone_after_a_commit(organization: Organization) -> None:
    with tenancy.organization(organization.id):
        inside = settings_now()

    assert inside == ("holdfast_app", str(organization.id))
    assert settings_now() == (connection.settings_dict["USER"], None)


def test_the_setting_is_gone_after_a_rollback(organization: Organization) -> None:
    with tenancy.organization(organization.id):
        inside = settings_now()
        transaction.set_rollback(True)

    assert inside == ("holdfast_app", str(organization.id))
    assert settings_now() == (connection.settings_dict["USER"], None)


def test_the_scope_ends_with_a_failed_statement(organization: Organization) -> None:
    with pytest.raises(DatabaseError), tenancy.organization(organization.id):
        rows("SELECT 1 / 0")

    assert (tenancy.current_scope(), settings_now()) == (None, (connection.settings_dict["USER"], None))


def test_a_scope_may_open_inside_the_same_scope(organization: Organization) -> None:
    with tenancy.organization(organization.id):
        with tenancy.organization(organization.id):
            inner = settings_now()
        outer = settings_now()

    assert inner == outer == ("holdfast_app", str(organization.id))


def test_an_inner_scope_that_fails_takes_back_only_its_own_work(organization: Organization) -> None:
    agent = factories.make_agent(organization)

    with tenancy.organization(organization.id):
        Agent.objects.filter(id=agent.id).update(name="outer")
        with tenancy.organization(organization.id):
            Agent.objects.filter(id=agent.id).update(name="inner")
            transaction.set_rollback(True)

    with tenancy.organization(organization.id):
        assert Agent.objects.get(id=agent.id).name == "outer"


def organization_scope(pair: tuple[Organization, Organization]) -> Any:
    return tenancy.organization(pair[1].id)


def system_scope(pair: tuple[Organization, Organization]) -> Any:
    return tenancy.system()


@pytest.mark.parametrize("inner", [organization_scope, system_scope])
def test_another_scope_cannot_open_inside_a_scope(
    two: tuple[Organization, Organization], inner: Callable[[Any], Any]
) -> None:
    with tenancy.organization(two[0].id):
        with pytest.raises(TenancyError), inner(two):
            pass
        after = settings_now()

    assert after == ("holdfast_app", str(two[0].id))


def test_an_organization_cannot_open_inside_the_system_scope(organization: Organization) -> None:
    with tenancy.system(), pytest.raises(TenancyError), tenancy.organization(organization.id):
        pass


def test_a_scope_cannot_open_inside_a_transaction_of_others(organization: Organization) -> None:
    with transaction.atomic(), pytest.raises(TenancyError), tenancy.organization(organization.id):
        pass


def test_the_system_role_sees_every_organization(two: tuple[Organization, Organization]) -> None:
    found = system_rows("SELECT id FROM orgs_organization WHERE id IN (%s, %s) ORDER BY id", two[0].id, two[1].id)

    assert found == sorted([(two[0].id,), (two[1].id,)])


def test_opening_a_scope_is_one_statement(organization: Organization) -> None:
    with statements() as sent, tenancy.organization(organization.id):
        pass

    assert len(sent) == 1
