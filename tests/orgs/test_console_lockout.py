"""Guessing at the console: counted, made to wait, told to nobody, and lifted by another operator."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import urlencode

import pytest
from django.db import connection
from pytest_django import Settings

from accounts import lockout
from accounts.models import User
from tests.orgs.console import PASSWORD, Browser, browser_at, entries_of, make_person, new_address
from tests.statements import at_once, system_rows

WRONG = "a wrong guess of mine"


@pytest.fixture
def stranger() -> Browser:
    return browser_at(new_address())


def guess(browser: Browser, user: User, times: int, password: str = WRONG) -> list[Any]:
    return [browser.sign_in(user, password) for _ in range(times)]


def told(answer: Any) -> str:
    return re.sub(r'value="[^"]*"', "", answer.content.decode())


def test_the_right_password_is_refused_after_five_wrong_ones(operator: User, stranger: Browser) -> None:
    guess(stranger, operator, 5)

    answer = stranger.sign_in(operator)

    assert answer.status_code == 200
    assert lockout.REFUSAL in answer.content.decode()
    assert stranger.open("/admin/").status_code == 302


def test_the_right_password_works_after_four_wrong_ones(operator: User, stranger: Browser) -> None:
    guess(stranger, operator, 4)

    assert stranger.sign_in(operator).status_code == 302


def test_a_wait_of_a_stranger_is_not_the_operators(operator: User, stranger: Browser) -> None:
    guess(stranger, operator, 6)

    assert browser_at(new_address()).sign_in(operator).status_code == 302


@pytest.mark.parametrize(("proxies", "status"), [(1, 302), (0, 200)])
def test_an_address_is_the_one_that_the_trusted_proxies_name(
    operator: User, stranger: Browser, settings: Settings, proxies: int, status: int
) -> None:
    settings.TRUSTED_PROXIES = proxies
    for _ in range(6):
        stranger.sign_in(operator, WRONG, X_Forwarded_For=new_address())

    assert stranger.sign_in(operator, X_Forwarded_For=new_address()).status_code == status


def test_an_address_nobody_has_is_answered_as_one_that_somebody_has(operator: User) -> None:
    nobody = User(email=f"{uuid.uuid4().hex}@example.com")

    answers = [[told(answer) for answer in guess(browser_at(new_address()), user, 7)] for user in (operator, nobody)]

    assert answers[0] == answers[1]
    assert [lockout.REFUSAL in page for page in answers[0]] == [False] * 5 + [True] * 2


def test_someone_who_is_no_operator_waits_too(quick_passwords: None, stranger: Browser) -> None:
    person = make_person(operator=False)

    answers = guess(stranger, person, 6, PASSWORD)

    assert [lockout.REFUSAL in answer.content.decode() for answer in answers] == [False] * 5 + [True]


def test_the_beginning_of_a_wait_is_audited(operator: User, stranger: Browser) -> None:
    guess(stranger, operator, 4)
    fifth, sixth = uuid.uuid4().hex, uuid.uuid4().hex

    stranger.sign_in(operator, WRONG, X_Request_Id=fifth)
    stranger.sign_in(operator, WRONG, X_Request_Id=sixth)

    assert entries_of(fifth) == [
        ("operator.refused", "anonymous", str(operator.id), "refused"),
        ("operator.locked-out", "anonymous", str(operator.id), "refused"),
    ]
    assert entries_of(sixth) == []
    [(detail,)] = system_rows(
        "SELECT detail::text FROM audit_entry WHERE request_id = %s AND action = 'operator.locked-out'", fifth
    )
    assert json.loads(detail) == {"limit": "account-and-address", "minutes": 15}


def test_a_fifth_try_that_is_right_is_no_wait(operator: User, stranger: Browser) -> None:
    guess(stranger, operator, 4)
    name = uuid.uuid4().hex

    stranger.sign_in(operator, X_Request_Id=name)

    assert [action for action, *_ in entries_of(name)] == ["operator.signed-in"]


def test_a_failure_counts_although_its_request_fails(operator: User, stranger: Browser) -> None:
    def fail(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        if 'INSERT INTO "audit_entry"' in sql:
            raise LookupError("a defect")
        return execute(sql, *rest)

    stranger.client.raise_request_exception = False
    with connection.execute_wrapper(fail):
        statuses = {answer.status_code for answer in guess(stranger, operator, 4)}
    guess(stranger, operator, 1)

    assert statuses == {500}
    assert lockout.REFUSAL in stranger.sign_in(operator).content.decode()


def test_guesses_at_the_same_time_are_no_more_than_the_limit(operator: User) -> None:
    address = new_address()
    browsers = [browser_at(address) for _ in range(9)]

    answers = at_once(*[lambda browser=browser: browser.sign_in(operator, WRONG) for browser in browsers])

    refused = [lockout.REFUSAL in answer.content.decode() for answer in answers]  # type: ignore[union-attr]
    assert sorted(refused) == [False] * 5 + [True] * 4


def test_a_form_without_its_token_is_no_try(operator: User, stranger: Browser) -> None:
    """Another site could send them from the operator's browser."""
    form = {"username": operator.email, "password": WRONG}
    statuses = {stranger.client.post("/admin/login/", form).status_code for _ in range(6)}

    assert statuses == {403}
    assert stranger.sign_in(operator).status_code == 302


