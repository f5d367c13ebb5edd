"""PATCH and DELETE /members/{id}, DELETE /me/membership, POST /orgs/{id}/transfer."""

import uuid
from typing import Any

import pytest

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization, Role
from tests import factories
from tests.factories import Caller
from tests.orgs.places import key_of, place_of, roles_of
from tests.statements import audit_of, events_of, system_rows


def deactivate(user_id: uuid.UUID) -> None:
    with tenancy.system():
        User.objects.filter(id=user_id).update(is_active=False)


@pytest.fixture
def admin(organization: Organization) -> Caller:
    return key_of(organization, factories.make_member(organization, Role.ADMIN))


def test_a_role_is_changed(admin: Caller, organization: Organization) -> None:
    place = place_of(organization, factories.make_member(organization).id)

    answer = admin.patch(f"/members/{place}", {"role": "admin"}, If_Match='"1"')

    assert (answer.status, answer.json["role"], answer.headers["ETag"]) == (200, "admin", '"2"')
    assert [(event["generation"], event["type"]) for event in events_of(place)] == [(2, "membership.changed")]
    assert audit_of(organization)[-1]["detail"] == {"role": "admin"}


def test_the_role_that_a_member_has_changes_nothing(admin: Caller, organization: Organization) -> None:
    place = place_of(organization, factories.make_member(organization).id)

    answer = admin.patch(f"/members/{place}", {"role": "member"})

    assert (answer.status, answer.headers["ETag"], events_of(place)) == (200, '"1"', [])


