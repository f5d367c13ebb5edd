"""POST /me/api-key/rotate: a key that replaces itself, and one whose predecessor still works."""

from datetime import UTC, datetime, timedelta

import pytest

from orgs import authentication
from orgs.models import Organization
from orgs.services import key_rotation
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Caller
from tests.orgs.rotations import OWN, instant, rotate
from tests.statements import system_rows


def test_any_key_rotates_itself(organization: Organization) -> None:
    old = factories.make_key(organization, scopes=("tasks:read",))

    made = Caller(old.text).post(OWN, {}).json

    me = Caller(made["key"]).get("/me").json
    assert (me["api_key_id"], me["scopes"]) == (made["id"], ["tasks:read"])
    assert made["replaces_id"] == str(old.row.id)


def test_a_key_that_rotates_itself_keeps_its_end(organization: Organization) -> None:
    ends = datetime.now(UTC) + timedelta(days=3)
    old = factories.make_key(organization, expires_at=ends)

    made = Caller(old.text).post(OWN, {}).json

    assert instant(made["expires_at"]) == ends


def test_a_key_cannot_name_the_end_of_its_own_successor(owner: Caller) -> None:
    answer = owner.post(OWN, {"expires_at": "2030-01-01T00:00:00Z"})

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_key_rotates_itself_once(owner: Caller) -> None:
    owner.post(OWN, {})

    answer = owner.post(OWN, {})

    assert (answer.status, answer.code) == (409, "api-key-rotated")


def test_a_key_does_not_rotate_itself_while_its_predecessor_works(owner: Caller) -> None:
    """Else a key of any scope could fill the organization with keys that all work."""
    made = owner.post(OWN, {}).json

    answer = Caller(made["key"]).post(OWN, {})

    assert (answer.status, answer.code) == (409, "api-key-overlapping")


def test_nobody_rotates_a_key_while_its_predecessor_works(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json

    answer = owner.post(f"/api-keys/{made['id']}/rotate", {})

    assert (answer.status, answer.code) == (409, "api-key-overlapping")


def test_a_key_whose_predecessor_was_revoked_is_rotated(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json
    owner.delete(f"/api-keys/{old.row.id}")

    answer = owner.post(f"/api-keys/{made['id']}/rotate", {})

    assert (answer.status, answer.json["replaces_id"]) == (201, made["id"])


def test_a_key_whose_predecessor_has_ended_is_rotated(owner: Caller) -> None:
    made = owner.post(OWN, {"overlap_seconds": 0}).json

    answer = Caller(made["key"]).post(OWN, {})

    assert (answer.status, answer.json["replaces_id"]) == (201, made["id"])


def test_a_key_in_its_overlap_makes_none_that_outlives_it(owner: Caller) -> None:
    owner.post(OWN, {"overlap_seconds": 3600})

    made = owner.post("/api-keys", {"name": "child", "scopes": ["tasks:read"]}).json

    assert instant(made["expires_at"]) <= datetime.now(UTC) + timedelta(seconds=3600)


def test_a_key_that_another_process_ended_by_a_rotation_rotates_nothing(
    owner: Caller, organization: Organization, old: MintedKey
) -> None:
    """It is believed here for some seconds yet; the lock reads it anew."""
    owner.get("/me")
    own = owner.get("/me").json["api_key_id"]
    system_rows("UPDATE orgs_apikey SET expires_at = now() - interval '1 second' WHERE id = %s", own)

    answer = rotate(owner, old)

    assert (answer.status, answer.code) == (401, "api-key-expired")
    assert system_rows("SELECT count(*) FROM orgs_apikey WHERE replaces_id = %s", old.row.id) == [(0,)]


def test_a_key_that_rotated_itself_gets_the_same_answer_again(owner: Caller) -> None:
    first = owner.post(OWN, {}, Idempotency_Key="1")

    again = owner.post(OWN, {}, Idempotency_Key="1")

    assert (first.status, again.status, again.json) == (201, 201, first.json)
    assert again.headers["Idempotency-Replayed"] == "true"


def test_the_answer_of_a_rotation_is_not_given_to_the_new_key(owner: Caller) -> None:
    first = owner.post(OWN, {}, Idempotency_Key="1").json

    again = Caller(first["key"]).post(OWN, {}, Idempotency_Key="1")

    assert (again.status, again.code) == (409, "api-key-overlapping")


def test_a_key_that_ended_itself_gets_nothing_again(owner: Caller) -> None:
    owner.post(OWN, {"overlap_seconds": 0}, Idempotency_Key="1")

    again = owner.post(OWN, {"overlap_seconds": 0}, Idempotency_Key="1")

    assert (again.status, again.code) == (401, "api-key-expired")


def test_the_rotation_of_another_key_is_answered_again_without_an_overlap(owner: Caller, old: MintedKey) -> None:
    path, body = f"/api-keys/{old.row.id}/rotate", {"overlap_seconds": 0}
    first = owner.post(path, body, Idempotency_Key="1")

    again = owner.post(path, body, Idempotency_Key="1")

    assert (again.status, again.json) == (201, first.json)


def test_a_caller_without_a_key_has_none_to_rotate(organization: Organization) -> None:
    user = factories.make_member(organization)
    minted = factories.make_key(organization, user=user)
    known = authentication.authenticate_key(minted.text)
    principal = type(known)(known.organization_id, known.actor_type, known.actor_id, None, known.scopes, known.role)

    with pytest.raises(key_rotation.KeyMissing):
        key_rotation.rotate_own_key(principal, overlap=timedelta(0), now=datetime.now(UTC))
