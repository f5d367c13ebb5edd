"""Whose account is deactivated, such as that of a person who is being erased, gets no place."""

from concurrent.futures import ThreadPoolExecutor

import pytest
from django.utils import timezone

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import members, person_erasing
from tests import factories
from tests.orgs.console import Browser
from tests.statements import elsewhere, system_rows, wait_until_someone_waits

PLACES = "SELECT FROM orgs_membership WHERE user_id = %s"
SAID = "This user&#x27;s account is deactivated."


@pytest.fixture
def gone() -> User:
    return factories.make_user(is_active=False)


def test_an_operator_makes_no_organization_of_a_deactivated_user(browser: Browser, gone: User) -> None:
    form = {"name": "Made", "slug": f"made-{gone.id.hex[:20]}", "owner": str(gone.id)}

    answer = browser.send("/admin/orgs/organization/add/", form)

    assert answer.status_code == 200
    assert SAID in answer.content.decode()
    assert system_rows("SELECT FROM orgs_organization WHERE owner_id = %s", gone.id) == []


def test_an_operator_gives_no_place_to_a_deactivated_user(
    browser: Browser, gone: User, organization: Organization
) -> None:
    form = {"organization": str(organization.id), "user": str(gone.id), "role": "owner"}

    answer = browser.send("/admin/orgs/membership/add/", form)

    assert answer.status_code == 200
    assert SAID in answer.content.decode()
    assert system_rows(PLACES, gone.id) == []


def test_an_organization_that_is_made_while_its_owner_is_erased_waits_and_is_refused() -> None:
    user = factories.make_user()

    with ThreadPoolExecutor(1) as pool:
        with tenancy.system():
            person_erasing.request_erasure(user.id, by="test", now=timezone.now())
            made = pool.submit(elsewhere, lambda: factories.make_organization(user))
            wait_until_someone_waits()

        with pytest.raises(members.UserInactive):
            made.result()


def test_a_place_that_cannot_be_taken_away_holds_up_nothing_but_the_end(organization: Organization) -> None:
    """It can only come past the services that give one, such as by a restored backup."""
    user = factories.make_user()
    now = timezone.now()
    begun = person_erasing.request_erasure(user.id, by="test", now=now)
    held, left = factories.make_organization(), factories.make_organization()
    for place in (held, left):
        factories.add_member(place, user, Role.OWNER)
    system_rows("DELETE FROM orgs_membership WHERE organization_id = %s AND user_id <> %s", held.id, user.id)
    factories.make_key(left, user=user)
    later = now + person_erasing.settle_time()

    waiting = person_erasing.carry_on(begun.id, now=later)
    remaining = system_rows("SELECT organization_id FROM orgs_membership WHERE user_id = %s", user.id)
    factories.add_member(held, factories.make_user(), Role.OWNER)
    ended = person_erasing.carry_on(begun.id, now=later)

    assert (waiting.finished_at, remaining, waiting.counts["api_keys"]) == (None, [(held.id,)], 1)
    assert ended.finished_at == later
    assert ended.counts["memberships"] == 2
