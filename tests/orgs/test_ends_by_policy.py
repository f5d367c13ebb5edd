"""An end that only the policy gave bounds no other key; one that somebody named bounds all that comes of its key."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import IntegrityError

from orgs import tenancy
from orgs.models import APIKey, Organization
from tests import factories
from tests.factories import Caller
from tests.orgs.key_policies import in_days, instant, set_policy
from tests.statements import system_rows

NEW = {"name": "made", "scopes": ["tasks:read"]}
OWN = "/me/api-key/rotate"


def end_of(key: dict[str, Any]) -> tuple[int | None, bool]:
    """Return in how many days a key ends, and whether by policy."""
    if key["expires_at"] is None:
        return None, key["ends_by_policy"]
    return round((instant(key["expires_at"]) - datetime.now(UTC)) / timedelta(days=1)), key["ends_by_policy"]


def shown(caller: Caller, key_id: Any) -> dict[str, Any]:
    found: dict[str, Any] = caller.get(f"/api-keys/{key_id}").json
    return found


def rotate(caller: Caller, key_id: Any) -> dict[str, Any]:
    answer = caller.post(f"/api-keys/{key_id}/rotate", {})
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


def pass_days(days: int, organization: Organization) -> None:
    """Have an organization's keys be older, and end sooner."""
    system_rows(
        "UPDATE orgs_apikey SET created_at = created_at - %s, expires_at = expires_at - %s WHERE organization_id = %s",
        *[timedelta(days=days)] * 2,
        organization.id,
    )


@pytest.fixture
def ending(owner: Caller, organization: Organization) -> Caller:
    """A key with every scope that ends by a policy of 90 days, of which 80 are over."""
    set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)
    pass_days(80, organization)
    return owner


@pytest.fixture
def bounded(owner: Caller, organization: Organization) -> Caller:
    """A key with every scope for which somebody named an end in 200 days; the policy allows 90."""
    key = factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=200))
    set_policy(owner, organization, max_lifetime_days=90)
    return Caller(key.text)


def test_a_new_key_without_a_named_end_ends_by_policy(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    made = owner.post("/api-keys", NEW).json

    assert end_of(made) == (90, True)


def test_a_named_end_is_not_the_policys(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    made = owner.post("/api-keys", NEW | {"expires_at": in_days(30)}).json

    assert end_of(made) == (30, False)


def test_without_a_policy_a_key_ends_by_none(owner: Caller) -> None:
    made = owner.post("/api-keys", NEW).json

    assert end_of(made) == (None, False)


def test_a_key_that_ends_by_policy_makes_keys_that_outlive_it(ending: Caller) -> None:
    made = ending.post("/api-keys", NEW).json

    assert end_of(made) == (90, True)


def test_a_key_that_ends_by_policy_names_a_later_end_than_its_own(ending: Caller) -> None:
    answer = ending.post("/api-keys", NEW | {"expires_at": in_days(60)})

    assert (answer.status, end_of(answer.json)) == (201, (60, False))


def test_a_key_that_ends_by_policy_rotates_itself_to_the_policys_end(ending: Caller) -> None:
    made = ending.post(OWN, {}).json

    assert end_of(made) == (90, True)


def test_a_key_that_ends_by_policy_rotates_another_to_the_policys_end(
    ending: Caller, organization: Organization
) -> None:
    other = ending.post("/api-keys", NEW).json
    pass_days(5, organization)

    made = rotate(ending, other["id"])

    assert end_of(made) == (90, True)


def test_an_organization_all_of_whose_keys_end_goes_on_for_ever(ending: Caller, organization: Organization) -> None:
    caller = ending

    for _ in range(3):
        caller = Caller(caller.post(OWN, {"overlap_seconds": 0}).json["key"])
        pass_days(80, organization)

    assert caller.post("/api-keys", NEW).status == 201


def test_a_rotated_key_has_no_end_once_the_policy_is_lifted(ending: Caller, organization: Organization) -> None:
    set_policy(ending, organization, max_lifetime_days=None)

    made = ending.post(OWN, {}).json

    assert end_of(made) == (None, False)


def test_a_rotated_key_ends_by_the_policy_there_is(ending: Caller, organization: Organization) -> None:
    set_policy(ending, organization, max_lifetime_days=30)

    made = ending.post(OWN, {}).json

    assert end_of(made) == (30, True)


def test_an_existing_key_without_an_end_ends_by_policy_once_shortened(
    owner: Caller, organization: Organization
) -> None:
    key = factories.make_key(organization)

    set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)

    assert end_of(shown(owner, key.row.id)) == (90, True)


def test_a_named_end_that_is_shortened_still_bounds(bounded: Caller, owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=60, apply_to_existing=True)
    pass_days(10, organization)

    made = bounded.post(OWN, {}).json

    assert end_of(made) == (50, False)


def test_what_is_made_under_a_named_end_is_bound_too_where_the_policys_comes_first(bounded: Caller) -> None:
    """Else the made one would rotate itself beyond the end that was named."""
    made = bounded.post("/api-keys", NEW).json

    assert end_of(made) == (90, False)


def test_a_key_with_a_named_end_rotates_one_that_ends_by_policy_within_it(
    ending: Caller, organization: Organization
) -> None:
    caller = Caller(factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=20)).text)

    made = rotate(caller, ending.get("/me").json["api_key_id"])

    assert end_of(made) == (20, False)


def test_a_replaced_key_makes_none_beyond_its_overlap(ending: Caller) -> None:
    ending.post(OWN, {"overlap_seconds": 86400 * 2})

    made = ending.post("/api-keys", NEW).json

    assert end_of(made) == (2, False)


def test_a_replaced_key_makes_none_beyond_the_policys_end_that_comes_first(ending: Caller) -> None:
    ending.post(OWN, {"overlap_seconds": 86400 * 30})

    made = ending.post("/api-keys", NEW).json

    assert end_of(made) == (10, False)


def test_a_key_without_an_end_cannot_end_by_policy(organization: Organization) -> None:
    key = factories.make_key(organization)

    with pytest.raises(IntegrityError, match="orgs_apikey_ends_by_policy"), tenancy.system():
        APIKey.objects.filter(id=key.row.id).update(ends_by_policy=True)