def test_a_demoted_users_key_can_do_less_at_once(founder: Caller, organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = key_of(organization, user)
    before = caller.get("/audit").status

    founder.patch(f"/members/{place_of(organization, user.id)}", {"role": "member"})

    assert (before, caller.get("/audit").code) == (200, "scope-missing")


def test_a_removed_members_key_is_refused_at_once(founder: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    caller, place = key_of(organization, user), place_of(organization, user.id)
    before = caller.get("/me").status

    answer = founder.delete(f"/members/{place}", If_Match='"1"')

    assert (before, answer.status, caller.get("/me").code) == (200, 204, "api-key-revoked")
    assert [(event["generation"], event["type"]) for event in events_of(place)] == [(2, "membership.removed")]


@pytest.mark.parametrize("method", ["PATCH", "DELETE"])
def test_a_member_that_has_changed_since_is_left_alone(admin: Caller, organization: Organization, method: str) -> None:
    place = place_of(organization, factories.make_member(organization).id)
    admin.patch(f"/members/{place}", {"role": "admin"})
    body = {"role": "member"} if method == "PATCH" else None

    answer = admin.call(method, f"/members/{place}", body, If_Match='"1"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert roles_of(organization) == ["admin", "admin", "owner"]


@pytest.mark.parametrize(
    ("role", "method", "body"),
    [("member", "PATCH", {"role": "owner"}), ("owner", "PATCH", {"role": "member"}), ("owner", "DELETE", None)],
    ids=["make", "demote", "remove"],
)
def test_an_admin_neither_makes_nor_unmakes_an_owner(
    admin: Caller, organization: Organization, role: Role, method: str, body: Any
) -> None:
    place = place_of(organization, factories.make_member(organization, role).id)
    before = roles_of(organization)

    answer = admin.call(method, f"/members/{place}", body)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "orgs:admin" in answer.json["detail"]
    assert roles_of(organization) == before
    assert audit_of(organization)[-1]["action"] == "access.refused"


def test_an_owner_makes_another(founder: Caller, organization: Organization) -> None:
    place = place_of(organization, factories.make_member(organization).id)

    assert founder.patch(f"/members/{place}", {"role": "owner"}).json["role"] == "owner"


@pytest.mark.parametrize(("method", "body"), [("PATCH", {"role": "admin"}), ("DELETE", None)])
def test_the_last_owner_stays(
    founder: Caller, organization: Organization, own_place: str, method: str, body: Any
) -> None:
    answer = founder.call(method, f"/members/{own_place}", body)

    assert (answer.status, answer.code) == (409, "last-owner")
    assert (roles_of(organization), events_of(own_place)[1:]) == (["owner"], [])


def test_the_last_owner_cannot_leave(founder: Caller, organization: Organization) -> None:
    answer = founder.delete("/me/membership")

    assert (answer.status, answer.code, roles_of(organization)) == (409, "last-owner", ["owner"])


def test_an_owner_whose_account_is_deactivated_is_none_of_those_left(
    founder: Caller, organization: Organization, own_place: str
) -> None:
    deactivate(factories.make_member(organization, Role.OWNER).id)

    answer = founder.delete(f"/members/{own_place}")

    assert (answer.status, answer.code) == (409, "last-owner")


def test_a_deactivated_owner_is_removed_by_one_who_is_left(founder: Caller, organization: Organization) -> None:
    user = factories.make_member(organization, Role.OWNER)
    deactivate(user.id)

    answer = founder.delete(f"/members/{place_of(organization, user.id)}")

    assert (answer.status, roles_of(organization)) == (204, ["owner"])


def test_a_member_leaves_and_their_key_is_refused_at_once(organization: Organization) -> None:
    user = factories.make_member(organization)
    caller, place = key_of(organization, user), place_of(organization, user.id)

    answer = caller.delete("/me/membership")

    assert (answer.status, caller.get("/me").code) == (204, "api-key-revoked")
    entry = audit_of(organization)[-2]
    assert (entry["action"], entry["actor"], entry["subject_id"]) == ("membership.removed", f"user:{user.id}", place)


@pytest.mark.parametrize("kind", ["service", "agent"])
def test_only_a_user_leaves(request: pytest.FixtureRequest, organization: Organization, kind: str) -> None:
    caller = request.getfixturevalue({"service": "owner", "agent": "agent"}[kind])

    answer = caller.delete("/me/membership")

    assert (answer.status, answer.code) == (403, "user-required")
    assert audit_of(organization)[-1]["action"] == "access.refused"


def test_an_organization_is_handed_on_in_one_step(founder: Caller, organization: Organization, own_place: str) -> None:
    user = factories.make_member(organization)
    place = place_of(organization, user.id)

    answer = founder.post(f"/orgs/{organization.id}/transfer", {"membership_id": place}, If_Match='"1"')

    assert (answer.status, answer.json["owner_id"], answer.headers["ETag"]) == (200, str(user.id), '"2"')
    assert (founder.get("/me").json["role"], roles_of(organization)) == ("admin", ["admin", "owner"])
    kinds = [events_of(subject)[-1]["type"] for subject in (place, own_place, organization.id)]
    assert kinds == ["membership.changed", "membership.changed", "organization.transferred"]
    detail = {"from": str(organization.owner_id), "to": str(user.id)}
    assert (audit_of(organization)[-1]["action"], audit_of(organization)[-1]["detail"]) == (kinds[-1], detail)


def test_an_organization_is_handed_on_to_a_user_for_the_role_that_is_asked(
    founder: Caller, organization: Organization
) -> None:
    user = factories.make_member(organization)

    answer = founder.post(f"/orgs/{organization.id}/transfer", {"user_id": str(user.id), "role": "member"})

    assert (answer.status, roles_of(organization)) == (200, ["member", "owner"])


def test_a_key_of_no_user_names_whose_ownership_it_hands_on(
    owner: Caller, organization: Organization, own_place: str
) -> None:
    path, to = f"/orgs/{organization.id}/transfer", {"user_id": str(factories.make_member(organization).id)}

    unnamed, named = owner.post(path, to), owner.post(path, {**to, "from_membership_id": own_place})

    assert (unnamed.status, unnamed.code, named.status) == (403, "user-required", 200)
    assert roles_of(organization) == ["admin", "owner"]


def test_who_is_no_member_is_given_nothing(founder: Caller, organization: Organization) -> None:
    stranger = factories.make_organization()
    theirs = place_of(stranger, stranger.owner_id)
    path = f"/orgs/{organization.id}/transfer"

    answers = [founder.post(path, body) for body in ({"membership_id": theirs}, {"user_id": str(stranger.owner_id)})]

    assert [(answer.status, answer.code) for answer in answers] == [(422, "unknown-reference")] * 2


@pytest.mark.parametrize("body", [{}, {"membership_id": factories.UNKNOWN_ID, "user_id": factories.UNKNOWN_ID}])
def test_the_new_owner_is_named_once(founder: Caller, organization: Organization, body: dict[str, str]) -> None:
    answer = founder.post(f"/orgs/{organization.id}/transfer", body)

    assert (answer.status, answer.code) == (422, "invalid")


def test_an_organization_is_not_handed_to_a_deactivated_user(founder: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    deactivate(user.id)

    answer = founder.post(f"/orgs/{organization.id}/transfer", {"user_id": str(user.id)})

    assert (answer.status, answer.code, roles_of(organization)) == (409, "transfer-refused", ["member", "owner"])


def test_an_organization_is_not_handed_from_its_owner_to_the_same(
    founder: Caller, organization: Organization, own_place: str
) -> None:
    answer = founder.post(f"/orgs/{organization.id}/transfer", {"membership_id": own_place})

    assert (answer.status, answer.code, roles_of(organization)) == (409, "transfer-refused", ["owner"])


def test_only_an_owners_place_is_handed_on(owner: Caller, organization: Organization, own_place: str) -> None:
    place = place_of(organization, factories.make_member(organization, Role.ADMIN).id)

    answer = owner.post(f"/orgs/{organization.id}/transfer", {"membership_id": own_place, "from_membership_id": place})

    assert (answer.status, answer.code, roles_of(organization)) == (409, "transfer-refused", ["admin", "owner"])


@pytest.mark.parametrize("query", ["?role=admin", "?user_id={}", "?role=admin&user_id={}"])
def test_members_are_listed_by_role_and_user(owner: Caller, organization: Organization, query: str) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    factories.make_member(organization)

    listed = owner.get(f"/members{query.format(user.id)}").json["items"]

    assert [member["user"]["id"] for member in listed] == [str(user.id)]


def test_a_cursor_of_one_role_is_none_of_another(owner: Caller, organization: Organization) -> None:
    for _ in range(2):
        factories.make_member(organization)
    cursor = owner.get("/members?role=member&limit=1").json["next_cursor"]

    assert owner.get(f"/members?role=admin&cursor={cursor}").code == "invalid-cursor"


def test_who_was_demoted_elsewhere_does_not_take_it_back_while_they_are_believed(organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller, place = key_of(organization, user), place_of(organization, user.id)
    believed = caller.get("/audit").status
    system_rows("UPDATE orgs_membership SET role = 'member' WHERE id = %s", place)

    answer = caller.patch(f"/members/{place}", {"role": "admin"})

    assert (believed, answer.status, answer.code) == (200, 403, "scope-missing")
    assert roles_of(organization) == ["member", "owner"]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/api-keys", {"name": "child", "scopes": ["tasks:read"]}),
        ("/invitations", {"email": "friend@example.com", "role": "member"}),
    ],
)
def test_who_was_demoted_elsewhere_gives_no_rights_away_while_they_are_believed(
    organization: Organization, path: str, body: dict[str, Any]
) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = key_of(organization, user)
    believed = caller.get(path).status
    system_rows("UPDATE orgs_membership SET role = 'member' WHERE user_id = %s", user.id)

    answer = caller.post(path, body)

    assert (believed, answer.status, answer.code) == (200, 403, "scope-missing")
