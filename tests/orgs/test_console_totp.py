"""The second factor: set up, asked for, used once, replaced by backup codes, taken away."""

import re
import uuid
from datetime import timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts import lockout
from accounts.models import User
from tests.orgs.console import (
    PASSWORD,
    Browser,
    browser_at,
    code_of,
    enrol,
    entries_of,
    make_person,
    new_address,
    secret_of,
    send_code,
    wrong_code_of,
)  # fmt: skip
from tests.statements import at_once, system_rows


@pytest.fixture
def codes(browser: Browser, operator: User) -> list[str]:
    """The backup codes of the operator, who has a second factor."""
    return enrol(browser, operator)


def halfway(user: User) -> Browser:
    """Return a new browser in which the user has given the password and owes the code."""
    browser = browser_at(new_address())
    assert browser.sign_in(user).headers["Location"] == "/admin/login/code/"
    return browser


def is_signed_in(browser: Browser) -> bool:
    return bool(browser.open("/admin/").status_code == 200)


def manage(browser: Browser, act: str, *, password: str = PASSWORD, code: str, **headers: str) -> Any:
    return browser.send("/admin/totp/", {"act": act, "password": password, "code": code}, **headers)


def test_the_page_draws_the_code_itself(browser: Browser, operator: User) -> None:
    page = browser.open("/admin/totp/enrol/").content.decode()

    assert "<svg" in page
    assert secret_of(operator) in page
    assert re.findall(r'(?:src|href)="(?:https?:)?//', page) == []


def test_a_secret_does_not_lie_in_the_database_as_it_is(browser: Browser, operator: User, codes: list[str]) -> None:
    [(kept,)] = system_rows("SELECT secret FROM accounts_totpdevice WHERE user_id = %s", operator.id)

    assert secret_of(operator) not in kept
    assert kept.count(".") == 4


def test_a_secret_stays_readable_when_the_key_of_the_service_is_rotated(
    operator: User, codes: list[str], settings: Settings
) -> None:
    before = secret_of(operator)
    settings.SECRET_KEY_FALLBACKS, settings.SECRET_KEY = [settings.SECRET_KEY], "n" * 20 + "abcdefghijklmno"

    assert send_code(halfway(operator), code_of(operator)).status_code == 302
    # What was used lies under the new key.
    settings.SECRET_KEY_FALLBACKS = []
    assert secret_of(operator) == before


def test_backup_codes_work_when_the_key_of_the_service_is_lost(
    operator: User, codes: list[str], settings: Settings
) -> None:
    settings.SECRET_KEY = "n" * 20 + "abcdefghijklmno"

    assert send_code(halfway(operator), "123456").status_code == 200
    assert send_code(halfway(operator), codes[0]).status_code == 302


def test_a_wrong_code_enrols_nobody(browser: Browser, operator: User) -> None:
    browser.open("/admin/totp/enrol/")
    secret, token = secret_of(operator), browser.client.cookies["csrftoken"].value

    answer = browser.client.post("/admin/totp/enrol/", {"csrfmiddlewaretoken": token, "code": wrong_code_of(operator)})

    assert secret in answer.content.decode()
    assert Browser().sign_in(operator).headers["Location"] == "/admin/"


def test_enrolment_is_audited(browser: Browser, operator: User) -> None:
    name = uuid.uuid4().hex

    enrol(browser, operator, X_Request_Id=name)

    assert entries_of(name) == [("operator.totp-enrolled", f"operator:{operator.id}", str(operator.id), "success")]


def test_enrolment_ends_the_sessions_that_were_begun_without(browser: Browser, operator: User) -> None:
    other = Browser()
    other.sign_in(operator)

    enrol(browser, operator)

    assert (is_signed_in(browser), is_signed_in(other)) == (True, False)


