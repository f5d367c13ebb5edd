"""The first start of the service itself, killed while it migrates."""

from contextlib import closing

import psycopg
import pytest

from operations.embedded.paths import Var
from operations.embedded.postgres import DATABASE, ROLE, SUPERUSER, Postgres
from operations.embedded.secret_files import POSTGRES_PASSWORD, POSTGRES_SUPERUSER_PASSWORD, secret
from orgs.tenancy import APP_ROLE
from tests.operations.service import Service, eventually


def _connect(service: Service, user: str, password: str) -> psycopg.Connection | None:
    """Return a connection to the server that `up` prepares, or None when it does not answer yet."""
    var = Var(service.var)
    try:
        port = Postgres(var).pid_file.read_text().splitlines()[3]
        return psycopg.connect(
            host="127.0.0.1", port=port, dbname=DATABASE, user=user, password=secret(var, password), autocommit=True
        )
    except (OSError, IndexError, psycopg.OperationalError):
        return None


def _has_tables_without_fence(service: Service) -> bool:
    if (connection := _connect(service, ROLE, POSTGRES_PASSWORD)) is None:
        return False
    with connection:
        found = connection.execute("SELECT relrowsecurity FROM pg_class WHERE relname = 'orgs_organization'").fetchone()
    return found == (False,)


def _hold_up_the_fence(service: Service) -> psycopg.Connection:
    """Have the migration that follows on the tables wait: it makes a role whose name is being taken."""
    found: list[psycopg.Connection] = []

    def connects() -> bool:
        found.extend(filter(None, [_connect(service, SUPERUSER, POSTGRES_SUPERUSER_PASSWORD)]))
        return bool(found)

    eventually(connects, "PostgreSQL answers")
    found[0].execute("BEGIN")
    found[0].execute(f"CREATE ROLE {APP_ROLE}")
    return found[0]


@pytest.mark.slow
def test_a_first_start_that_was_killed_between_a_table_and_its_fence_is_made_up_for(whole_service: Service) -> None:
    whole_service.launch()
    with closing(_hold_up_the_fence(whole_service)):
        eventually(lambda: _has_tables_without_fence(whole_service), "the first tables are there")
        whole_service.kill_everything()

    whole_service.start()

    assert whole_service.ask("GET")[0] == 200
    assert "API key  " in whole_service.output
