"""How failed sign-ins are counted, and who waits for how long."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from pytest_django import Settings

from accounts import lockout
from accounts.models import FailureCount
from orgs import tenancy
from tests import factories
from tests.statements import at_once, elsewhere, system_rows

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)


@pytest.fixture
def account() -> str:
    return f"user:{uuid.uuid4()}"


@pytest.fixture
def source() -> str:
    return f"source-{uuid.uuid4().hex[:20]}"


def new_source() -> str:
    return f"source-{uuid.uuid4().hex[:20]}"


def charge(account: str, source: str, now: datetime = NOW) -> lockout.Admission:
    with tenancy.system():
        return lockout.charge(account, source, now=now)


def sign_in(account: str, source: str, now: datetime = NOW) -> None:
    with tenancy.system():
        lockout.forgive(lockout.charge(account, source, now=now), now=now, signed_in=True)


def outcomes(tries: int, try_once: Callable[[int], lockout.Admission]) -> list[bool]:
    return [try_once(number).locked for number in range(tries)]


def test_the_fifth_failure_is_the_last_before_a_wait(account: str, source: str) -> None:
    assert outcomes(7, lambda _: charge(account, source)) == [False] * 5 + [True] * 2


def test_the_last_try_names_the_limit_that_it_reached(account: str, source: str) -> None:
    closings = [charge(account, source).closing for _ in range(6)]

    assert closings == [(), (), (), (), ("account-and-address",), ()]


def test_a_wait_is_over_after_its_minutes_and_the_count_begins_anew(account: str, source: str) -> None:
    for _ in range(5):
        charge(account, source)

    assert charge(account, source, NOW + 15 * MINUTE - timedelta(seconds=1)).locked
    assert outcomes(6, lambda _: charge(account, source, NOW + 15 * MINUTE)) == [False] * 5 + [True]


def test_tries_while_waiting_do_not_lengthen_the_wait(account: str, source: str) -> None:
    for minute in range(15):
        charge(account, source, NOW + minute * MINUTE)

    assert not charge(account, source, NOW + 19 * MINUTE).locked


def test_failures_of_long_ago_do_not_count(account: str, source: str) -> None:
    for _ in range(4):
        charge(account, source)

    assert outcomes(4, lambda _: charge(account, source, NOW + 15 * MINUTE)) == [False] * 4


def test_another_source_may_try_while_one_waits(account: str, source: str) -> None:
    for _ in range(6):
        charge(account, source)

    assert not charge(account, new_source()).locked


def test_another_account_may_be_tried_from_a_source_that_waits_with_one(account: str, source: str) -> None:
    for _ in range(6):
        charge(account, source)

    assert not charge(f"user:{uuid.uuid4()}", source).locked


def test_a_source_that_tries_many_accounts_waits_with_all(source: str, settings: Settings) -> None:
    settings.SIGN_IN_ADDRESS_FAILURES = 3

    assert outcomes(4, lambda number: charge(f"user:{uuid.uuid4()}", source)) == [False] * 3 + [True]


def test_a_source_that_waits_has_no_more_rows_made(source: str, settings: Settings) -> None:
    settings.SIGN_IN_ADDRESS_FAILURES = 3
    outcomes(3, lambda number: charge(f"user:{uuid.uuid4()}", source))
    accounts = [f"user:{uuid.uuid4()}" for _ in range(5)]

    assert outcomes(5, lambda number: charge(accounts[number], source)) == [True] * 5
    assert system_rows("SELECT 1 FROM accounts_failurecount WHERE account = ANY(%s)", accounts) == []


def test_an_account_that_waits_has_no_more_rows_made(account: str, settings: Settings) -> None:
    settings.SIGN_IN_ACCOUNT_FAILURES = 3

    outcomes(8, lambda number: charge(account, new_source()))

    # Its own, and one for each source that was let try.
    assert len(system_rows("SELECT 1 FROM accounts_failurecount WHERE account = %s", account)) == 1 + 3


def test_an_account_that_is_tried_from_many_sources_waits(account: str, settings: Settings) -> None:
    settings.SIGN_IN_ACCOUNT_FAILURES = 3

    assert outcomes(4, lambda number: charge(account, new_source())) == [False] * 3 + [True]


def test_strangers_do_not_keep_an_account_from_where_it_signed_in_before(
    account: str, source: str, settings: Settings
) -> None:
    settings.SIGN_IN_ACCOUNT_FAILURES = 3
    sign_in(account, source)
    for _ in range(4):
        charge(account, new_source())

    assert charge(account, new_source()).locked
    assert not charge(account, source).locked


def test_an_address_is_known_for_thirty_days(account: str, source: str, settings: Settings) -> None:
    settings.SIGN_IN_ACCOUNT_FAILURES = 3
    sign_in(account, source, NOW - timedelta(days=30))
    for _ in range(4):
        charge(account, new_source())

    assert charge(account, source).locked


def test_signing_in_forgets_the_failures_of_the_account_from_there(account: str, source: str) -> None:
    for _ in range(4):
        charge(account, source)
    sign_in(account, source)

    assert outcomes(6, lambda _: charge(account, source)) == [False] * 5 + [True]


def test_signing_in_forgives_a_source_no_more_than_its_own_try(account: str, source: str, settings: Settings) -> None:
    """Whoever has one account could guess at others without end."""
    settings.SIGN_IN_ADDRESS_FAILURES = 3
    for _ in range(2):
        charge(f"user:{uuid.uuid4()}", source)
    sign_in(account, source)

    assert outcomes(2, lambda _: charge(f"user:{uuid.uuid4()}", source)) == [False, True]


def test_the_last_try_begins_no_wait_when_it_does_not_fail(account: str, source: str, settings: Settings) -> None:
    settings.SIGN_IN_ADDRESS_FAILURES = settings.SIGN_IN_ACCOUNT_FAILURES = 1

    sign_in(account, source)

    assert not charge(account, source).locked


def test_of_many_tries_at_once_no_more_than_the_limit_are_made(account: str, source: str) -> None:
    admissions = at_once(*[lambda: charge(account, source) for _ in range(12)])

    assert sorted(admission.locked for admission in admissions if isinstance(admission, lockout.Admission)) == (
        [False] * 5 + [True] * 7
    )


def test_of_many_tries_of_different_accounts_at_once_no_more_than_the_limit_are_made(
    source: str, settings: Settings
) -> None:
    settings.SIGN_IN_ADDRESS_FAILURES = 4

    admissions = at_once(*[lambda: charge(f"user:{uuid.uuid4()}", source) for _ in range(10)])

    assert sorted(admission.locked for admission in admissions if isinstance(admission, lockout.Admission)) == (
        [False] * 4 + [True] * 6
    )


def test_a_count_is_there_for_every_connection(account: str, source: str) -> None:
    """Rows, not memory: another process, or this one after a restart, reads the same."""
    for _ in range(5):
        elsewhere(lambda: charge(account, source))

    assert charge(account, source).locked


def test_lifting_ends_the_waits_of_an_account_and_of_where_it_was_tried_from(settings: Settings) -> None:
    settings.SIGN_IN_ADDRESS_FAILURES = 5
    user, source, now = factories.make_user(), new_source(), NOW
    for _ in range(6):
        charge(lockout.name_of(user), source)

    with tenancy.system():
        lockout.lift(user, actor="operator:shell", now=now)

    assert not charge(lockout.name_of(user), source).locked
    entries = system_rows("SELECT action, actor FROM audit_entry WHERE subject_id = %s", str(user.id))
    assert entries == [("operator.unlocked", "operator:shell")]


@pytest.mark.parametrize(
    ("address", "source"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        (None, "unknown"),
    ],
)
def test_a_source_is_an_address_or_the_network_of_one_customer(address: str | None, source: str) -> None:
    assert lockout.source_of(address) == source


def test_an_account_is_the_same_whatever_the_case_it_is_typed_in() -> None:
    user = factories.make_user(email=f"Ada-{uuid.uuid4().hex}@Example.com")

    with tenancy.system():
        named = {lockout.account_of(typed) for typed in (user.email, user.email.upper(), user.email.lower())}

    assert named == {f"user:{user.id}"}


def test_what_was_typed_for_nobodys_account_is_not_kept() -> None:
    typed = "correct horse battery staple"
    with tenancy.system():
        account = lockout.account_of(typed)
    charge(account, new_source())

    assert system_rows("SELECT 1 FROM accounts_failurecount WHERE account LIKE %s", f"%{typed}%") == []
    assert len(account) == 64


def test_counts_that_say_nothing_any_more_are_over(account: str, source: str) -> None:
    charge(account, source)
    known = new_source()
    sign_in(account, known)

    def over(now: datetime) -> set[str]:
        with tenancy.system():
            rows = FailureCount.objects.over(now).filter(account=account)
            return set(rows.values_list("source", flat=True))

    assert over(NOW + 14 * MINUTE) == set()
    assert over(NOW + 16 * MINUTE) == {source, ""}
    assert over(NOW + timedelta(days=30)) == {source, "", known}
