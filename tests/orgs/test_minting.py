"""A key that was believed a moment ago but is refused by now makes no other: a made key would outlast the belief."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from orgs import authentication, tenancy
from orgs.models import APIKey, Membership, Organization, Role
from orgs.services import api_keys
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Answer, Caller
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, elsewhere, system_rows, wait_until_someone_waits

CHILD = {"name": "child", "scopes": ["tasks:read"]}


@pytest.fixture
def minted(organization: Organization) -> MintedKey:
    """A key that acts as a member, and that this process believes."""
    made = factories.make_key(organization, user=factories.make_member(organization, Role.ADMIN))
    assert Caller(made.text).get("/me").status == 200
    return made


def keys_of(organization: Organization) -> int:
    with tenancy.organization(organization.id):
        return APIKey.objects.count()


def revoke(row: APIKey) -> None:
    APIKey.objects.filter(id=row.id).update(revoked_at=datetime.now(UTC))


def leave(row: APIKey) -> None:
    Membership.objects.filter(user=row.user).delete()


def deactivate(row: APIKey) -> None:
    User.objects.filter(id=str(row.user_id)).update(is_active=False)


@pytest.mark.parametrize(
    ("end", "why"),
    [(revoke, authentication.REVOKED), (leave, authentication.ORPHANED), (deactivate, authentication.ORPHANED)],
)
def test_a_key_that_ended_while_it_was_believed_is_told_why(
    minted: MintedKey, end: Callable[[APIKey], None], why: str
) -> None:
    with tenancy.system():
        end(minted.row)

    answer = Caller(minted.text).post("/api-keys", CHILD)

    assert (answer.code, answer.json["detail"]) == ("api-key-revoked", why)


@pytest.mark.parametrize("end", [revoke, leave, deactivate])
@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "1"}], ids=["plain", "idempotent"])
def test_a_key_that_another_process_ended_makes_none_while_this_one_believes_it(
    organization: Organization, minted: MintedKey, end: Callable[[APIKey], None], headers: dict[str, str]
) -> None:
    def end_it() -> None:
        with tenancy.system():
            end(minted.row)

    elsewhere(end_it)
    believed = Caller(minted.text).get("/me").status
    answer = Caller(minted.text).post("/api-keys", CHILD, **headers)

    assert believed == 200
    assert (answer.status, answer.code) == (401, "api-key-revoked")
    assert keys_of(organization) == 1


def test_a_process_that_met_the_revocation_believes_the_key_no_longer(minted: MintedKey) -> None:
    system_rows("UPDATE orgs_apikey SET revoked_at = now() WHERE id = %s", minted.row.id)

    Caller(minted.text).post("/api-keys", CHILD)

    assert Caller(minted.text).get("/me").code == "api-key-revoked"


def test_a_key_that_expires_while_it_is_used_makes_none(organization: Organization) -> None:
    now = datetime.now(UTC)
    minted = factories.make_key(organization, expires_at=now + timedelta(minutes=1))
    principal = authentication.authenticate_key(minted.text)

    with pytest.raises(authentication.KeyExpired):
        api_keys.create_api_key(principal, name="child", scopes=["tasks:read"], now=now + timedelta(minutes=1))

    assert keys_of(organization) == 1


@pytest.mark.parametrize(("end", "held"), [(revoke, APIKey), (leave, Membership)])
def test_of_a_key_that_is_ended_and_used_at_once_the_use_waits_and_is_refused(
    organization: Organization, minted: MintedKey, end: Callable[[APIKey], None], held: type[Any]
) -> None:
    with tenancy.system():
        row_id = minted.row.id if held is APIKey else Membership.objects.get(user=minted.row.user).id

    def hold_and_end() -> None:
        with tenancy.system():
            held.objects.select_for_update().get(id=row_id)
            end(minted.row)
            wait_until_someone_waits()

    def use() -> Answer:
        wait_until_held(held, organization.id, row_id)
        return Caller(minted.text).post("/api-keys", CHILD)

    _, answer = at_once(hold_and_end, use)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (401, "api-key-revoked")
    assert keys_of(organization) == 1


def test_a_revocation_waits_for_the_key_that_is_being_made(organization: Organization, minted: MintedKey) -> None:
    """So what the maker of a key did is complete once its revocation has committed."""
    owner = Caller(factories.make_key(organization).text)
    principal = authentication.authenticate_key(minted.text)

    def make_and_hold() -> None:
        with tenancy.organization(organization.id):
            api_keys.create_api_key(principal, name="child", scopes=["tasks:read"], now=datetime.now(UTC))
            wait_until_someone_waits()

    def end() -> tuple[int, list[str]]:
        wait_until_held(APIKey, organization.id, minted.row.id)
        status = owner.delete(f"/api-keys/{minted.row.id}").status
        return status, [key["name"] for key in owner.get("/api-keys").json["items"]]

    made, ended = at_once(make_and_hold, end)

    assert made is None
    assert ended == (204, ["child", "test", "test"])
