"""What the database refuses while it runs is a problem of its own code, by its SQLSTATE."""

import subprocess
import sys
from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection, connections

from config.errors import find_problem
from tests.api.wire import send
from tests.factories import Caller
from tests.orgs.servers import CHECKOUT, connected_as, service_environ

LIMITS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")


@pytest.fixture
def session(owner: Caller) -> str:
    return str(owner.post("/sessions", {"state": {"a": 1}}).json["id"])


@pytest.fixture
def held(session: str) -> Iterator[str]:
    """A session whose row another connection keeps locked."""
    own = connection.settings_dict
    with connected_as(str(own["USER"]), str(own["PASSWORD"])) as alias, connections[alias].cursor() as cursor:
        cursor.execute("BEGIN")
        cursor.execute("SET LOCAL ROLE holdfast_system")
        cursor.execute("SELECT id FROM sessions_store_session WHERE id = %s FOR UPDATE", [session])
        assert len(cursor.fetchall()) == 1
        yield session
        cursor.execute("ROLLBACK")


def _patient(name: str, value: str) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET {name} = '{value}'")


@pytest.fixture(params=[("lock_timeout", "database-busy"), ("statement_timeout", "database-timeout")])
def impatient(request: pytest.FixtureRequest) -> Iterator[str]:
    """The connection that serves gives up soon; yields the code that this comes to."""
    name, code = request.param
    _patient(name, "100ms")
    yield code
    connection.close()


@pytest.mark.parametrize(("method", "path"), [("PUT", "state"), ("PATCH", "state"), ("DELETE", "")])
def test_a_write_that_waits_too_long_is_told_so_and_changes_nothing(
    owner: Caller, held: str, impatient: str, method: str, path: str
) -> None:
    body = b"" if method == "DELETE" else b'{"a":2}'

    answer = send(method, f"/sessions/{held}/{path}".rstrip("/"), body, key=owner.key)

    assert (answer.status, answer.code, answer.headers["Retry-After"]) == (503, impatient, "1")
    assert owner.get(f"/sessions/{held}").json["state"] == {"a": 1}


@pytest.mark.parametrize(
    ("state", "code"),
    [
        ("40001", "database-busy"),
        ("40P01", "database-busy"),
        ("53100", "database-exhausted"),
        ("53200", "database-exhausted"),
        ("53300", "database-exhausted"),
        ("54000", "limit-exceeded"),
        ("57P01", "database-unavailable"),
        ("58030", "database-unavailable"),
    ],
)
def test_a_state_has_its_code(state: str, code: str) -> None:
    with pytest.raises(OperationalError) as raised, connection.cursor() as cursor:
        cursor.execute(f"DO $$ BEGIN RAISE EXCEPTION 'so' USING ERRCODE = '{state}'; END $$")
    connection.close()

    problem = find_problem(raised.value)
    assert problem is not None
    assert problem.code == code


def _limits(environ: dict[str, str]) -> list[str]:
    shown = "; ".join(f"cursor.execute('SHOW {name}'); print(cursor.fetchone()[0])" for name in LIMITS)
    script = f"import config.wsgi\nfrom django.db import connection\nwith connection.cursor() as cursor: {shown}"
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environ, cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    return done.stdout.split()


def test_a_serving_process_gives_up_statements_locks_and_idle_transactions() -> None:
    assert _limits(service_environ() | {"DB_STATEMENT_TIMEOUT": "6"}) == ["6s", "1s", "12s"]


def test_zero_leaves_it_to_the_server() -> None:
    assert _limits(service_environ() | {"DB_STATEMENT_TIMEOUT": "0"}) == ["0", "0", "0"]


def test_options_of_the_url_come_last_and_win() -> None:
    environ = service_environ()
    environ["DATABASE_URL"] += "?options=-c%20statement_timeout%3D9000"

    assert _limits(environ)[0] == "9s"


def test_a_command_takes_its_time() -> None:
    """Migrations and backups run in processes that do not serve."""
    script = "from django.db import connection as c; print(c.cursor().execute('SHOW statement_timeout').fetchone())"
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "-v", "0", "-c", script],
        env=service_environ(), cwd=CHECKOUT, capture_output=True, text=True, check=True, timeout=60,
    )  # fmt: skip
    assert done.stdout.strip() == "('0',)"
