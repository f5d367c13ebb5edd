"""One JSON line a request: who called what, and nothing that is secret."""

import io
import json
import logging
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import DatabaseError, IntegrityError, transaction
from pytest_django import Settings

from api.logs import JSONFormatter
from orgs import tenancy
from orgs.models import Organization
from tests import factories
from tests.api.wire import send
from tests.factories import Caller
from tests.statements import rows


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Collect what the service would write to stderr, through its own formatter."""
    send("GET", "/openapi.json")  # loading the application sets logging up anew
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(JSONFormatter())
    names = ("holdfast", "django", "django.request")
    for name in names:
        logging.getLogger(name).addHandler(handler)
    yield written
    for name in names:
        logging.getLogger(name).removeHandler(handler)


def _requests(lines: io.StringIO) -> list[dict[str, Any]]:
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    return [line for line in found if line["logger"] == "holdfast.request"]


def test_a_request_is_one_line_with_its_id_organization_and_actor(
    owner: Caller, organization: Organization, lines: io.StringIO
) -> None:
    key_id = owner.get("/me", X_Request_Id="logged-1").json["api_key_id"]

    (line,) = _requests(lines)
    assert line["request_id"] == "logged-1"
    assert line["organization"] == str(organization.id)
    assert line["actor"] == f"api-key:{key_id}"
    assert (line["method"], line["path"], line["status"]) == ("GET", "/api/v1/me", 200)
    assert line["level"] == "info"
    assert line["milliseconds"] >= 0


def test_an_unauthenticated_request_has_no_organization_of_the_one_before(owner: Caller, lines: io.StringIO) -> None:
    owner.get("/me")
    send("GET", "/me")

    assert [line["organization"] == "" for line in _requests(lines)] == [False, True]


def test_a_line_holds_neither_key_nor_query_nor_body(owner: Caller, lines: io.StringIO) -> None:
    send("GET", "/tasks?cursor=query-text", key=owner.key, headers={"Cookie": "cookie-text", "X-Other": "header-text"})
    send("POST", "/sessions", b'{"state":{"a":"body-text"}}', key=owner.key, headers={"Idempotency-Key": "key-text"})
    send("POST", "/sessions", b'{"body-text', key=owner.key)
    send("GET", "/me", key=owner.key[:-1] + ("a" if owner.key[-1] != "a" else "b"))

    text = lines.getvalue()
    assert len(_requests(lines)) == 4
    assert owner.key.split("_")[2][:20] not in text
    for secret in ("query-text", "cookie-text", "header-text", "body-text", "key-text", "Bearer"):
        assert secret not in text


def test_a_new_key_is_not_logged(owner: Caller, lines: io.StringIO) -> None:
    made = owner.post("/api-keys", {"name": "New", "scopes": ["tasks:read"]})

    assert made.status == 201
    assert made.json["key"].split("_")[2] not in lines.getvalue()


@pytest.mark.parametrize("path", ["/%0a%0d{}", "/%ff%00", '/"},{"', "/%F0%9F%98%80", "/%e2%80%a8", "/" + "x" * 5000])
def test_a_hostile_path_stays_inside_its_line(owner: Caller, lines: io.StringIO, path: str) -> None:
    send("GET", path, key=owner.key)

    (line,) = _requests(lines)
    assert line["status"] == 404
    assert len(line["path"]) <= 300


def test_a_defect_is_logged_with_its_traceback_and_the_request_id(
    owner: Caller, lines: io.StringIO, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*args: object, **kwargs: object) -> None:
        raise RuntimeError("a defect")

    monkeypatch.setattr("orgs.api.me.MeOut", fail)

    answer = send("GET", "/me", key=owner.key, headers={"X-Request-Id": "broken-1"})

    assert (answer.status, answer.code) == (500, "internal-error")
    assert "a defect" not in answer.raw.decode()
    found = [json.loads(line) for line in lines.getvalue().splitlines()]
    defects = [line for line in found if "a defect" in line.get("exc_info", "")]
    assert {line["request_id"] for line in defects} == {"broken-1"}


def _logged(lines: io.StringIO, error: Exception) -> str:
    """Return the traceback of the error as the service would log it."""
    logging.getLogger("holdfast").error("failed", exc_info=error)
    line = json.loads(lines.getvalue().splitlines()[-1])
    return str(line["exc_info"])


def test_a_broken_constraint_is_logged_without_the_value(
    lines: io.StringIO, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    """Were a constraint without its domain error, the database's own words would reach the log."""
    settings.SIGNUP = "open"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr("orgs.services.constraints.CONSTRAINTS", {})
    email, new = factories.make_user().email, uuid.uuid4().hex[:20]
    organization = {"name": "New", "slug": f"org-{new}"}
    body = {"email": email, "password": "correct horse battery", "organization": organization}

    answer = send("POST", "/signup", json.dumps(body).encode())

    assert (answer.status, answer.code) == (500, "internal-error")
    assert "accounts_user_email_unique" in lines.getvalue()
    assert email not in lines.getvalue()


@transaction.atomic
def _insert_refused(value: str) -> None:
    """Insert into a table without policies: of one that has them PostgreSQL shows no values."""
    rows("CREATE TEMP TABLE refusing (name text CONSTRAINT refusing_name CHECK (name = ''))")
    rows("INSERT INTO refusing VALUES (%s)", value)


def test_a_row_that_the_database_refuses_is_logged_without_its_lines(lines: io.StringIO) -> None:
    value = "first-line\nDETAIL: second-line\n\nthird-line"
    with pytest.raises(IntegrityError) as refused:
        _insert_refused(value)
    assert "third-line" in str(refused.value)

    text = _logged(lines, refused.value)

    assert text.count('violates check constraint "refusing_name"') == 2
    assert [word for word in value.split() if word in text and word.endswith("-line")] == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 'told-to-nobody'::uuid",
        "SELECT E'told-to-nobody\n\"more\" told-to-nobody'::uuid",
        "SELECT 'told-to-nobody'::timestamptz",
        "SELECT '{\"a\": told-to-nobody}'::jsonb",
        "SELECT 'told-to-nobody' FROM nothing",
        "DO $$ BEGIN PERFORM 'told-to-nobody'::int; END $$",
    ],
)
def test_a_statement_that_fails_is_logged_without_its_values(lines: io.StringIO, sql: str) -> None:
    with pytest.raises(DatabaseError) as refused, tenancy.system():
        rows(sql)
    assert "told-to-nobody" in str(refused.value)

    text = _logged(lines, refused.value)

    assert "told-to-nobody" not in text
    assert type(refused.value).__name__ in text


def test_an_error_that_led_to_another_is_logged_without_the_value(lines: io.StringIO) -> None:
    value = "-".join(["told", "to", "nobody"])  # the traceback shows this line
    try:
        try:
            with tenancy.system():
                rows(f"SELECT '{value}'::uuid")
        except DatabaseError:
            raise RuntimeError("while cleaning up") from None
    except RuntimeError as error:
        plain, error.__suppress_context__ = error, False

    text = _logged(lines, plain)

    assert "while cleaning up" in text
    assert "invalid input syntax for type uuid" in text
    assert "told-to-nobody" not in text


def test_a_method_that_http_does_not_know_is_not_repeated(lines: io.StringIO) -> None:
    send("X" * 5000, "/me")

    (line,) = _requests(lines)
    assert (line["method"], line["status"]) == ("OTHER", 405)
