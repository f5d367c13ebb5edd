"""The first key in another organization, which a user's key opens for them, follows the rules for all keys."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from orgs import tenancy
from orgs.keys import Environment
from orgs.models import APIKey, Membership, Organization, Role
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.invitations import accept, invite, make_person, new_email, row_of
from tests.orgs.places import key_of
from tests.statements import elsewhere

ENDS = datetime.fromisoformat("2030-01-01T00:00:00+00:00")


@pytest.fixture(autouse=True)
def creation(settings: Settings) -> Settings:
    settings.ORG_CREATION = "open"
    return settings


@pytest.fixture
def user() -> User:
    return factories.make_user(email=new_email())


@pytest.fixture
def home(user: User) -> Organization:
    return factories.make_organization(user)


def make_further(caller: Caller) -> Answer:
    return caller.post("/orgs", {"name": "Further", "slug": f"further-{uuid.uuid4().hex[:20]}"})


def take_place(caller: Caller, invited: dict[str, Any], **headers: str) -> Answer:
    return caller.post("/invitations/accept", {"token": invited["token"]}, **headers)


def narrow_key(home: Organization, user: User, scopes: tuple[str, ...] = ("me:write",)) -> Caller:
    """A key for tests, with few scopes and an end."""
    made = factories.make_key(home, user=user, scopes=scopes, environment=Environment.TEST, expires_at=ENDS)
    return Caller(made.text)


def limit_lifetime(organization: Organization, days: int) -> None:
    with tenancy.system():
        Organization.objects.filter(id=organization.id).update(key_max_days=days)


def revoke(key: MintedKey) -> None:
    APIKey.objects.filter(id=key.row.id).update(revoked_at=datetime.now(UTC))


def leave(key: MintedKey) -> None:
    Membership.objects.filter(user=key.row.user).delete()


def deactivate(key: MintedKey) -> None:
    User.objects.filter(id=str(key.row.user_id)).update(is_active=False)


@pytest.mark.parametrize("end", [revoke, leave, deactivate])
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "1"}], ids=["plain", "idempotent"])
def test_a_key_that_another_process_ended_makes_no_organization_while_this_one_believes_it(
    home: Organization, user: User, end: Callable[[MintedKey], None], headers: dict[str, str]
) -> None:
    key = factories.make_key(home, user=user)

    def end_it() -> None:
        with tenancy.system():
            end(key)

    believed = Caller(key.text).get("/me").status
    elsewhere(end_it)
    body = {"name": "Further", "slug": f"further-{uuid.uuid4().hex[:20]}"}
    answer = Caller(key.text).post("/orgs", body, **headers)

    assert believed == 200
    assert (answer.status, answer.code) == (401, "api-key-revoked")
    with tenancy.system():
        assert not Organization.objects.filter(slug=body["slug"]).exists()


def test_the_key_of_a_new_organization_is_bounded_by_the_calling_one(home: Organization, user: User) -> None:
    made = make_further(narrow_key(home, user)).json["api_key"]

    assert (made["environment"], datetime.fromisoformat(made["expires_at"])) == ("test", ENDS)
    assert [scope for scope in made["scopes"] if scope.startswith("me:")] == ["me:write"]
    assert "orgs:admin" in made["scopes"]
    assert Caller(made["key"]).get("/me/export").code == "scope-missing"


def test_a_key_without_an_end_makes_an_organization_whose_key_has_none(home: Organization, user: User) -> None:
    made = make_further(key_of(home, user)).json["api_key"]

    assert (made["environment"], made["expires_at"]) == ("production", None)
    assert Caller(made["key"]).get("/me/export").status == 200


def test_the_key_of_a_place_is_bounded_by_the_calling_one(founder: Caller, home: Organization, user: User) -> None:
    made = take_place(narrow_key(home, user), invite(founder, email=user.email, role=Role.ADMIN)).json["api_key"]

    assert (made["environment"], datetime.fromisoformat(made["expires_at"])) == ("test", ENDS)
    assert [scope for scope in made["scopes"] if scope.startswith("me:")] == ["me:write"]
    assert "members:admin" in made["scopes"]


def test_a_key_without_me_write_takes_no_place(founder: Caller, home: Organization, user: User) -> None:
    made = invite(founder, email=user.email, role=Role.ADMIN)

    answer = take_place(narrow_key(home, user, ("me:read", "sessions:read")), made)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "me:write" in answer.json["detail"]
    assert row_of(made).accepted_at is None


@pytest.mark.usefixtures("quick_passwords")
def test_a_password_takes_a_place_with_a_key_for_production(founder: Caller) -> None:
    made = accept(invite(founder, email=make_person(new_email()).email)).json["api_key"]

    assert (made["environment"], made["expires_at"]) == ("production", None)


@pytest.mark.usefixtures("quick_passwords")
@pytest.mark.parametrize("known", [True, False], ids=["known", "newcomer"])
def test_the_key_of_a_place_ends_by_the_organizations_policy(
    founder: Caller, organization: Organization, known: bool
) -> None:
    limit_lifetime(organization, 1)
    invited = invite(founder)
    if known:
        make_person(invited["email"])

    made = accept(invited).json["api_key"]

    assert datetime.fromisoformat(made["expires_at"]) <= datetime.now(UTC) + timedelta(days=1)


def test_of_policy_and_calling_key_the_earlier_end_counts(
    founder: Caller, organization: Organization, home: Organization, user: User
) -> None:
    limit_lifetime(organization, 3650)

    made = take_place(narrow_key(home, user), invite(founder, email=user.email)).json["api_key"]

    assert datetime.fromisoformat(made["expires_at"]) == ENDS


def test_an_answer_with_a_key_is_not_repeated_to_another_key_of_the_user(
    founder: Caller, home: Organization, user: User
) -> None:
    made = invite(founder, email=user.email, role=Role.ADMIN)
    assert take_place(key_of(home, user), made, Idempotency_Key="once").status == 201

    answer = take_place(narrow_key(home, user), made, Idempotency_Key="once")

    assert (answer.status, answer.code) == (410, "invitation-used")
