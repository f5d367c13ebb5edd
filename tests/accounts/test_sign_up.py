"""POST /signup: a user, an organization and a first key, all or nothing."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from pytest_django import Settings

from accounts.models import User
from api.requests import MIB
from orgs import tenancy
from orgs.models import Membership, Organization, Role
from orgs.permissions import EVERYTHING, including
from orgs.services import constraints, signing_up
from tests.api.wire import send
from tests.factories import Answer, Caller
from tests.statements import at_once, audit_of, events_of, system_rows, wait_until_someone_waits

# What GET /me says of any key.
KEYS_OWN = {"organization", "actor_type", "actor_id", "api_key_id", "role", "scopes"}
PASSWORD = "correct horse battery staple"


@pytest.fixture(autouse=True)
def open_to_strangers(settings: Settings) -> None:
    settings.SIGNUP = "open"
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def form(**changes: Any) -> dict[str, Any]:
    name = uuid.uuid4().hex[:16]
    organization = {"name": "Analytical Engines", "slug": f"org-{name}"} | changes.pop("organization", {})
    return {"email": f"Ada-{name}@example.com", "password": PASSWORD, "organization": organization} | changes


def sign_up(body: dict[str, Any]) -> Answer:
    return Caller("").post("/signup", body)


def is_there(body: dict[str, Any]) -> tuple[bool, bool]:
    """Tell whether the user, and whether the organization, of this form exists."""
    with tenancy.system():
        return (
            User.objects.with_email(body["email"]).exists(),
            Organization.objects.filter(slug=body["organization"]["slug"]).exists(),
        )


def test_sign_up_makes_a_user_who_owns_the_organization() -> None:
    body = form(display_name=" Ada ")

    made = sign_up(body).json

    assert made["user"] == {"id": made["user"]["id"], "email": body["email"], "display_name": "Ada"}
    assert made["organization"]["owner_id"] == made["user"]["id"]
    with tenancy.system():
        membership = Membership.objects.get(organization_id=made["organization"]["id"])
    assert (str(membership.user_id), membership.role) == (made["user"]["id"], Role.OWNER)


def test_the_shown_key_works_and_acts_as_the_user_with_every_scope() -> None:
    made = sign_up(form()).json

    me = Caller(made["api_key"]["key"]).get("/me")

    assert me.status == 200
    assert me.json["user"]["id"] == made["user"]["id"]
    assert {name: value for name, value in me.json.items() if name in KEYS_OWN} == {
        "organization": made["organization"],
        "actor_type": "user",
        "actor_id": made["user"]["id"],
        "api_key_id": made["api_key"]["id"],
        "role": "owner",
        "scopes": sorted(including(EVERYTHING)),
    }


def test_the_password_is_kept_as_a_hash_only() -> None:
    made = sign_up(form()).json

    [(password,)] = system_rows("SELECT password FROM accounts_user WHERE id = %s", made["user"]["id"])

    assert PASSWORD not in password


def test_sign_up_writes_one_event_for_each_subject() -> None:
    made = sign_up(form()).json

    found = [events_of(made[subject]["id"]) for subject in ("organization", "api_key")]

    assert [[(event["generation"], event["type"]) for event in events] for events in found] == [
        [(1, "organization.created")],
        [(1, "api-key.created")],
    ]


def test_sign_up_is_audited_in_the_new_organization() -> None:
    made = sign_up(form()).json

    with tenancy.system():
        entries = audit_of(Organization.objects.get(id=made["organization"]["id"]))

    assert [entry["action"] for entry in entries] == ["organization.created", "membership.created", "api-key.created"]
    assert {entry["actor"] for entry in entries} == {f"user:{made['user']['id']}"}


@pytest.mark.parametrize(
    "password", ["short", "1qaz2wsx3edc", "123456789012345", ""], ids=["short", "common", "digits", "empty"]
)
def test_sign_up_refuses_a_weak_password(password: str) -> None:
    body = form(password=password)

    answer = sign_up(body)

    assert (answer.status, answer.code) == (422, "weak-password")
    assert is_there(body) == (False, False)


def test_sign_up_refuses_the_address_as_password() -> None:
    body = form()

    answer = sign_up(body | {"password": body["email"]})

    assert (answer.status, answer.code) == (422, "weak-password")


@pytest.mark.parametrize(
    "changes",
    [
        {"email": "nobody"},
        {"email": "two words@example.com"},
        {"organization": {"slug": "Upper"}},
        {"organization": {"slug": "-edge"}},
        {"organization": {"slug": "a" * 64}},
        {"organization": {"slug": "line\n"}},
        {"organization": {"name": " "}},
        {"is_staff": True},
    ],
)
def test_sign_up_refuses_a_form_that_is_not_filled_in_well(changes: dict[str, Any]) -> None:
    answer = sign_up(form(**changes))

    assert (answer.status, answer.code) == (422, "invalid")


def test_closed_sign_up_makes_nothing(settings: Settings) -> None:
    settings.SIGNUP = "closed"
    body = form()

    answer = sign_up(body)

    assert (answer.status, answer.code) == (403, "sign-up-closed")
    assert is_there(body) == (False, False)


@pytest.mark.parametrize("body", [b"", b"{", b"{}", b"x" * (MIB + 1)], ids=["none", "broken", "empty", "large"])
def test_closed_sign_up_looks_at_no_body(settings: Settings, body: bytes) -> None:
    settings.SIGNUP = "closed"

    answer = send("POST", "/signup", body)

    assert (answer.status, answer.code) == (403, "sign-up-closed")


def test_an_address_signs_up_once_whatever_its_case() -> None:
    first = form()
    sign_up(first)
    second = form(email=first["email"].swapcase())

    answer = sign_up(second)

    assert (answer.status, answer.code) == (409, "email-taken")
    assert is_there(second) == (True, False)


def test_a_taken_slug_leaves_no_user_behind() -> None:
    first = form()
    sign_up(first)
    second = form(organization=first["organization"])

    answer = sign_up(second)

    assert (answer.status, answer.code) == (409, "slug-taken")
    assert is_there(second) == (False, True)


def test_a_failure_at_the_last_step_leaves_nothing_behind() -> None:
    """The database refuses the key, as it would when it broke half-way."""
    body = form()

    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if sql.startswith('INSERT INTO "orgs_apikey"'):
            sql = "SELECT 1 / 0"
            return execute(sql, None, *rest[1:])
        return execute(sql, *rest)

    with connection.execute_wrapper(fail):
        answer = sign_up(body)

    assert (answer.status, answer.code) == (500, "internal-error")
    assert is_there(body) == (False, False)


def test_of_two_sign_ups_with_one_address_at_once_exactly_one_wins() -> None:
    first = form()
    second = form(email=first["email"].upper())

    answers = at_once(lambda: sign_up(first), lambda: sign_up(second))

    assert all(isinstance(answer, Answer) for answer in answers), answers
    assert sorted(answer.status for answer in answers if isinstance(answer, Answer)) == [201, 409]


def test_of_two_sign_ups_with_one_slug_at_once_exactly_one_wins() -> None:
    first = form()
    second = form(organization=first["organization"])

    answers = at_once(lambda: sign_up(first), lambda: sign_up(second))

    assert sorted((is_there(first)[0], is_there(second)[0])) == [False, True]
    refused = [answer for answer in answers if isinstance(answer, Answer) and answer.status == 409]
    assert [answer.code for answer in refused] == ["slug-taken"]


def test_a_sign_up_that_waits_for_another_is_refused_once_that_commits() -> None:
    """The overlap that timing alone rarely meets: the first has inserted its user and has not committed."""
    body, inserted = form(), threading.Event()
    fields = {"display_name": "", "password": PASSWORD, "name": "One"}

    def second() -> Any:
        inserted.wait(10)
        try:
            return signing_up.sign_up(email=body["email"].upper(), slug=f"org-{uuid.uuid4().hex[:8]}", **fields)
        except constraints.EmailTaken as error:
            return error

    def first() -> Any:
        with tenancy.system():
            made = signing_up.sign_up(email=body["email"], slug=f"org-{uuid.uuid4().hex[:8]}", **fields)
            inserted.set()
            wait_until_someone_waits()
            return made

    results: list[Any] = at_once(first, second)

    assert isinstance(results[0], signing_up.SignUp)
    assert isinstance(results[1], constraints.EmailTaken)


@pytest.mark.parametrize("header", [{}, {"Idempotency_Key": "sign-up-once"}], ids=["plain", "idempotent"])
def test_a_refused_sign_up_can_be_made_good(header: dict[str, str]) -> None:
    body = form(password="short")
    Caller("").post("/signup", body, **header)

    answer = Caller("").post("/signup", body | {"password": PASSWORD}, **header)

    assert answer.status == 201
