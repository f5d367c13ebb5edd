"""A first migration that was killed, and what may be amiss on the server that it meets."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import connections

from tests.orgs.servers import CHECKOUT, connected_to, empty_database, role, service_environ, superuser


@pytest.fixture
def scratch() -> Iterator[str]:
    with empty_database() as name:
        yield name


def _manage(scratch: str, *arguments: str, user: str = "", password: str = "") -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "manage.py", *arguments],
        env=service_environ(database=scratch, user=user, password=password),
        cwd=CHECKOUT, capture_output=True, text=True, check=False,
    )  # fmt: skip


def _stop_after(scratch: str, app: str, migration: str) -> None:
    """Leave the database as a migration does that is killed here: 0001 makes an app's tables, 0002 their fence."""
    done = _manage(scratch, "migrate", app, migration, "--verbosity", "0")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("app", ["orgs", "tasks"])
def test_a_migration_that_was_killed_before_the_fence_goes_on(scratch: str, app: str) -> None:
    _stop_after(scratch, app, "0001")

    done = _manage(scratch, "migrate", "--verbosity", "0")

    assert done.returncode == 0, done.stderr
    assert _manage(scratch, "check", "--database", "default").returncode == 0


def test_a_start_goes_on_with_a_migration_that_was_killed_before_the_fence(scratch: str) -> None:
    _stop_after(scratch, "orgs", "0001")

    done = _manage(scratch, "up", "--prepare")

    assert done.returncode == 0, done.stderr
    assert "API key" in done.stdout


def test_a_migration_that_leaves_a_hole_fails(scratch: str) -> None:
    _stop_after(scratch, "orgs", "0002")
    with connected_to(scratch) as alias, connections[alias].cursor() as cursor:
        cursor.execute("ALTER TABLE orgs_agent DISABLE ROW LEVEL SECURITY")

    done = _manage(scratch, "migrate", "--verbosity", "0")

    assert done.returncode == 1
    assert "(holdfast.E001) The tenant table orgs_agent has no forced row-level security policy." in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("options", ["CREATEROLE", "NOCREATEROLE"])
def test_a_second_service_on_one_server_is_told_what_to_grant(options: str) -> None:
    """The roles that serve belong to who made them: here, to the role that the tests run as."""
    with role(options) as (name, password), superuser() as alias, empty_database(name, alias=alias) as scratch:
        refused = _manage(scratch, "migrate", "--verbosity", "0", user=name, password=password)

        sentence, _, statements = refused.stderr.partition(" who made them: ")
        assert refused.returncode == 1
        assert sentence.startswith(f"CommandError: The role {name} may not take the roles that serve: run as ")
        assert len(refused.stderr.splitlines()) == 1

        with connections[alias].cursor() as cursor:
            cursor.execute(statements)
        done = _manage(scratch, "migrate", "--verbosity", "0", user=name, password=password)

        assert done.returncode == 0, done.stderr
