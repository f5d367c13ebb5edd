"""The first key of whoever accepts an invitation holds every scope; their role bounds it, whatever role that is."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from orgs import authentication, limits, tenancy
from orgs.models import Invitation, Organization, Role
from orgs.permissions import EVERYTHING, ROLE_SCOPES
from orgs.services import key_rotation
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.holding import wait_until_organization_held
from tests.orgs.invitations import accept, invite
from tests.orgs.key_policies import in_days, instant, set_policy
from tests.statements import at_once, wait_until_someone_waits

pytestmark = pytest.mark.usefixtures("quick_passwords")


@pytest.fixture
def accepted(founder: Caller) -> dict[str, Any]:
    """What a new member was answered."""
    found: dict[str, Any] = accept(invite(founder)).json
    return found


@pytest.fixture
def member(accepted: dict[str, Any]) -> Caller:
    return Caller(accepted["api_key"]["key"])


def promote(founder: Caller, accepted: dict[str, Any], role: Role) -> None:
    answer = founder.patch(f"/members/{accepted['membership']['id']}", {"role": role})
    assert answer.status == 200, answer


def test_the_first_key_holds_everything(accepted: dict[str, Any]) -> None:
    assert accepted["api_key"]["scopes"] == list(EVERYTHING)


def test_a_promotion_is_felt_by_the_first_key(founder: Caller, accepted: dict[str, Any], member: Caller) -> None:
    before = member.get("/audit").code

    promote(founder, accepted, Role.ADMIN)

    assert (before, member.get("/audit").status) == ("scope-missing", 200)


def test_a_demotion_is_felt_by_the_first_key(founder: Caller, accepted: dict[str, Any], member: Caller) -> None:
    promote(founder, accepted, Role.ADMIN)
    before = member.get("/audit").status

    promote(founder, accepted, Role.MEMBER)

    assert (before, member.get("/audit").code) == (200, "scope-missing")


def test_to_whom_an_organization_is_transferred_deletes_and_restores_it(
    founder: Caller, organization: Organization, accepted: dict[str, Any], member: Caller
) -> None:
    path = f"/orgs/{organization.id}"
    handed_on = founder.post(f"{path}/transfer", {"membership_id": accepted["membership"]["id"]})

    deleted, restored = member.delete(f"{path}?confirm={organization.slug}"), member.post(f"{path}/restore")

    assert (handed_on.status, deleted.status, restored.status) == (200, 202, 200)
    assert restored.json["deletes_at"] is None


def test_a_narrowed_key_stays_narrowed_when_its_user_is_promoted(
    founder: Caller, accepted: dict[str, Any], member: Caller
) -> None:
    narrow = Caller(member.post("/me/api-keys", {"name": "narrow", "scopes": ["tasks:read"]}).json["key"])

    promote(founder, accepted, Role.OWNER)

    assert narrow.get("/me").json["scopes"] == ["tasks:read"]


def test_the_first_key_ends_by_the_organizations_policy(founder: Caller, organization: Organization) -> None:
    set_policy(founder, organization, max_lifetime_days=90)

    key = accept(invite(founder)).json["api_key"]

    assert key["ends_by_policy"]
    assert abs(instant(key["expires_at"]) - instant(in_days(90))) < timedelta(seconds=10)


def test_a_member_rotates_their_first_key_by_itself(accepted: dict[str, Any], member: Caller) -> None:
    """What their role takes from it does not count."""
    answer = member.post(f"/me/api-keys/{accepted['api_key']['id']}/rotate", {})

    assert (answer.status, answer.json["scopes"]) == (201, list(EVERYTHING))


def test_a_member_who_came_without_a_key_rotates_their_first_one(accepted: dict[str, Any], member: Caller) -> None:
    known = authentication.authenticate_key(member.key)
    principal = type(known)(known.organization_id, known.actor_type, known.actor_id, None, known.scopes, known.role)

    made = key_rotation.rotate_api_key(
        principal,
        UUID(accepted["api_key"]["id"]),
        overlap=timedelta(0),
        expires_at=None,
        expected=None,
        now=datetime.now(UTC),
    )

    assert made.row.scopes == list(EVERYTHING)


def test_a_key_narrowed_to_the_role_does_not_rotate_the_first_key(accepted: dict[str, Any], member: Caller) -> None:
    """Else it would be without bounds once its user is promoted."""
    narrow = member.post("/me/api-keys", {"name": "narrow", "scopes": list(ROLE_SCOPES["member"])}).json

    answer = Caller(narrow["key"]).post(f"/me/api-keys/{accepted['api_key']['id']}/rotate", {})

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_an_admin_does_not_rotate_the_first_key_of_a_member(
    organization: Organization, accepted: dict[str, Any]
) -> None:
    """It would be an owner's in the admin's hands once the member becomes one."""
    admin = Caller(factories.make_key(organization, user=factories.make_member(organization, Role.ADMIN)).text)

    answer = admin.post(f"/api-keys/{accepted['api_key']['id']}/rotate", {})

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "orgs:admin" in answer.json["detail"]


def test_an_acceptance_locks_the_organization_before_its_invitation(
    founder: Caller, organization: Organization
) -> None:
    """As a resend does, so that neither waits for what the other holds."""
    made = invite(founder)

    def hold_and_lock() -> Invitation:
        with tenancy.system():
            limits.lock(organization.id)
            wait_until_someone_waits()
            return Invitation.objects.select_for_update(nowait=True).get(id=made["id"])

    def take() -> Answer:
        wait_until_organization_held(organization.id)
        return accept(made)

    held, answer = at_once(hold_and_lock, take)

    assert isinstance(held, Invitation)
    assert isinstance(answer, Answer)
    assert answer.status == 201