def test_who_is_enrolled_gets_no_other_secret(browser: Browser, operator: User, codes: list[str]) -> None:
    before = secret_of(operator)

    answer = browser.open("/admin/totp/enrol/")

    assert answer.headers["Location"] == "/admin/totp/"
    assert secret_of(operator) == before


def test_the_password_alone_signs_nobody_in(operator: User, codes: list[str]) -> None:
    browser = halfway(operator)

    assert not is_signed_in(browser)
    assert browser.open("/admin/totp/").status_code == 302
    assert browser.open("/admin/sessions/").status_code == 302


def test_password_and_code_sign_in_and_lead_to_where_one_wanted_to_go(operator: User, codes: list[str]) -> None:
    browser, name = browser_at(new_address()), uuid.uuid4().hex
    form = {"username": operator.email, "password": PASSWORD, "next": "/admin/orgs/apikey/"}
    password = browser.send("/admin/login/", form)

    code = send_code(browser, code_of(operator), X_Request_Id=name)

    assert password.headers["Location"] == "/admin/login/code/"
    assert code.headers["Location"] == "/admin/orgs/apikey/"
    assert is_signed_in(browser)
    assert entries_of(name) == [("operator.signed-in", f"operator:{operator.id}", str(operator.id), "success")]


def test_a_code_is_taken_with_a_space_as_authenticators_show_it(operator: User, codes: list[str]) -> None:
    code = code_of(operator)

    assert send_code(halfway(operator), f" {code[:3]} {code[3:]} ").status_code == 302


def test_a_code_is_taken_once(operator: User, codes: list[str]) -> None:
    code = code_of(operator)

    first, second = (send_code(halfway(operator), code).status_code for _ in range(2))

    assert (first, second) == (302, 200)


def test_a_code_of_a_step_before_the_last_one_used_is_not_taken(operator: User, codes: list[str]) -> None:
    later, earlier = code_of(operator, steps=1), code_of(operator)

    first, second = (send_code(halfway(operator), code).status_code for code in (later, earlier))

    assert (first, second) == (302, 200)


@pytest.mark.parametrize("steps", [-3, 3])
def test_a_code_of_another_time_is_not_taken(operator: User, codes: list[str], steps: int) -> None:
    assert send_code(halfway(operator), code_of(operator, steps=steps)).status_code == 200


def test_of_two_who_send_the_same_code_at_once_one_is_signed_in(operator: User, codes: list[str]) -> None:
    browsers, code = [halfway(operator) for _ in range(2)], code_of(operator)

    answers = at_once(*[lambda browser=browser: send_code(browser, code).status_code for browser in browsers])

    assert sorted(map(str, answers)) == ["200", "302"]


def test_of_two_who_send_the_same_backup_code_at_once_one_is_signed_in(operator: User, codes: list[str]) -> None:
    browsers = [halfway(operator) for _ in range(2)]

    answers = at_once(*[lambda browser=browser: send_code(browser, codes[0]).status_code for browser in browsers])

    assert sorted(map(str, answers)) == ["200", "302"]


def test_ten_backup_codes_are_shown_of_which_only_digests_are_kept(operator: User, codes: list[str]) -> None:
    kept = system_rows("SELECT digest FROM accounts_backupcode WHERE user_id = %s", operator.id)

    assert (len(set(codes)), len(kept)) == (10, 10)
    assert {len(digest) for (digest,) in kept} == {32}


@pytest.mark.parametrize("written", [str, str.upper, lambda code: code.replace("-", "")], ids=["so", "upper", "bare"])
def test_a_backup_code_signs_in_once(operator: User, codes: list[str], written: Any) -> None:
    name = uuid.uuid4().hex

    first = send_code(halfway(operator), written(codes[3]), X_Request_Id=name).status_code
    second = send_code(halfway(operator), written(codes[3])).status_code

    assert (first, second) == (302, 200)
    assert [action for action, *_ in entries_of(name)] == ["operator.backup-code-used", "operator.signed-in"]


