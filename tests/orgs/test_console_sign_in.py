"""Who gets into the operators' console, what the trail says of it, and that the API knows nothing of its sessions."""

import uuid

import pytest

from accounts.models import User
from orgs.models import Organization
from tests import factories
from tests.factories import Caller
from tests.orgs.console import PASSWORD, Browser, entries_of, make_person
from tests.statements import statements


def request_id() -> str:
    return uuid.uuid4().hex


def test_the_console_asks_to_sign_in() -> None:
    answer = Browser().open("/admin/")

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/login/?next=/admin/")


def test_the_sign_in_page_has_the_form() -> None:
    answer = Browser().open("/admin/login/")

    assert answer.status_code == 200
    assert b"Holdfast" in answer.content
    assert b'name="password"' in answer.content


def test_an_operator_signs_in_with_the_address_in_any_case(operator: User) -> None:
    browser, name = Browser(), request_id()
    operator.email = operator.email.upper()

    answer = browser.sign_in(operator, X_Request_Id=name)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/")
    assert browser.open("/admin/").status_code == 200
    assert entries_of(name) == [("operator.signed-in", f"operator:{operator.id}", str(operator.id), "success")]


def test_a_wrong_password_is_refused_and_audited(operator: User) -> None:
    browser, name = Browser(), request_id()

    answer = browser.sign_in(operator, "wrong password", X_Request_Id=name)

    assert answer.status_code == 200
    assert browser.open("/admin/").status_code == 302
    assert entries_of(name) == [("operator.refused", "anonymous", str(operator.id), "refused")]


def test_an_unknown_address_is_audited_without_what_was_typed(quick_passwords: None) -> None:
    """It may have been the password."""
    browser, name = Browser(), request_id()

    browser.send("/admin/login/", {"username": PASSWORD, "password": "x"}, X_Request_Id=name)

    assert entries_of(name) == [("operator.refused", "anonymous", "", "refused")]


def test_a_user_who_is_no_operator_is_refused_and_audited(quick_passwords: None) -> None:
    browser, name, person = Browser(), request_id(), make_person(operator=False)

    answer = browser.sign_in(person, X_Request_Id=name)

    assert answer.status_code == 200
    assert browser.open("/admin/").status_code == 302
    assert entries_of(name) == [("operator.refused", "anonymous", str(person.id), "refused")]


def test_a_deactivated_operator_is_refused(operator: User, browser: Browser) -> None:
    other = make_person(operator=True)
    browser.send(f"/admin/accounts/user/{other.id}/change/", {"email": other.email, "is_staff": "on"})

    answer = Browser().sign_in(other)

    assert answer.status_code == 200


def test_signing_in_without_the_forms_token_is_refused(operator: User) -> None:
    browser = Browser()
    browser.open("/admin/login/")

    answer = browser.client.post("/admin/login/", {"username": operator.email, "password": PASSWORD})

    assert answer.status_code == 403
    assert "sessionid" not in browser.client.cookies


@pytest.mark.parametrize("path", ["/admin/orgs/apikey/", "/admin/accounts/user/add/", "/admin/logout/"])
def test_a_post_without_the_forms_token_is_refused(browser: Browser, path: str) -> None:
    answer = browser.client.post(path, {"action": "revoke"})

    assert answer.status_code == 403


def test_signing_out_ends_the_session_and_is_audited(browser: Browser, operator: User) -> None:
    token, name = browser.client.cookies["csrftoken"].value, request_id()

    browser.client.post("/admin/logout/", {"csrfmiddlewaretoken": token}, headers={"X-Request-Id": name})

    assert browser.open("/admin/").status_code == 302
    assert entries_of(name) == [("operator.signed-out", f"operator:{operator.id}", str(operator.id), "success")]


def test_changing_ones_own_password_works_and_is_audited(browser: Browser, operator: User) -> None:
    name, new = request_id(), "another horse battery staple"
    form = {"old_password": PASSWORD, "new_password1": new, "new_password2": new}

    answer = browser.send("/admin/password_change/", form, X_Request_Id=name)

    assert (answer.status_code, answer.headers["Location"]) == (302, "/admin/password_change/done/")
    assert browser.open("/admin/password_change/done/").status_code == 200
    assert Browser().sign_in(operator, new).status_code == 302
    assert entries_of(name) == [("user.password-changed", f"operator:{operator.id}", str(operator.id), "success")]


def test_a_wrong_old_password_is_refused_and_audited_without_it(browser: Browser, operator: User) -> None:
    name, new = request_id(), "another horse battery staple"
    form = {"old_password": "a wrong guess", "new_password1": new, "new_password2": new}

    answer = browser.send("/admin/password_change/", form, X_Request_Id=name)

    assert answer.status_code == 200
    assert Browser().sign_in(operator).status_code == 302
    assert entries_of(name) == [("user.password-changed", f"operator:{operator.id}", str(operator.id), "refused")]


def test_the_session_cookie_is_out_of_reach_of_scripts_and_other_sites(browser: Browser) -> None:
    cookie = browser.client.cookies["sessionid"]

    assert cookie["httponly"]
    assert cookie["samesite"] == "Lax"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-Frame-Options", "DENY"),
        ("X-Content-Type-Options", "nosniff"),
        ("Referrer-Policy", "same-origin"),
        ("Cross-Origin-Opener-Policy", "same-origin"),
    ],
)
def test_the_console_sends_security_headers(browser: Browser, name: str, value: str) -> None:
    assert browser.open("/admin/").headers[name] == value


def test_the_pages_of_the_console_are_not_cached(browser: Browser) -> None:
    assert "no-store" in browser.open("/admin/orgs/apikey/").headers["Cache-Control"]


def test_an_operators_session_is_no_key_to_the_api(browser: Browser) -> None:
    answer = browser.open("/api/v1/me")

    assert answer.status_code == 401


def test_api_paths_have_no_session(browser: Browser, organization: Organization) -> None:
    key = factories.make_key(organization).text
    factories.create_session(Caller(key))

    with statements() as sent:
        answer = browser.open("/api/v1/me", Authorization=f"Bearer {key}")

    assert answer.status_code == 200
    assert "Set-Cookie" not in answer.headers
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert [sql for sql in sent if "accounts_consolesession" in sql or "accounts_user" in sql] == []
