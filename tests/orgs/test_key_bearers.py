"""Who a key acts as: an agent, a member, or itself; and the keys that members make for themselves."""

import uuid
from datetime import UTC, datetime
from typing import Any

import pytest

from accounts.models import User
from orgs import tenancy
from orgs.authentication import authenticate_key
from orgs.bearers import UserUnknown
from orgs.models import Membership, Organization, Role
from orgs.principals import Principal
from orgs.services import api_keys
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Answer, Caller
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, audit_of, wait_until_someone_waits

NEW = {"name": "made", "scopes": ["tasks:read"]}


@pytest.fixture
def user(organization: Organization) -> User:
    return factories.make_member(organization)


@pytest.fixture
def own(organization: Organization, user: User) -> MintedKey:
    return factories.make_key(organization, user=user)


def make(caller: Caller, **fields: Any) -> Answer:
    return caller.post("/api-keys", NEW | fields)


def test_a_key_for_a_member_acts_as_them(owner: Caller, user: User) -> None:
    made = make(owner, user_id=str(user.id)).json

    me = Caller(made["key"]).get("/me").json
    assert (made["user_id"], made["agent_id"]) == (str(user.id), None)
    assert (me["actor_type"], me["actor_id"], me["role"]) == ("user", str(user.id), "member")


def test_a_key_for_a_member_ends_with_their_place(owner: Caller, user: User) -> None:
    made = make(owner, user_id=str(user.id)).json

    with tenancy.system():
        Membership.objects.filter(user=user).delete()

    assert Caller(made["key"]).get("/me").code == "api-key-revoked"


@pytest.mark.parametrize("whose", ["nobody", "stranger", "deactivated"])
def test_a_key_is_for_active_members_alone(owner: Caller, organization: Organization, whose: str) -> None:
    user_id = uuid.uuid4()
    if whose == "stranger":
        user_id = factories.make_member(factories.make_organization()).id
    elif whose == "deactivated":
        user_id = factories.make_member(organization).id
        with tenancy.system():
            User.objects.filter(id=user_id).update(is_active=False)

    answer = make(owner, user_id=str(user_id))

    assert (answer.status, answer.code) == (422, "unknown-reference")


def test_a_key_for_a_member_has_no_scope_beyond_their_role(owner: Caller, user: User) -> None:
    answer = make(owner, user_id=str(user.id), scopes=["members:read", "tasks:read"])

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert answer.json["detail"] == "The user's role is member, which does not include members:read."


def test_a_key_for_another_user_needs_api_keys_admin(organization: Organization, user: User) -> None:
    caller = Caller(factories.make_key(organization, scopes=("api-keys:write", "tasks:admin")).text)

    answer = make(caller, user_id=str(user.id))

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "api-keys:admin" in answer.json["detail"]


def test_a_key_for_oneself_needs_no_more_than_to_make_keys(organization: Organization) -> None:
    admin = factories.make_member(organization, role=Role.ADMIN)
    caller = Caller(factories.make_key(organization, user=admin, scopes=("api-keys:write", "tasks:read")).text)

    answer = make(caller, user_id=str(admin.id))

    assert (answer.status, answer.json["user_id"]) == (201, str(admin.id))


def test_an_admin_makes_no_key_that_acts_as_an_owner(organization: Organization) -> None:
    admin = factories.make_member(organization, role=Role.ADMIN)
    caller = Caller(factories.make_key(organization, user=admin).text)

    answer = make(caller, user_id=str(organization.owner_id))

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "orgs:admin" in answer.json["detail"]


def test_the_key_of_another_user_is_not_rotated_without_api_keys_admin(organization: Organization, user: User) -> None:
    key = factories.make_key(organization, user=user, scopes=("tasks:read",))
    caller = Caller(factories.make_key(organization, scopes=("api-keys:write", "tasks:admin")).text)

    answer = caller.post(f"/api-keys/{key.row.id}/rotate", {})

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_a_key_for_a_member_who_leaves_meanwhile_is_not_made(
    owner: Caller, organization: Organization, user: User
) -> None:
    with tenancy.system():
        place_id = Membership.objects.get(user=user).id

    def hold_and_leave() -> None:
        with tenancy.system():
            Membership.objects.select_for_update().get(id=place_id)
            Membership.objects.filter(id=place_id).delete()
            wait_until_someone_waits()

    def use() -> Answer:
        wait_until_held(Membership, organization.id, place_id)
        return make(owner, user_id=str(user.id))

    _, answer = at_once(hold_and_leave, use)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (422, "unknown-reference")