def test_a_backup_code_of_another_operator_is_not_taken(operator: User, codes: list[str]) -> None:
    other, browser = make_person(operator=True), Browser()
    browser.sign_in(other)
    enrol(browser, other)

    assert send_code(halfway(other), codes[0]).status_code == 200


def test_wrong_codes_are_counted_and_audited_as_failed_sign_ins(operator: User, codes: list[str]) -> None:
    browser, name = halfway(operator), uuid.uuid4().hex

    send_code(browser, wrong_code_of(operator), X_Request_Id=name)
    for _ in range(4):
        send_code(browser, wrong_code_of(operator))
    answer = send_code(browser, code_of(operator))

    assert entries_of(name) == [("operator.refused", "anonymous", str(operator.id), "refused")]
    assert lockout.REFUSAL in answer.content.decode()
    assert not is_signed_in(browser)


def test_the_right_password_in_between_does_not_renew_the_tries_of_codes(operator: User, codes: list[str]) -> None:
    browser = halfway(operator)
    for _ in range(4):
        send_code(browser, wrong_code_of(operator))
        browser.sign_in(operator)
    send_code(browser, wrong_code_of(operator))

    assert lockout.REFUSAL in browser.sign_in(operator).content.decode()


def test_the_second_step_is_nothing_without_the_first(operator: User, codes: list[str]) -> None:
    browser = browser_at(new_address())
    browser.open("/admin/login/")
    token = browser.client.cookies["csrftoken"].value

    opened = browser.open("/admin/login/code/")
    sent = browser.client.post("/admin/login/code/", {"csrfmiddlewaretoken": token, "code": code_of(operator)})

    assert (opened.headers["Location"], sent.headers["Location"]) == ("/admin/login/", "/admin/login/")


@pytest.mark.parametrize("change", ["is_active = false", "is_staff = false", "password = 'changed'"])
def test_the_second_step_is_over_once_the_first_would_fail(operator: User, codes: list[str], change: str) -> None:
    browser = halfway(operator)
    system_rows(f"UPDATE accounts_user SET {change} WHERE id = %s", operator.id)

    assert browser.open("/admin/login/code/").headers["Location"] == "/admin/login/"


