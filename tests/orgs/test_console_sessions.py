"""The console's sessions: listed, ended by who owns them and by other operators, over by age and by idleness."""

import json
import uuid
from datetime import datetime, timedelta
from typing import Any

import pytest
from django.contrib.sessions.backends.base import UpdateError
from pytest_django import Settings

from accounts.console_sessions import SessionStore, digest
from accounts.models import ConsoleSession, User
from orgs import tenancy
from tests import factories
from tests.orgs.console import (
    PASSWORD,
    Browser,
    browser_at,
    code_of,
    enrol,
    entries_of,
    make_person,
    new_address,
    send_code,
)
from tests.statements import rows, statements, system_rows

HOSTILE = ["\0", "foo", "0", "9" * 5000, "' OR 1=1", "😀", factories.UNKNOWN_ID]


def signed_in(user: User, **headers: str) -> Browser:
    browser = browser_at(new_address())
    browser.sign_in(user, **headers)
    return browser


def session_of(browser: Browser) -> ConsoleSession:
    with tenancy.system():
        return ConsoleSession.objects.get(session_key=digest(browser.client.cookies["sessionid"].value))


def is_signed_in(browser: Browser) -> bool:
    return bool(browser.open("/admin/").status_code == 200)


def end(browser: Browser, session: object = "", **headers: str) -> Any:
    return browser.send("/admin/sessions/", {"session": str(session)}, **headers)


def age(browser: Browser, *, started: timedelta = timedelta(0), seen: timedelta = timedelta(0)) -> None:
    """Have the session be older, as if the clock had gone on."""
    row = session_of(browser)
    row.started_at -= started
    row.last_seen_at -= seen
    row.expire_date = row.end(row.started_at, row.last_seen_at)
    with tenancy.system():
        row.save()


def test_the_key_of_a_session_is_kept_as_a_digest(browser: Browser) -> None:
    key = browser.client.cookies["sessionid"].value

    kept = system_rows("SELECT session_key, session_data FROM accounts_consolesession")

    assert digest(key) in [kept_key for kept_key, _ in kept]
    assert not any(key in part for row in kept for part in row)


def test_what_is_kept_of_a_key_signs_nobody_in(browser: Browser) -> None:
    thief = Browser()
    thief.client.cookies["sessionid"] = session_of(browser).session_key

    assert not is_signed_in(thief)


def test_an_operator_sees_their_own_sessions_alone(operator: User) -> None:
    browser, other = signed_in(operator), signed_in(operator, User_Agent="Lynx/2.9")
    other.open("/admin/")
    stranger = signed_in(make_person(operator=True))

    page = browser.open("/admin/sessions/").content.decode()

    address, theirs = session_of(other).address, session_of(stranger).address
    assert page.count("This one") == 1
    assert "Lynx/2.9" in page
    assert str(address) in page
    assert str(session_of(browser).address) in page
    assert str(theirs) not in page


def test_ending_one_session_leaves_the_others(operator: User) -> None:
    browser, second, third = (signed_in(operator) for _ in range(3))
    name = uuid.uuid4().hex

    end(browser, session_of(second).id, X_Request_Id=name)

    assert [is_signed_in(one) for one in (browser, second, third)] == [True, False, True]
    assert entries_of(name) == [("operator.session-ended", f"operator:{operator.id}", str(operator.id), "success")]


def test_ending_all_others_leaves_this_one(operator: User) -> None:
    browser, second, third = (signed_in(operator) for _ in range(3))
    stranger, name = signed_in(make_person(operator=True)), uuid.uuid4().hex

    end(browser, X_Request_Id=name)

    assert [is_signed_in(one) for one in (browser, second, third, stranger)] == [True, False, False, True]
    [(detail,)] = system_rows("SELECT detail::text FROM audit_entry WHERE request_id = %s", name)
    assert json.loads(detail) == {"sessions": 2}


def test_anothers_session_is_not_ended_on_ones_own_page(browser: Browser) -> None:
    stranger = signed_in(make_person(operator=True))

    end(browser, session_of(stranger).id)

    assert is_signed_in(stranger)


@pytest.mark.parametrize("chosen", HOSTILE, ids=lambda chosen: repr(chosen)[:12])
def test_anything_may_be_sent_as_a_session(browser: Browser, operator: User, chosen: str) -> None:
    other = signed_in(operator)
    browser.client.raise_request_exception = False

    answer = end(browser, chosen)

    assert answer.status_code in (200, 302)
    assert is_signed_in(other)


