"""Locks are taken in one order, the organization's before those of what it has, so that nobody deadlocks."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from orgs import limits, tenancy
from orgs.models import APIKey, Invitation, Organization, TenantModel
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.invitations import invite
from tests.orgs.places import key_of
from tests.statements import at_once, elsewhere, wait_until_someone_waits

pytestmark = pytest.mark.usefixtures("quick_passwords")


def taken_after_the_organization(organization: Organization, call: Callable[[], Answer], row: TenantModel) -> Answer:
    """Have the call wait for the organization's lock, show that `row` is free meanwhile, and return its answer."""
    with ThreadPoolExecutor(1) as pool:
        with tenancy.organization(organization.id):
            limits.lock(organization.id)
            answer = pool.submit(elsewhere, call)
            wait_until_someone_waits()
            type(row)._default_manager.select_for_update(nowait=True).get(id=row.pk)
        return answer.result()


def test_accepting_locks_the_organization_before_the_invitation(founder: Caller, organization: Organization) -> None:
    user = factories.make_user()
    caller = key_of(factories.make_organization(user), user)
    made = invite(founder, email=user.email)

    answer = taken_after_the_organization(
        organization,
        lambda: caller.post("/invitations/accept", {"token": made["token"]}),
        Invitation(id=made["id"]),
    )

    assert answer.status == 201, answer


@pytest.mark.parametrize(("method", "path", "body"), [("DELETE", "", None), ("POST", "/resend", {})])
def test_changing_an_invitation_locks_the_organization_before_it(
    founder: Caller, organization: Organization, method: str, path: str, body: Any
) -> None:
    made = invite(founder)

    answer = taken_after_the_organization(
        organization, lambda: founder.call(method, f"/invitations/{made['id']}{path}", body), Invitation(id=made["id"])
    )

    assert answer.status in (200, 204), answer


@pytest.mark.parametrize("way", ["/api-keys", "/me/api-keys"])
def test_revoking_a_key_locks_the_organization_before_it(founder: Caller, organization: Organization, way: str) -> None:
    key = founder.post("/me/api-keys", {"name": "one", "scopes": ["tasks:read"]}).json

    answer = taken_after_the_organization(
        organization, lambda: founder.delete(f"{way}/{key['id']}"), APIKey(id=key["id"])
    )

    assert answer.status == 204, answer


def test_two_keys_that_revoke_each_other_at_once_do_not_wait_for_each_other(organization: Organization) -> None:
    one, other = factories.make_key(organization), factories.make_key(organization)

    answers: list[Any] = at_once(
        lambda: Caller(one.text).delete(f"/api-keys/{other.row.id}"),
        lambda: Caller(other.text).delete(f"/api-keys/{one.row.id}"),
    )

    assert sorted(answer.status for answer in answers) in ([204, 401], [204, 204]), answers


def test_an_acceptance_and_a_resending_at_once_are_both_answered(founder: Caller) -> None:
    """The one that comes first decides: the link is used, or it is another."""
    user = factories.make_user()
    caller = key_of(factories.make_organization(user), user)
    made = invite(founder, email=user.email)

    answers: list[Any] = at_once(
        lambda: caller.post("/invitations/accept", {"token": made["token"]}),
        lambda: founder.post(f"/invitations/{made['id']}/resend", {}),
    )

    assert [answer.status for answer in answers] in ([201, 409], [404, 200]), answers