def test_the_second_step_has_to_come_within_minutes(
    operator: User, codes: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("orgs.sign_in.HELD_FOR", timedelta(0))
    browser = halfway(operator)

    assert browser.open("/admin/login/code/").headers["Location"] == "/admin/login/"


def test_taking_it_away_needs_password_and_code_and_is_audited(
    browser: Browser, operator: User, codes: list[str]
) -> None:
    name = uuid.uuid4().hex

    answer = manage(browser, "remove", code=code_of(operator), X_Request_Id=name)

    assert answer.status_code == 302
    assert Browser().sign_in(operator).headers["Location"] == "/admin/"
    assert entries_of(name) == [("operator.totp-removed", f"operator:{operator.id}", str(operator.id), "success")]
    assert system_rows("SELECT 1 FROM accounts_backupcode WHERE user_id = %s", operator.id) == []


@pytest.mark.parametrize("act", ["remove", "codes"])
@pytest.mark.parametrize("wrong", ["password", "code"])
def test_half_of_it_changes_nothing(browser: Browser, operator: User, codes: list[str], act: str, wrong: str) -> None:
    given = {"password": PASSWORD, "code": code_of(operator)}
    given[wrong] = "a wrong guess" if wrong == "password" else wrong_code_of(operator)

    answer = manage(browser, act, **given)

    assert "The password or the code is wrong." in answer.content.decode()
    assert send_code(halfway(operator), codes[0]).status_code == 302


def test_guessing_at_it_from_an_open_console_is_counted(operator: User) -> None:
    browser = browser_at(new_address())
    browser.sign_in(operator)
    enrol(browser, operator)
    for _ in range(5):
        manage(browser, "remove", password="a wrong guess", code=wrong_code_of(operator))

    answer = manage(browser, "remove", code=code_of(operator))

    assert lockout.REFUSAL in answer.content.decode()


def test_new_backup_codes_replace_the_old_ones(browser: Browser, operator: User, codes: list[str]) -> None:
    name = uuid.uuid4().hex

    page = manage(browser, "codes", code=code_of(operator), X_Request_Id=name).content.decode()

    new = re.findall(r"\b(?:[a-z2-7]{4}-){3}[a-z2-7]{4}\b", page)
    assert len(set(new) - set(codes)) == 10
    assert send_code(halfway(operator), codes[0]).status_code == 200
    assert send_code(halfway(operator), new[0]).status_code == 302
    assert [action for action, *_ in entries_of(name)] == ["operator.backup-codes-made"]


def choose(browser: Browser, *users: User, **headers: str) -> Any:
    form = {"action": "reset_totp", "_selected_action": [str(user.id) for user in users]}
    return browser.send("/admin/accounts/user/", form, **headers)


def test_another_operator_takes_it_away_which_ends_the_sessions(browser: Browser, operator: User) -> None:
    other, theirs, name = make_person(operator=True), Browser(), uuid.uuid4().hex
    theirs.sign_in(other)
    enrol(theirs, other)

    choose(browser, other, X_Request_Id=name)

    assert not is_signed_in(theirs)
    assert Browser().sign_in(other).headers["Location"] == "/admin/"
    assert entries_of(name) == [("operator.totp-reset", f"operator:{operator.id}", str(other.id), "success")]


def test_nobody_takes_their_own_away_without_a_code(browser: Browser, operator: User, codes: list[str]) -> None:
    answer = choose(browser, operator)

    assert "Your own you take away yourself" in browser.open(answer.headers["Location"]).content.decode()
    assert browser_at(new_address()).sign_in(operator).headers["Location"] == "/admin/login/code/"


def test_where_it_is_required_an_operator_without_sees_nothing_else(browser: Browser, settings: Settings) -> None:
    settings.CONSOLE_TOTP = "required"
    paths = ["/admin/", "/admin/accounts/user/", "/admin/orgs/apikey/add/", "/admin/totp/", "/admin/sessions/",
             "/admin/autocomplete/", "/admin/nothing/", "/admin/accounts/"]  # fmt: skip

    answers = [browser.open(path) for path in paths]

    assert {answer.headers.get("Location") for answer in answers} == {"/admin/totp/enrol/"}


def test_where_it_is_required_an_operator_with_it_sees_everything(
    browser: Browser, operator: User, settings: Settings
) -> None:
    settings.CONSOLE_TOTP = "required"

    enrol(browser, operator)

    assert is_signed_in(browser)


def test_where_it_is_required_an_operator_without_may_still_sign_out(browser: Browser, settings: Settings) -> None:
    settings.CONSOLE_TOTP = "required"
    token = browser.client.cookies["csrftoken"].value

    answer = browser.client.post("/admin/logout/", {"csrfmiddlewaretoken": token})

    assert answer.status_code == 200
    assert browser.open("/admin/").headers["Location"].startswith("/admin/login/")


HOSTILE = ["\0", "", " ", "0" * 10_000, "-1", "+12345", "1e5", "１２３４５６", "٣٣٣٣٣٣", "00000a", "😀" * 6, "0x1234"]


@pytest.mark.parametrize("code", HOSTILE, ids=lambda code: repr(code)[:12])
def test_anything_may_be_sent_as_a_code(browser: Browser, operator: User, codes: list[str], code: str) -> None:
    step = halfway(operator)
    step.client.raise_request_exception = browser.client.raise_request_exception = False

    answers = [send_code(step, code), manage(browser, "remove", code=code), manage(browser, code, code=code)]

    assert {answer.status_code for answer in answers} == {200}
    assert not is_signed_in(step)