@pytest.mark.parametrize("key", ["", "x", "y" * 32, "z" * 4000, "\0" * 40, "ü" * 40], ids=lambda key: repr(key)[:8])
def test_anything_may_be_sent_as_a_cookie(key: str) -> None:
    browser = Browser()
    browser.client.raise_request_exception = False
    browser.client.cookies["sessionid"] = key

    assert browser.open("/admin/").status_code == 302


@pytest.mark.parametrize("agent", ["", "x" * 5000, "\0\x1b[31m", "ÿ"], ids=lambda agent: repr(agent)[:8])
def test_anything_may_be_the_name_of_a_browser(operator: User, agent: str) -> None:
    browser = signed_in(operator, User_Agent=agent)

    assert len(session_of(browser).user_agent) <= 300


def test_an_operator_who_may_do_everything_ends_the_sessions_of_another(browser: Browser, operator: User) -> None:
    other, name = make_person(operator=True), uuid.uuid4().hex
    theirs = signed_in(other)
    session = session_of(theirs)

    listed = browser.open("/admin/accounts/consolesession/").content.decode()
    form = {"action": "end", "_selected_action": [str(session.id)]}
    browser.send("/admin/accounts/consolesession/", form, X_Request_Id=name)

    assert other.email in listed
    assert session.session_key not in listed
    assert not is_signed_in(theirs)
    assert entries_of(name) == [("operator.session-ended", f"operator:{operator.id}", str(other.id), "success")]


def test_an_operator_who_may_only_look_ends_nobodys_session(quick_passwords: None) -> None:
    onlooker, other = make_person(operator=True), make_person(operator=True)
    system_rows("UPDATE accounts_user SET is_superuser = false WHERE id = %s", onlooker.id)
    system_rows(
        "INSERT INTO accounts_user_user_permissions (user_id, permission_id)"
        " SELECT %s, id FROM auth_permission WHERE codename LIKE '%%_consolesession'",
        onlooker.id,
    )
    browser, theirs = signed_in(onlooker), signed_in(other)
    token = browser.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "action": "end", "_selected_action": [str(session_of(theirs).id)]}

    browser.client.post("/admin/accounts/consolesession/", form)

    assert is_signed_in(theirs)


def test_a_session_is_over_when_nobody_used_it_for_an_hour(browser: Browser) -> None:
    age(browser, started=timedelta(hours=1), seen=timedelta(hours=1))

    assert not is_signed_in(browser)


def test_a_session_that_is_used_stays(browser: Browser) -> None:
    for _ in range(3):
        age(browser, started=timedelta(minutes=50), seen=timedelta(minutes=50))
        assert is_signed_in(browser)


def test_a_session_is_over_after_twelve_hours_however_much_it_is_used(browser: Browser) -> None:
    age(browser, started=timedelta(hours=12))

    assert not is_signed_in(browser)


