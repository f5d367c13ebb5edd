"""An organization never loses its last owner, whoever comes at the same moment."""

import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from orgs import authentication, tenancy
from orgs.models import Organization, Role
from orgs.services import members
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.places import key_of, place_of, roles_of
from tests.statements import at_once, elsewhere, wait_until_someone_waits


def one_refused(answers: list[Any]) -> bool:
    assert all(isinstance(answer, Answer) for answer in answers), answers
    codes = sorted(answer.code for answer in answers if answer.status >= 400)
    return len(codes) == 1 and codes[0] in ("last-owner", "scope-missing", "api-key-revoked", "transfer-refused")


def _demote(caller: Caller, organization: Organization, place: str) -> Answer:
    return caller.patch(f"/members/{place}", {"role": "member"})


def _remove(caller: Caller, organization: Organization, place: str) -> Answer:
    return caller.delete(f"/members/{place}")


def _leave(caller: Caller, organization: Organization, place: str) -> Answer:
    return caller.delete("/me/membership")


Act = Callable[[Caller, Organization, str], Answer]


@pytest.mark.parametrize("first", [_demote, _remove, _leave])
@pytest.mark.parametrize("second", [_demote, _remove, _leave])
def test_of_two_owners_who_end_at_once_one_stays(
    founder: Caller, organization: Organization, own_place: str, first: Act, second: Act
) -> None:
    """Each ends themself; whoever comes second is the last."""
    user = factories.make_member(organization, Role.OWNER)
    other, place = key_of(organization, user), place_of(organization, user.id)

    answers = at_once(lambda: first(founder, organization, own_place), lambda: second(other, organization, place))

    assert one_refused(answers)
    assert roles_of(organization).count("owner") == 1


def test_of_two_owners_who_demote_each_other_at_once_one_stays(
    founder: Caller, organization: Organization, own_place: str
) -> None:
    user = factories.make_member(organization, Role.OWNER)
    other, place = key_of(organization, user), place_of(organization, user.id)

    answers = at_once(lambda: _demote(founder, organization, place), lambda: _demote(other, organization, own_place))

    assert one_refused(answers)
    assert roles_of(organization).count("owner") == 1


def test_who_is_removed_while_the_organization_is_handed_to_them_leaves_it_an_owner(
    founder: Caller, owner: Caller, organization: Organization
) -> None:
    user = factories.make_member(organization)
    place = place_of(organization, user.id)

    answers: list[Any] = at_once(
        lambda: founder.post(f"/orgs/{organization.id}/transfer", {"membership_id": place}),
        lambda: owner.delete(f"/members/{place}"),
    )

    assert sorted(answer.status for answer in answers) in ([200, 409], [204, 422]), answers
    assert roles_of(organization).count("owner") == 1


def test_a_removal_waits_for_a_demotion_and_counts_the_owners_left(
    owner: Caller, organization: Organization, own_place: str
) -> None:
    other = place_of(organization, factories.make_member(organization, Role.OWNER).id)

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        members.change_role(uuid.UUID(other), role=Role.MEMBER, actor="test")
        waiting = pool.submit(elsewhere, lambda: owner.delete(f"/members/{own_place}"))
        wait_until_someone_waits()
        # The scope ends here: the demotion commits, and the pool waits for the removal.
    answer = waiting.result()

    assert (answer.status, answer.code) == (409, "last-owner")


def test_leaving_waits_for_a_transfer_and_counts_the_owners_left(
    founder: Caller, organization: Organization, own_place: str
) -> None:
    """The founder hands on and, before that has committed, the new owner leaves: there would be none."""
    user = factories.make_member(organization)
    principal = authentication.authenticate_key(founder.key)
    heir = key_of(organization, user)

    def leave() -> Answer:
        return heir.delete("/me/membership")

    with ThreadPoolExecutor(1) as pool, tenancy.organization(organization.id):
        members.transfer(
            principal,
            to={"user_id": user.id},
            from_membership_id=None,
            role=Role.ADMIN,
            expected=None,
            now=datetime.now(UTC),
        )
        waiting = pool.submit(elsewhere, leave)
        wait_until_someone_waits()
    answer = waiting.result()

    assert (answer.status, answer.code) == (409, "last-owner")
    assert roles_of(organization) == ["admin", "owner"]