def test_a_member_makes_a_key_for_themselves(own: MintedKey, user: User) -> None:
    answer = Caller(own.text).post("/me/api-keys", NEW)

    assert (answer.status, answer.json["user_id"]) == (201, str(user.id))
    assert Caller(answer.json["key"]).get("/me").json["actor_id"] == str(user.id)


def test_a_members_new_key_is_at_most_as_powerful_as_the_calling_one(organization: Organization, user: User) -> None:
    caller = Caller(factories.make_key(organization, user=user, scopes=("tasks:read",)).text)

    answer = caller.post("/me/api-keys", NEW | {"scopes": ["tasks:write"]})

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_a_members_new_key_does_not_outlive_the_calling_one(organization: Organization, user: User) -> None:
    ends = datetime.fromisoformat("2030-01-01T00:00:00+00:00")
    caller = Caller(factories.make_key(organization, user=user, expires_at=ends).text)

    made = caller.post("/me/api-keys", NEW).json

    assert datetime.fromisoformat(made["expires_at"]) == ends


def test_a_member_names_nobody_else(own: MintedKey) -> None:
    answer = Caller(own.text).post("/me/api-keys", NEW | {"user_id": str(uuid.uuid4())})

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_member_lists_their_own_keys(organization: Organization, own: MintedKey) -> None:
    factories.make_key(organization)
    factories.make_key(organization, user=factories.make_member(organization))
    made = Caller(own.text).post("/me/api-keys", NEW).json

    listed = Caller(own.text).get("/me/api-keys").json["items"]

    assert [key["id"] for key in listed] == [made["id"], str(own.row.id)]


def test_a_member_revokes_their_own_key(organization: Organization, own: MintedKey, user: User) -> None:
    made = Caller(own.text).post("/me/api-keys", NEW).json

    answer = Caller(own.text).delete(f"/me/api-keys/{made['id']}")

    assert answer.status == 204
    assert Caller(made["key"]).get("/me").code == "api-key-revoked"
    entry = audit_of(organization)[-2]
    assert (entry["action"], entry["actor"], entry["subject_id"]) == ("api-key.revoked", f"user:{user.id}", made["id"])


def test_a_weaker_key_revokes_no_stronger_one(organization: Organization, own: MintedKey, user: User) -> None:
    weak = Caller(factories.make_key(organization, user=user, scopes=("tasks:read",)).text)

    answer = weak.delete(f"/me/api-keys/{own.row.id}")

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_a_member_rotates_their_own_key(own: MintedKey) -> None:
    made = Caller(own.text).post("/me/api-keys", NEW).json

    rotated = Caller(own.text).post(f"/me/api-keys/{made['id']}/rotate", {"overlap_seconds": 0})

    assert (rotated.status, rotated.json["replaces_id"]) == (201, made["id"])
    assert Caller(made["key"]).get("/me").code == "api-key-expired"


@pytest.mark.parametrize("of_whom", ["nobody", "colleague"])
def test_a_member_finds_no_key_but_their_own(organization: Organization, own: MintedKey, of_whom: str) -> None:
    bearer = factories.make_member(organization) if of_whom == "colleague" else None
    key = factories.make_key(organization, user=bearer, scopes=("tasks:read",))
    path, caller = f"/me/api-keys/{key.row.id}", Caller(own.text)

    answers = [caller.get(path), caller.delete(path), caller.post(f"{path}/rotate", {})]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "not-found")] * 3


def without_key(minted: MintedKey) -> Principal:
    """Return the key's bearer as one who came by a token."""
    known = authenticate_key(minted.text)
    return Principal(known.organization_id, known.actor_type, known.actor_id, None, known.scopes, known.role)


def test_a_user_who_came_without_a_key_makes_one(own: MintedKey, user: User) -> None:
    principal = without_key(own)

    made = api_keys.create_api_key(
        principal, name="made", scopes=["tasks:read"], user_id=user.id, now=datetime.now(UTC)
    )

    assert (made.row.user_id, made.row.expires_at) == (user.id, None)


def test_a_user_who_left_and_came_without_a_key_makes_none(own: MintedKey, user: User) -> None:
    principal = without_key(own)
    with tenancy.system():
        Membership.objects.filter(user=user).delete()

    with pytest.raises(UserUnknown, match="has left the organization"):
        api_keys.create_api_key(principal, name="made", scopes=["tasks:read"], now=datetime.now(UTC))
