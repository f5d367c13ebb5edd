"""How many wrong passwords invitations take."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts import lockout
from orgs.models import Organization
from orgs.services import accepting
from tests.factories import Caller
from tests.orgs.console import browser_at, fail_to_sign_in, new_address
from tests.orgs.console import make_person as make_operator
from tests.orgs.invitations import accept, accept_from, change, invite, make_person, new_email, row_of
from tests.statements import at_once, audit_of, system_rows

pytestmark = pytest.mark.usefixtures("quick_passwords")


def test_the_last_password_that_an_invitation_allows_revokes_it(founder: Caller, organization: Organization) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)

    codes = [accept(made, f"wrong horse {number}").code for number in range(accepting.MOST_ATTEMPTS)]

    assert codes == ["password-wrong"] * accepting.MOST_ATTEMPTS
    assert accept(made).code == "invitation-revoked"
    actions = [entry["action"] for entry in audit_of(organization)]
    assert actions[-accepting.MOST_ATTEMPTS - 1 :] == [
        *["invitation.refused"] * accepting.MOST_ATTEMPTS,
        "invitation.revoked",
    ]


def test_the_right_password_is_taken_at_the_last_attempt(founder: Caller) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)
    change(made, attempts=accepting.MOST_ATTEMPTS - 1, last_attempt_at=datetime.now(UTC))

    assert accept(made).status == 201


def test_a_wrong_password_counts_with_an_idempotency_key_too(founder: Caller) -> None:
    """Its transaction is taken back, and the count must not go with it."""
    user = make_person(new_email())
    made = invite(founder, email=user.email)

    answer = accept(made, "wrong horse", Idempotency_Key="guess")

    assert (answer.code, row_of(made).attempts) == ("password-wrong", 1)


def test_new_invitations_give_no_new_attempts_to_who_has_made_many(founder: Caller) -> None:
    user = make_person(new_email())
    first = invite(founder, email=user.email)
    change(first, attempts=accepting.MOST_ATTEMPTS_A_DAY, last_attempt_at=datetime.now(UTC))
    assert founder.delete(f"/invitations/{first['id']}").status == 204

    answer = accept(invite(founder, email=user.email))

    assert (answer.status, answer.code) == (429, "too-many-attempts")


def test_attempts_with_one_organizations_invitations_leave_those_of_others_open(
    founder: Caller, outsider: Caller
) -> None:
    user = make_person(new_email())
    first, second = invite(founder, email=user.email), invite(outsider, email=user.email)
    change(first, attempts=accepting.MOST_ATTEMPTS_A_DAY, last_attempt_at=datetime.now(UTC))

    assert accept(second).status == 201


def test_many_organizations_together_may_have_more_attempts_made_but_not_without_end(
    founder: Caller, outsider: Caller
) -> None:
    user = make_person(new_email())
    first, second = invite(founder, email=user.email), invite(outsider, email=user.email)
    change(first, attempts=accepting.MOST_ATTEMPTS_A_DAY_ANYWHERE, last_attempt_at=datetime.now(UTC))

    answer = accept(second)

    assert (answer.status, answer.code) == (429, "too-many-attempts")


def test_a_right_password_is_no_failed_attempt(founder: Caller) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)
    assert accept(made, "wrong horse").code == "password-wrong"

    assert accept(made).status == 201
    assert row_of(made).attempts == 1


def test_attempts_of_yesterday_are_forgotten(founder: Caller, outsider: Caller) -> None:
    user = make_person(new_email())
    first, second = invite(founder, email=user.email), invite(outsider, email=user.email)
    yesterday = datetime.now(UTC) - timedelta(days=1, seconds=1)
    change(first, attempts=accepting.MOST_ATTEMPTS_A_DAY_ANYWHERE, last_attempt_at=yesterday)

    assert accept(second).status == 201


def test_no_number_of_calls_at_once_tries_more_passwords(founder: Caller) -> None:
    user = make_person(new_email())
    made = invite(founder, email=user.email)
    change(made, attempts=accepting.MOST_ATTEMPTS - 2, last_attempt_at=datetime.now(UTC))

    answers: list[Any] = at_once(*[lambda: accept(made, "wrong horse")] * 6)

    codes = [answer.code for answer in answers]
    assert codes.count("password-wrong") == 2
    assert set(codes) <= {"password-wrong", "too-many-attempts", "invitation-revoked"}


def test_an_account_that_waits_after_failed_sign_ins_waits_here_too(founder: Caller) -> None:
    user = make_person(new_email())
    made, address = invite(founder, email=user.email), new_address()
    fail_to_sign_in(user, address)

    answer = accept_from(address, made)

    assert (answer.status, answer.code) == (429, "too-many-attempts")
    assert row_of(made).attempts == 0


def test_passwords_tried_with_invitations_keep_the_console_waiting(founder: Caller, outsider: Caller) -> None:
    user, address = make_operator(operator=True), new_address()
    invited = [invite(caller, email=user.email) for caller in (founder, outsider)]
    for number in range(4):
        accept_from(address, invited[0], f"wrong horse {number}")
    last = accept_from(address, invited[1], "wrong horse")

    answers = browser_at(address).sign_in(user), browser_at(new_address()).sign_in(user)

    assert last.code == "password-wrong"
    assert lockout.REFUSAL in answers[0].content.decode()
    assert answers[1].status_code == 302
    locked = "SELECT detail ->> 'limit' FROM audit_entry WHERE action = 'operator.locked-out' AND subject_id = %s"
    assert system_rows(locked, str(user.id)) == [("account-and-address",)]


def test_the_right_password_is_not_counted_as_a_failure(founder: Caller) -> None:
    user, address = make_person(new_email()), new_address()
    made = invite(founder, email=user.email)

    accept_from(address, made)

    counted = system_rows("SELECT failures FROM accounts_failurecount WHERE account = %s", lockout.name_of(user))
    assert counted == [(0,), (0,)]
