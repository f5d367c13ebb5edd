"""The shared cast: an organization, its owner, a member, an agent, an outsider, and a client for each.

Tests commit for real, as production does: tenancy lives in transactions, and a wrapping test transaction would be one
that production never sees. Every test makes organizations of its own instead of cleaning up.
"""

import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection, connections
from django.db.backends.signals import connection_created
from django.test.utils import setup_databases, teardown_databases

from orgs import checks, tenancy
from orgs.models import Organization
from tests import factories
from tests.factories import Caller


@pytest.fixture(scope="session")
def django_db_setup(
    django_test_environment: None, django_db_blocker: Any, django_db_modify_db_settings: None
) -> Iterator[None]:
    """Make the test database always: pytest-django's own makes it only when a collected test carries its marker."""
    with django_db_blocker.unblock():
        made = setup_databases(verbosity=0, interactive=False)
    yield
    with django_db_blocker.unblock():
        teardown_databases(made, verbosity=0)


@pytest.fixture(scope="session", autouse=True)
def database(django_db_setup: None, django_db_blocker: Any) -> Iterator[None]:
    """Open the test database for the whole run, with a guard on every connection."""
    tables = "|".join(checks.tenant_tables())
    fenced = re.compile(rf'"(?:{tables})"')

    def guard(execute: Callable[..., Any], sql: str, params: Any, many: bool, context: dict[str, Any]) -> Any:
        if fenced.search(sql) and tenancy.current_scope() is None:
            raise AssertionError(f"A query of a tenant table outside of any scope: {sql[:200]}")
        return execute(sql, params, many, context)

    def install(connection: Any, **kwargs: Any) -> None:
        if guard not in connection.execute_wrappers:
            connection.execute_wrappers.append(guard)

    connection_created.connect(install, weak=False)
    with django_db_blocker.unblock():
        install(connection)
        yield
        connections.close_all()


@pytest.fixture
def organization() -> Organization:
    return factories.make_organization()


@pytest.fixture
def owner(organization: Organization) -> Caller:
    """A key with every scope, bound to nobody: the organization's own."""
    return Caller(factories.make_key(organization).text)


@pytest.fixture
def member(organization: Organization) -> Caller:
    user = factories.make_member(organization)
    return Caller(factories.make_key(organization, user=user).text)


@pytest.fixture
def agent(organization: Organization) -> Caller:
    return Caller(factories.make_key(organization, agent=factories.make_agent(organization)).text)


@pytest.fixture
def outsider() -> Caller:
    """A key with every scope in another organization."""
    return Caller(factories.make_key(factories.make_organization()).text)
