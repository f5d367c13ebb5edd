"""The scopes `me:*` are a person's own power, in all of their organizations: nobody else hands them out."""

from datetime import UTC, datetime

import pytest

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.permissions import Scope
from orgs.services import api_keys
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.places import key_of

PERSONAL = [Scope.ME_READ, Scope.ME_WRITE, Scope.ME_ADMIN]


@pytest.fixture
def user(organization: Organization) -> User:
    """A member who also has an organization of their own."""
    user = factories.make_member(organization)
    factories.make_organization(user)
    with tenancy.system():
        User.objects.filter(id=user.id).update(external_id=f"ext-{user.id}")
    return user


@pytest.fixture
def handed_out(owner: Caller, user: User) -> Caller:
    """A key that acts as the user, made by who administers the organization's keys."""
    made = owner.post("/api-keys", {"name": "x", "scopes": ["orgs:read", "tasks:write"], "user_id": str(user.id)})
    assert made.status == 201, made
    return Caller(made.json["key"])


@pytest.mark.parametrize("scope", PERSONAL)
def test_nobody_else_makes_a_key_with_a_users_own_power(owner: Caller, user: User, scope: str) -> None:
    answer = owner.post("/api-keys", {"name": "x", "scopes": ["tasks:read", scope], "user_id": str(user.id)})

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert answer.json["detail"] == (
        f"Only the user themself makes or rotates a key that acts as them and holds {scope}: "
        "it reaches all of their organizations."
    )


@pytest.mark.parametrize("role", [Role.ADMIN, Role.OWNER])
def test_no_colleague_makes_one_either(organization: Organization, user: User, role: Role) -> None:
    caller = key_of(organization, factories.make_member(organization, role))

    answer = caller.post("/api-keys", {"name": "x", "scopes": ["me:admin"], "user_id": str(user.id)})

    assert (answer.status, answer.code) == (403, "scope-missing")


@pytest.mark.parametrize("scope", PERSONAL)
def test_nobody_else_rotates_a_key_with_a_users_own_power(
    owner: Caller, organization: Organization, user: User, scope: str
) -> None:
    key = factories.make_key(organization, user=user, scopes=("tasks:read", scope))

    answer = owner.post(f"/api-keys/{key.row.id}/rotate", {})

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "Only the user themself" in answer.json["detail"]


def test_users_make_and_rotate_such_keys_for_themselves(organization: Organization, user: User) -> None:
    own = key_of(organization, user)

    made = own.post("/me/api-keys", {"name": "mine", "scopes": ["me:admin"]})
    rotated = own.post(f"/me/api-keys/{made.json['id']}/rotate", {})

    assert (made.status, rotated.status, rotated.json["scopes"]) == (201, 201, ["me:admin"])


def test_an_operator_makes_one_for_a_user(organization: Organization, user: User) -> None:
    minted = api_keys.issue_operator_key(
        organization, name="x", scopes=["me:read"], user=user, actor="operator:shell", now=datetime.now(UTC)
    )

    assert len(Caller(minted.text).get("/me").json["memberships"]) == 2


def test_a_key_without_me_read_sees_the_user_as_colleagues_do(
    handed_out: Caller, organization: Organization, user: User
) -> None:
    answer = handed_out.get("/me")

    seen = answer.json
    assert seen["user"] == {"id": str(user.id), "email": user.email, "display_name": "", "external_id": None}
    assert seen["preferences"] is None
    assert [place["id"] for place in seen["memberships"]] == [str(organization.id)]
    assert "ETag" not in answer.headers


def test_a_key_without_me_read_lists_only_its_own_organization(handed_out: Caller, organization: Organization) -> None:
    listed = handed_out.get("/orgs").json["items"]

    assert [(item["id"], item["role"]) for item in listed] == [(str(organization.id), "member")]


def test_a_key_with_me_read_sees_the_user_in_full(organization: Organization, user: User) -> None:
    caller = Caller(factories.make_key(organization, user=user, scopes=("me:read", "orgs:read")).text)

    seen, listed = caller.get("/me").json, caller.get("/orgs").json["items"]

    assert (seen["user"]["external_id"], seen["preferences"]) == (f"ext-{user.id}", {})
    assert (len(seen["memberships"]), len(listed)) == (2, 2)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("PATCH", "/me"),
        ("GET", "/me/settings"),
        ("PUT", "/me/settings"),
        ("PATCH", "/me/settings"),
        ("GET", "/me/api-keys"),
        ("POST", "/me/api-keys"),
        ("GET", "/me/export"),
        ("POST", "/me/erase"),
        ("DELETE", "/me/membership"),
        ("POST", "/orgs"),
    ],
)
def test_what_a_user_has_everywhere_is_out_of_its_reach(handed_out: Caller, method: str, path: str) -> None:
    answer: Answer = handed_out.call(method, path, None if method in ("GET", "DELETE") else {})

    assert (answer.status, answer.code) == (403, "scope-missing")
