"""POST /me/erase: a person asks for it themselves, and says that they mean it."""

import pytest

from accounts.models import Erasure, User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import person_erasing
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import audit_of, system_rows

PASSWORD = "correct horse battery staple"


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
    return Caller(factories.make_key(organization, user=user).text)


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


def test_an_owner_alone_is_refused(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)

    answer = Caller(factories.make_key(organization, user=owner).text).post("/me/erase", {"email": owner.email})

    assert (answer.status, answer.code) == (409, "last-owner")
    assert organization.slug in answer.json["detail"]


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
