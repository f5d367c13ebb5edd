"""A database that is away is not a defect of the console: 503, as from the API."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.db import connection
from django.test import Client

from orgs import keys
from tests.factories import Caller
from tests.orgs.console import Browser
from tests.statements import elsewhere, rows

PAGES = ["/admin/", "/admin/login/", "/admin/orgs/apikey/"]


@pytest.fixture
def unreachable(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """No connection can be made: nothing listens where the database is looked for."""
    connection.close()
    with monkeypatch.context() as away:
        away.setitem(connection.settings_dict, "HOST", "127.0.0.1")
        away.setitem(connection.settings_dict, "PORT", "1")
        yield
    connection.close()


def lose_connection(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
    """Have the server end this connection before the first statement that the console's view sends."""
    if "accounts_consolesession" in sql:
        [(process,)] = rows("SELECT pg_backend_pid()")
        elsewhere(lambda: rows("SELECT pg_terminate_backend(%s, 10000)", process))
    return execute(sql, *rest)


@pytest.mark.usefixtures("unreachable")
@pytest.mark.parametrize("path", PAGES)
def test_the_console_says_that_the_database_cannot_be_reached(path: str) -> None:
    answer = Client(raise_request_exception=False).get(path)

    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert answer.headers["Retry-After"] == "1"


@pytest.mark.usefixtures("unreachable")
def test_the_api_says_the_same() -> None:
    answer = Caller(keys.generate().text).get("/me")

    assert (answer.status, answer.code) == (503, "database-unavailable")


def test_the_console_says_that_the_database_went_away_while_it_answered(browser: Browser) -> None:
    browser.client.raise_request_exception = False
    with connection.execute_wrapper(lose_connection):
        answer = browser.open("/admin/")

    assert (answer.status_code, answer.json()["code"]) == (503, "database-unavailable")
    assert browser.open("/admin/").status_code == 200


def test_a_defect_of_the_console_stays_one(browser: Browser) -> None:
    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if "accounts_consolesession" in sql:
            raise LookupError("a defect")
        return execute(sql, *rest)

    browser.client.raise_request_exception = False
    with connection.execute_wrapper(fail):
        answer = browser.open("/admin/")

    assert (answer.status_code, answer.json()["code"]) == (500, "internal-error")
