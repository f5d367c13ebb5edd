"""unlockoperator, resettotp and changepassword: what helps an operator in from the command line."""

import io
import uuid

import pytest
from django.core.management import CommandError, call_command
from django.utils import timezone

from accounts import lockout, totp
from accounts.models import User
from orgs import tenancy
from tests import factories
from tests.orgs.console import code_of
from tests.statements import system_rows


@pytest.fixture
def user() -> User:
    return factories.make_user(is_staff=True, is_superuser=True)


def run(*words: str) -> str:
    written = io.StringIO()
    call_command(*words, stdout=written)
    return written.getvalue().strip()


def audited(user: User) -> list[tuple[str, str]]:
    return [
        (action, actor)
        for action, actor in system_rows(
            "SELECT action, actor FROM audit_entry WHERE subject_id = %s ORDER BY id", str(user.id)
        )
    ]


def enrol(user: User) -> None:
    with tenancy.system():
        totp.begin(user)
    code = code_of(user)
    with tenancy.system():
        assert totp.confirm(user, code, now=timezone.now())


def test_unlockoperator_ends_the_waits(user: User) -> None:
    source = uuid.uuid4().hex

    def charge() -> bool:
        with tenancy.system():
            return lockout.charge(lockout.name_of(user), source, now=timezone.now()).locked

    before = [charge() for _ in range(6)]

    said = run("unlockoperator", user.email.upper())

    assert (before[-1], charge()) == (True, False)
    assert said == f"{user.email} need not wait."
    assert audited(user) == [("operator.unlocked", "operator:shell")]


def test_resettotp_takes_the_second_factor_away(user: User) -> None:
    enrol(user)

    run("resettotp", user.email.upper())

    with tenancy.system():
        assert totp.find_device(user) is None
    assert system_rows("SELECT 1 FROM accounts_backupcode WHERE user_id = %s", user.id) == []
    assert audited(user)[-1] == ("operator.totp-reset", "operator:shell")


def test_resettotp_says_where_there_is_none(user: User) -> None:
    with pytest.raises(CommandError, match="has no second factor"):
        run("resettotp", user.email)


@pytest.mark.parametrize("command", ["unlockoperator", "resettotp"])
@pytest.mark.parametrize("email", ["nobody@example.com", "", "x" * 500])
def test_an_unknown_address_ends_the_command(command: str, email: str) -> None:
    with pytest.raises(CommandError, match="There is no user"):
        run(command, email)


def typed(monkeypatch: pytest.MonkeyPatch, password: str) -> None:
    monkeypatch.setattr("getpass.getpass", lambda prompt="": password)


def test_changepassword_finds_an_address_in_any_case_and_is_audited(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    typed(monkeypatch, "another horse battery staple")

    run("changepassword", user.email.upper())

    with tenancy.system():
        user.refresh_from_db()
    assert user.check_password("another horse battery staple")
    assert audited(user) == [("user.password-changed", "operator:shell")]


def test_changepassword_refuses_a_weak_password(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    typed(monkeypatch, "short4u")

    with pytest.raises(CommandError, match="Aborting password change"):
        run("changepassword", user.email)

    assert audited(user) == []


def test_changepassword_says_that_there_is_no_such_user() -> None:
    with pytest.raises(CommandError, match="There is no user"):
        run("changepassword", "nobody@example.com")