def test_guessing_the_old_password_at_an_open_console_is_counted(operator: User) -> None:
    browser, new = browser_at(new_address()), "another horse battery staple"
    browser.sign_in(operator)

    def change(old: str) -> Any:
        return browser.send(
            "/admin/password_change/", {"old_password": old, "new_password1": new, "new_password2": new}
        )

    for _ in range(5):
        change(WRONG)

    assert lockout.REFUSAL in change(PASSWORD).content.decode()


def test_a_new_password_that_is_refused_is_no_failed_try(operator: User) -> None:
    browser = browser_at(new_address())
    browser.sign_in(operator)
    form = {"old_password": PASSWORD, "new_password1": "short", "new_password2": "short"}

    answers = [browser.send("/admin/password_change/", form).content.decode() for _ in range(6)]

    assert all("too short" in page and lockout.REFUSAL not in page for page in answers)


def test_another_operator_ends_a_wait(browser: Browser, stranger: Browser, operator: User) -> None:
    locked, name = make_person(operator=True), uuid.uuid4().hex
    guess(stranger, locked, 6)

    browser.send("/admin/accounts/user/", {"action": "unlock", "_selected_action": [str(locked.id)]}, X_Request_Id=name)

    assert stranger.sign_in(locked).status_code == 302
    assert entries_of(name) == [("operator.unlocked", f"operator:{operator.id}", str(locked.id), "success")]


def test_an_operator_who_may_only_look_ends_no_wait(quick_passwords: None, stranger: Browser) -> None:
    onlooker, locked = make_person(operator=True), make_person(operator=True)
    system_rows("UPDATE accounts_user SET is_superuser = false WHERE id = %s", onlooker.id)
    system_rows(
        "INSERT INTO accounts_user_user_permissions (user_id, permission_id)"
        " SELECT %s, id FROM auth_permission WHERE codename IN ('view_user', 'change_user')",
        onlooker.id,
    )
    guess(stranger, locked, 6)
    browser = browser_at(new_address())
    browser.sign_in(onlooker)

    browser.client.post(
        "/admin/accounts/user/",
        {
            "csrfmiddlewaretoken": browser.client.cookies["csrftoken"].value,
            "action": "unlock",
            "_selected_action": [str(locked.id)],
        },
    )

    assert lockout.REFUSAL in stranger.sign_in(locked).content.decode()


HOSTILE = ["\0", "a\0b", "", " ", "x" * 300, "x" * 300_000, "\ud800", "😀" * 64, "%00", "' OR 1=1 --", "ⅷ@example.com"]


def send_bytes(browser: Browser, form: dict[str, Any]) -> Any:
    browser.open("/admin/login/")
    token = browser.client.cookies["csrftoken"].value
    body = urlencode({"csrfmiddlewaretoken": token, **form}, doseq=True)
    return browser.client.post("/admin/login/", body, content_type="application/x-www-form-urlencoded")


@pytest.mark.parametrize("typed", HOSTILE, ids=lambda typed: repr(typed)[:12])
def test_a_sign_in_takes_whatever_is_typed(operator: User, stranger: Browser, typed: str) -> None:
    stranger.client.raise_request_exception = False
    raw = typed.encode(errors="surrogatepass")
    forms: list[dict[str, Any]] = [
        {"username": raw, "password": WRONG},
        {"username": operator.email, "password": raw},
        {"username": [raw, raw], "password": [raw]},
    ]

    answers = [send_bytes(stranger, form) for form in forms]

    assert {answer.status_code for answer in answers} == {200}


def test_a_body_that_is_no_form_is_no_failure_of_ours(stranger: Browser) -> None:
    stranger.client.raise_request_exception = False
    kinds = ["multipart/form-data; boundary=x", "multipart/form-data", "application/json", "text/plain"]

    statuses = [stranger.client.post("/admin/login/", b"--x\r\n\0", content_type=kind).status_code for kind in kinds]

    assert max(statuses) < 500
