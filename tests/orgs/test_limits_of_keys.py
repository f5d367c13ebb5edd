"""Which API keys count against how many an organization may have."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from orgs import tenancy
from orgs.models import Organization
from orgs.services import members, organizations
from tests import factories
from tests.factories import Caller
from tests.orgs.places import key_of, place_of
from tests.statements import system_rows

OWN = "/me/api-key/rotate"
MINT = {"name": "New", "scopes": ["orgs:read"]}


def used(owner: Caller, organization: Organization) -> int:
    count: int = owner.get(f"/orgs/{organization.id}/limits").json["limits"]["api_keys"]["used"]
    return count


def limit(organization: Organization, most: int) -> None:
    with tenancy.system():
        organizations.set_limits(organization.id, changes={"max_api_keys": most}, actor="test")


def test_keys_that_cannot_be_used_do_not_count(organization: Organization) -> None:
    factories.make_key(organization, expires_at=datetime.now(UTC) - timedelta(hours=1))
    row, caller = factories.make_key(organization).row, Caller(factories.make_key(organization).text)
    assert caller.delete(f"/api-keys/{row.id}").status == 204

    assert used(caller, organization) == 1


def test_a_key_in_its_overlap_does_not_count(owner: Caller, organization: Organization) -> None:
    owner.post(OWN, {})

    assert used(owner, organization) == 1


@pytest.mark.parametrize("end", ["revoked_at = now()", "expires_at = now()"])
def test_a_key_that_outlives_its_successor_counts(owner: Caller, organization: Organization, end: str) -> None:
    made = owner.post(OWN, {"overlap_seconds": 3600}).json
    factories.make_key(organization)

    system_rows(f"UPDATE orgs_apikey SET {end} WHERE id = %s", made["id"])

    assert used(owner, organization) == 2


def test_a_key_is_rotated_at_the_limit(owner: Caller, organization: Organization) -> None:
    limit(organization, 1)

    answer = owner.post(OWN, {})

    assert answer.status == 201
    refused = Caller(answer.json["key"]).post("/api-keys", MINT)
    assert (refused.status, refused.code) == (409, "limit-reached")


def test_the_keys_of_who_has_left_do_not_count(owner: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    key_of(organization, user)
    before = used(owner, organization)

    with tenancy.system():
        members.remove_member(uuid.UUID(place_of(organization, user.id)), actor="test")

    assert (before, used(owner, organization)) == (2, 1)


def test_the_keys_of_who_is_deactivated_do_not_count(owner: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    key_of(organization, user)

    system_rows("UPDATE accounts_user SET is_active = false WHERE id = %s", user.id)

    assert used(owner, organization) == 1


def test_the_keys_of_agents_and_of_nobody_count(owner: Caller, organization: Organization) -> None:
    factories.make_key(organization, agent=factories.make_agent(organization))

    assert used(owner, organization) == 2
