"""GET /members and /members/{id}."""

import pytest
from django.db import IntegrityError

from orgs import tenancy
from orgs.models import Membership, Organization, Role
from tests import factories
from tests.factories import Caller
from tests.statements import statements


def test_members_are_listed_newest_first_with_their_users(owner: Caller, organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)

    listed = owner.get("/members").json["items"]

    assert [(member["user"]["id"], member["role"]) for member in listed] == [
        (str(user.id), "admin"),
        (str(organization.owner_id), "owner"),
    ]
    assert listed[0]["user"] == {"id": str(user.id), "email": user.email, "display_name": ""}


def test_members_are_listed_page_by_page(owner: Caller, organization: Organization) -> None:
    made = [str(factories.make_member(organization).id) for _ in range(2)]

    first = owner.get("/members?limit=2").json
    second = owner.get(f"/members?limit=2&cursor={first['next_cursor']}").json

    assert [member["user"]["id"] for member in first["items"]] == [made[1], made[0]]
    assert [member["user"]["id"] for member in second["items"]] == [str(organization.owner_id)]
    assert second["next_cursor"] is None


def test_listing_members_takes_two_statements_however_many_there_are(owner: Caller, organization: Organization) -> None:
    for _ in range(5):
        factories.make_member(organization)
    owner.get("/members")

    with statements() as sent:
        answer = owner.get("/members")

    assert len(answer.json["items"]) == 6
    assert len(sent) == 2, sent


def test_a_member_is_given_with_its_etag(owner: Caller) -> None:
    listed = owner.get("/members").json["items"][0]

    answer = owner.get(f"/members/{listed['id']}")

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json == listed


def test_an_outsider_does_not_find_a_member(owner: Caller, outsider: Caller) -> None:
    member = owner.get("/members").json["items"][0]

    answer = outsider.get(f"/members/{member['id']}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_an_outsider_lists_only_their_own_members(owner: Caller, outsider: Caller) -> None:
    ours, theirs = ({member["id"] for member in caller.get("/members").json["items"]} for caller in (owner, outsider))

    assert len(ours) == len(theirs) == 1
    assert ours != theirs


def test_a_user_of_two_organizations_is_one_member_in_each(owner: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    other = factories.make_organization(owner=user)
    there = Caller(factories.make_key(other).text)

    listed = [caller.get("/members").json["items"] for caller in (owner, there)]

    assert [[member["role"] for member in members] for members in listed] == [["member", "owner"], ["owner"]]


def test_the_database_refuses_a_second_membership(organization: Organization) -> None:
    user = factories.make_member(organization)

    with pytest.raises(IntegrityError, match="orgs_membership_unique"), tenancy.system():
        Membership.objects.create(organization=organization, user=user, role=Role.ADMIN, owner_id=user.id)


@pytest.mark.parametrize("path", ["/members", "/members/00000000-0000-7000-8000-000000000000"])
def test_members_need_their_scope(organization: Organization, path: str) -> None:
    caller = Caller(factories.make_key(organization, scopes=("orgs:admin",)).text)

    answer = caller.get(path)

    assert (answer.status, answer.code) == (403, "scope-missing")
