"""POST /me/erase: a person asks for it themselves, and says that they mean it."""

from collections import Counter
from typing import Any

import pytest

from accounts import lockout
from accounts.models import Erasure, User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import person_erasing
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.console import PASSWORD, browser_at, fail_to_sign_in, new_address
from tests.orgs.organization_erasing import request_deletion
from tests.statements import at_once, audit_of, system_rows


@pytest.fixture
def user(organization: Organization, quick_passwords: None) -> User:
    """A member who has a password."""
    user = factories.make_member(organization)
    with tenancy.system():
        user.set_password(PASSWORD)
        user.save(update_fields=["password"])
    return user


@pytest.fixture
def caller(organization: Organization, user: User) -> Caller:
    return Caller(factories.make_key(organization, user=user).text, address=new_address())


def ask(caller: Caller, user: User, **fields: str) -> Answer:
    return caller.post("/me/erase", {"email": user.email, "password": PASSWORD, **fields})


def erasures_of(user: User) -> list[Erasure]:
    with tenancy.system():
        return list(Erasure.objects.filter(user_id=user.id))


def test_it_is_begun_and_the_key_is_refused(caller: Caller, user: User) -> None:
    answer = ask(caller, user, email=user.email.upper())

    (erasure,) = erasures_of(user)
    assert (answer.status, answer.json["id"], answer.json["finished_at"]) == (202, str(erasure.id), None)
    assert caller.get("/me").code == "api-key-revoked"
    assert erasure.requested_by == f"user:{user.id}"


def test_a_user_without_a_password_confirms_with_the_address(organization: Organization) -> None:
    user = factories.make_member(organization)

    answer = Caller(factories.make_key(organization, user=user).text).post("/me/erase", {"email": user.email})

    assert answer.status == 202


@pytest.mark.parametrize("wrong", [{"email": "other@example.com"}, {"password": "guess"}])
def test_a_wrong_confirmation_is_refused_and_audited(
    caller: Caller, user: User, organization: Organization, wrong: dict[str, str]
) -> None:
    answer = ask(caller, user, **wrong)

    assert (answer.status, answer.code) == (403, "confirmation-refused")
    assert erasures_of(user) == []
    assert audit_of(organization)[-1]["action"] == "access.refused"


def test_a_wrong_address_and_a_wrong_password_are_told_alike(caller: Caller, user: User) -> None:
    answers = [ask(caller, user, email="other@example.com"), ask(caller, user, password="guess")]

    assert answers[0].json["detail"] == answers[1].json["detail"]


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "guess"}], ids=["plain", "repeatable"])
def test_guesses_are_counted_with_those_of_a_sign_in(
    caller: Caller, user: User, organization: Organization, headers: dict[str, str]
) -> None:
    bodies = [{"email": user.email, "password": f"guess {number}"} for number in range(5)]
    codes = [caller.post("/me/erase", body, **headers).code for body in bodies]

    right = ask(caller, user)

    assert codes == ["confirmation-refused"] * 5
    assert (right.status, right.code) == (429, "too-many-attempts")
    assert lockout.REFUSAL in browser_at(caller.address).sign_in(user).content.decode()
    assert erasures_of(user) == []
    reasons = [entry["detail"]["reason"] for entry in audit_of(organization) if entry["action"] == "access.refused"]
    assert reasons[-1] == lockout.REFUSAL


def test_no_number_of_calls_at_once_guesses_more(caller: Caller, user: User) -> None:
    answers: list[Any] = at_once(*[lambda: ask(caller, user, password="guess")] * 8)

    codes = Counter(answer.code for answer in answers)
    assert codes == {"confirmation-refused": 5, "too-many-attempts": 3}


def test_an_account_that_waits_after_failed_sign_ins_waits_here_too(caller: Caller, user: User) -> None:
    fail_to_sign_in(user, caller.address)

    answer = ask(caller, user)

    assert (answer.status, answer.code) == (429, "too-many-attempts")
    assert caller.get("/me").status == 200


def test_the_right_confirmation_is_not_counted_as_a_failure(caller: Caller, user: User) -> None:
    ask(caller, user)

    counted = system_rows("SELECT failures FROM accounts_failurecount WHERE account = %s", lockout.name_of(user))
    assert counted == [(0,), (0,)]


def test_who_has_no_password_guesses_none(organization: Organization) -> None:
    user = factories.make_member(organization)
    caller = Caller(factories.make_key(organization, user=user).text, address=new_address())

    codes = {caller.post("/me/erase", {"email": "other@example.com"}).code for _ in range(7)}

    assert codes == {"confirmation-refused"}


def test_an_owner_alone_is_refused(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)

    answer = Caller(factories.make_key(organization, user=owner).text).post("/me/erase", {"email": owner.email})

    assert (answer.status, answer.code) == (409, "last-owner")
    assert organization.slug in answer.json["detail"]


def test_an_owner_alone_goes_once_the_deletion_of_the_organization_is_asked_for(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)
    caller = Caller(factories.make_key(organization, user=owner).text)
    caller.delete(f"/orgs/{organization.id}?confirm={organization.slug}")

    answer = caller.post("/me/erase", {"email": owner.email})

    assert answer.status == 202
    assert audit_of(organization)[-1]["action"] == "membership.removed"


def test_an_owner_alone_of_another_organization_that_stays_is_refused(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)
    staying = factories.make_organization(owner)
    request_deletion(organization)

    answer = Caller(factories.make_key(organization, user=owner).text).post("/me/erase", {"email": owner.email})

    assert (answer.status, answer.code) == (409, "last-owner")
    assert staying.slug in answer.json["detail"]
    assert organization.slug not in answer.json["detail"]


def test_an_operator_alone_is_refused(caller: Caller, user: User) -> None:
    system_rows("UPDATE accounts_user SET is_staff = (id = %s), is_superuser = true", user.id)

    answer = ask(caller, user)

    assert (answer.status, answer.code) == (409, "last-operator")
    assert caller.get("/me").status == 200


def test_a_key_without_the_scope_may_not_ask(organization: Organization, user: User) -> None:
    narrow = Caller(factories.make_key(organization, user=user, scopes=("tasks:admin", "me:write")).text)

    assert ask(narrow, user).code == "scope-missing"
    assert narrow.get("/me/export").code == "scope-missing"


def test_a_repeated_request_is_refused_with_the_key_that_has_ended(caller: Caller, user: User) -> None:
    body = {"email": user.email, "password": PASSWORD}

    answers = [caller.post("/me/erase", body, Idempotency_Key="once") for _ in range(2)]

    assert [answer.status for answer in answers] == [202, 401]
    assert len(erasures_of(user)) == 1


def test_the_kept_answer_of_the_request_goes_too(caller: Caller, user: User) -> None:
    asked = caller.post("/me/erase", {"email": user.email, "password": PASSWORD}, Idempotency_Key="once")
    (erasure,) = erasures_of(user)

    person_erasing.carry_on(erasure.id, now=erasure.refused_at + person_erasing.settle_time())

    assert asked.status == 202
    assert system_rows("SELECT 1 FROM api_idempotentanswer WHERE owner_id = %s", user.id) == []


def test_two_organizations_are_left_at_once(caller: Caller, user: User) -> None:
    other = factories.make_organization()
    factories.add_member(other, user, Role.MEMBER)

    ask(caller, user)

    assert [entry["action"] for entry in audit_of(other)][-1] == "membership.removed"