def test_a_changed_password_makes_no_session_younger(browser: Browser, operator: User) -> None:
    age(browser, started=timedelta(hours=11))
    before, new = session_of(browser).started_at, "another horse battery staple"

    browser.send("/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})

    assert session_of(browser).started_at == before


@pytest.mark.parametrize(
    ("hours", "minutes", "expected"), [(1, 600, timedelta(hours=1)), (24, 5, timedelta(minutes=5))]
)
def test_the_limits_are_settings(
    operator: User, settings: Settings, hours: int, minutes: int, expected: timedelta
) -> None:
    settings.CONSOLE_SESSION_HOURS, settings.CONSOLE_IDLE_MINUTES = hours, minutes

    row = session_of(signed_in(operator))

    assert row.expire_date - row.started_at == expected


def test_being_seen_is_written_once_a_minute(browser: Browser) -> None:
    with statements() as sent:
        browser.open("/admin/")
    age(browser, seen=timedelta(minutes=1))
    with statements() as later:
        browser.open("/admin/")

    assert [len([sql for sql in these if "UPDATE" in sql]) for these in (sent, later)] == [0, 1]


def test_where_a_session_was_last_seen_is_noted(browser: Browser) -> None:
    age(browser, seen=timedelta(minutes=2))
    before: datetime = session_of(browser).last_seen_at

    browser.client.get("/admin/", REMOTE_ADDR="203.0.113.9", headers={"User-Agent": "Other"})

    row = session_of(browser)
    assert (row.address, row.user_agent, row.last_seen_at > before) == ("203.0.113.9", "Other", True)


def test_a_session_that_is_ended_while_it_is_used_is_not_made_again(browser: Browser, operator: User) -> None:
    """A request that has read its session must not bring the row back by what it writes."""
    store = SessionStore(browser.client.cookies["sessionid"].value)
    store["changed"] = True
    system_rows("DELETE FROM accounts_consolesession WHERE user_id = %s", operator.id)

    with pytest.raises(UpdateError):
        store.save()

    assert system_rows("SELECT 1 FROM accounts_consolesession WHERE user_id = %s", operator.id) == []


def test_changing_ones_password_ends_the_other_sessions(browser: Browser, operator: User) -> None:
    other, new = signed_in(operator), "another horse battery staple"

    browser.send("/admin/password_change/", {"old_password": PASSWORD, "new_password1": new, "new_password2": new})

    assert [is_signed_in(one) for one in (browser, other)] == [True, False]
    assert system_rows("SELECT count(*) FROM accounts_consolesession WHERE user_id = %s", operator.id) == [(1,)]


def test_a_password_that_another_operator_sets_ends_the_sessions(browser: Browser) -> None:
    other, new = make_person(operator=True), "another horse battery staple"
    theirs = signed_in(other)

    browser.send(f"/admin/accounts/user/{other.id}/password/", {"password1": new, "password2": new})

    assert not is_signed_in(theirs)
    assert system_rows("SELECT 1 FROM accounts_consolesession WHERE user_id = %s", other.id) == []


def test_setting_ones_own_password_there_keeps_this_session(browser: Browser, operator: User) -> None:
    other, new = signed_in(operator), "another horse battery staple"

    browser.send(f"/admin/accounts/user/{operator.id}/password/", {"password1": new, "password2": new})

    assert [is_signed_in(one) for one in (browser, other)] == [True, False]


def test_a_changed_hash_ends_sessions_whoever_changed_it(browser: Browser, operator: User) -> None:
    with tenancy.system():
        operator.set_password("another horse battery staple")
        operator.save(update_fields=["password"])

    assert not is_signed_in(browser)


@pytest.mark.parametrize("lost", ["is_active", "is_staff", "is_superuser"])
def test_losing_a_power_ends_the_sessions_for_good(browser: Browser, lost: str) -> None:
    other = make_person(operator=True)
    theirs = signed_in(other)
    powers = {"is_active": "on", "is_staff": "on", "is_superuser": "on"}
    path = f"/admin/accounts/user/{other.id}/change/"

    browser.send(path, {"email": other.email, **{name: on for name, on in powers.items() if name != lost}})
    while_lost = is_signed_in(theirs)
    browser.send(path, {"email": other.email, **powers})

    assert (while_lost, is_signed_in(theirs)) == (False, False)


def test_a_user_who_is_deactivated_elsewhere_has_no_session_left(operator: User, browser: Browser) -> None:
    with tenancy.system():
        operator.is_active = False
        operator.save(update_fields=["is_active"])

    assert system_rows("SELECT 1 FROM accounts_consolesession WHERE user_id = %s", operator.id) == []


def test_changing_a_name_ends_no_session(browser: Browser) -> None:
    other = make_person(operator=True)
    theirs = signed_in(other)
    form = {"email": other.email, "display_name": "Ada", "is_active": "on", "is_staff": "on", "is_superuser": "on"}

    browser.send(f"/admin/accounts/user/{other.id}/change/", form)

    assert is_signed_in(theirs)


def test_a_key_of_before_the_sign_in_opens_nothing_afterwards(operator: User) -> None:
    """It may have been planted in the browser by somebody who knows it."""
    enrol(signed_in(operator), operator)
    browser, thief = signed_in(operator), Browser()
    thief.client.cookies["sessionid"] = browser.client.cookies["sessionid"].value

    send_code(browser, code_of(operator))

    assert [is_signed_in(one) for one in (browser, thief)] == [True, False]


def test_the_roles_of_the_api_see_nothing_of_sign_ins() -> None:
    tables = "accounts_consolesession", "accounts_failurecount", "accounts_totpdevice", "accounts_backupcode"

    held = rows(
        "SELECT t, p FROM unnest(%s::text[]) t, unnest(ARRAY['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p"
        " WHERE has_table_privilege('holdfast_app', t, p) OR NOT has_table_privilege('holdfast_system', t, p)",
        list(tables),
    )

    assert held == []
