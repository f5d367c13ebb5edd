"""A key is replaced by a new one, and the old one goes on for an overlap."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orgs import authentication, tenancy
from orgs.models import APIKey, Organization
from orgs.services import key_rotation
from orgs.services.api_keys import MintedKey
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.holding import wait_until_organization_held
from tests.orgs.rotations import instant, rotate
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, audit_of, events_of, system_rows, wait_until_someone_waits


def test_the_new_key_is_what_the_old_one_was(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json

    me = Caller(made["key"]).get("/me").json
    assert (me["actor_type"], me["actor_id"]) == ("agent", str(old.row.agent_id))
    assert (made["name"], made["scopes"], made["environment"]) == ("test", ["tasks:write"], "production")


def test_both_keys_name_each_other(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json

    shown = owner.get(f"/api-keys/{old.row.id}").json
    assert (made["replaces_id"], made["replaced_by_id"]) == (str(old.row.id), None)
    assert (shown["replaces_id"], shown["replaced_by_id"]) == (None, made["id"])


def test_the_answer_says_where_the_new_key_is(owner: Caller, old: MintedKey) -> None:
    answer = rotate(owner, old)

    assert answer.headers["Location"] == f"/api/v1/api-keys/{answer.json['id']}"
    assert answer.headers["ETag"] == '"1"'


def test_the_old_key_works_for_the_overlap_and_no_longer(owner: Caller, old: MintedKey) -> None:
    before = datetime.now(UTC)

    rotate(owner, old, overlap_seconds=60)

    ends = instant(owner.get(f"/api-keys/{old.row.id}").json["expires_at"])
    assert Caller(old.text).get("/me").status == 200
    assert before + timedelta(seconds=60) <= ends <= datetime.now(UTC) + timedelta(seconds=60)


def test_the_overlap_is_a_day_where_none_is_given(owner: Caller, old: MintedKey) -> None:
    before = datetime.now(UTC)

    rotate(owner, old)

    ends = instant(owner.get(f"/api-keys/{old.row.id}").json["expires_at"])
    assert before + timedelta(days=1) <= ends <= datetime.now(UTC) + timedelta(days=1)


def test_without_an_overlap_the_old_key_is_refused_at_once(owner: Caller, old: MintedKey) -> None:
    before = Caller(old.text).get("/me").status

    rotate(owner, old, overlap_seconds=0)

    assert before == 200
    assert Caller(old.text).get("/me").code == "api-key-expired"


def test_the_overlap_does_not_prolong_the_old_key(owner: Caller, organization: Organization) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    old = factories.make_key(organization, expires_at=ends)

    rotate(owner, old, overlap_seconds=7200)

    assert instant(owner.get(f"/api-keys/{old.row.id}").json["expires_at"]) == ends


@pytest.mark.parametrize("seconds", [-1, 30 * 86400 + 1, 1.5, "60", None])
def test_an_overlap_is_of_0_seconds_to_30_days(owner: Caller, old: MintedKey, seconds: Any) -> None:
    answer = rotate(owner, old, overlap_seconds=seconds)

    assert (answer.status, answer.code) == (422, "invalid")


def test_the_new_key_lives_as_long_as_the_old_one_was_made_for(owner: Caller, organization: Organization) -> None:
    old = factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=90))

    made = rotate(owner, old).json

    life = instant(made["expires_at"]) - instant(made["created_at"])
    assert abs(life - timedelta(days=90)) < timedelta(seconds=10)


def test_the_new_key_ends_when_it_was_said(owner: Caller, old: MintedKey) -> None:
    ends = (datetime.now(UTC) + timedelta(days=5)).isoformat()

    made = rotate(owner, old, expires_at=ends).json

    assert instant(made["expires_at"]) == instant(ends)


def test_the_new_key_does_not_outlive_the_calling_one(organization: Organization, old: MintedKey) -> None:
    ends = datetime.now(UTC) + timedelta(hours=1)
    caller = Caller(factories.make_key(organization, expires_at=ends).text)

    made = rotate(caller, old).json

    assert instant(made["expires_at"]) == ends


def test_an_end_after_that_of_the_calling_key_is_refused(organization: Organization, old: MintedKey) -> None:
    now = datetime.now(UTC)
    caller = Caller(factories.make_key(organization, expires_at=now + timedelta(hours=1)).text)

    answer = rotate(caller, old, expires_at=(now + timedelta(hours=2)).isoformat())

    assert (answer.status, answer.code) == (422, "invalid-expiry")


def test_a_key_of_more_scopes_than_the_calling_one_is_not_rotated(organization: Organization, old: MintedKey) -> None:
    caller = Caller(factories.make_key(organization, scopes=("api-keys:admin", "tasks:read")).text)

    answer = rotate(caller, old)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert "tasks:write" in answer.json["detail"]


def test_a_replaced_key_is_not_replaced_again(owner: Caller, old: MintedKey) -> None:
    rotate(owner, old)

    answer = rotate(owner, old)

    assert (answer.status, answer.code) == (409, "api-key-rotated")


def test_a_revoked_key_is_not_replaced(owner: Caller, old: MintedKey) -> None:
    owner.delete(f"/api-keys/{old.row.id}")

    answer = rotate(owner, old)

    assert (answer.status, answer.code) == (409, "api-key-ended")


def test_an_expired_key_is_not_replaced(owner: Caller, organization: Organization) -> None:
    old = factories.make_key(organization, expires_at=datetime.now(UTC) - timedelta(seconds=1))

    answer = rotate(owner, old)

    assert (answer.status, answer.code) == (409, "api-key-ended")


def test_the_key_of_a_user_who_left_is_not_replaced(owner: Caller, organization: Organization) -> None:
    old = factories.make_key(organization, user=factories.make_member(factories.make_organization()))

    answer = rotate(owner, old)

    assert (answer.status, answer.code) == (409, "api-key-ended")


def test_an_outsider_does_not_find_the_key(outsider: Caller, old: MintedKey) -> None:
    answer = rotate(outsider, old)

    assert (answer.status, answer.code) == (404, "not-found")


def test_a_rotation_is_audited_on_both_keys(owner: Caller, organization: Organization, old: MintedKey) -> None:
    made = rotate(owner, old).json

    rotated = [entry for entry in audit_of(organization) if entry["action"] == "api-key.rotated"]
    assert [entry["subject_id"] for entry in rotated] == [made["id"], str(old.row.id)]
    assert [rotated[0]["detail"]["replaces"], rotated[1]["detail"]["replaced_by"]] == [str(old.row.id), made["id"]]
    assert made["key"].split("_")[2] not in str(rotated)


def test_a_rotation_is_an_event_of_both_keys(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json

    assert [(event["generation"], event["type"]) for event in events_of(made["id"])] == [(1, "api-key.rotated")]
    assert [(event["generation"], event["type"]) for event in events_of(old.row.id)] == [
        (1, "api-key.created"),
        (2, "api-key.rotated"),
    ]


def test_of_two_rotations_at_once_one_wins(organization: Organization, old: MintedKey) -> None:
    callers = [Caller(factories.make_key(organization).text) for _ in range(2)]

    answers = at_once(*[lambda caller=caller: rotate(caller, old) for caller in callers])

    assert sorted(answer.status for answer in answers if isinstance(answer, Answer)) == [201, 409]
    assert system_rows("SELECT count(*) FROM orgs_apikey WHERE replaces_id = %s", old.row.id) == [(1,)]


def test_two_keys_that_rotate_each_other_at_once_both_do(organization: Organization) -> None:
    one, other = factories.make_key(organization), factories.make_key(organization)

    answers = at_once(lambda: rotate(Caller(one.text), other), lambda: rotate(Caller(other.text), one))

    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [201, 201]


def test_a_key_that_is_revoked_while_it_is_rotated_has_no_successor(
    owner: Caller, organization: Organization, old: MintedKey
) -> None:
    def hold_and_revoke() -> None:
        with tenancy.system():
            APIKey.objects.select_for_update().get(id=old.row.id)
            APIKey.objects.filter(id=old.row.id).update(revoked_at=datetime.now(UTC))
            wait_until_someone_waits()

    def use() -> Answer:
        wait_until_held(APIKey, organization.id, old.row.id)
        return rotate(owner, old)

    _, answer = at_once(hold_and_revoke, use)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (409, "api-key-ended")


def test_an_agent_is_deleted_with_both_keys_of_a_rotation(owner: Caller, old: MintedKey) -> None:
    made = rotate(owner, old).json

    deleted = owner.delete(f"/agents/{old.row.agent_id}")

    assert deleted.status == 204
    assert [owner.get(f"/api-keys/{row_id}").status for row_id in (made["id"], old.row.id)] == [404, 404]


def test_a_revocation_with_successors_waits_for_a_rotation_and_finds_its_key(
    organization: Organization,
) -> None:
    leaked = factories.make_key(organization)
    principal = authentication.authenticate_key(leaked.text)

    def rotate_and_hold() -> MintedKey:
        with tenancy.organization(organization.id):
            made = key_rotation.rotate_own_key(principal, overlap=timedelta(days=1), now=datetime.now(UTC))
            wait_until_someone_waits()
        return made

    def revoke() -> list[APIKey]:
        wait_until_organization_held(organization.id)
        with tenancy.system():
            return key_rotation.revoke_with_successors(leaked.row.id, actor="test", now=datetime.now(UTC))

    successor, revoked = at_once(rotate_and_hold, revoke)

    assert isinstance(successor, MintedKey)
    assert isinstance(revoked, list)
    assert [row.id for row in revoked] == [leaked.row.id, successor.row.id]
    assert Caller(successor.text).get("/me").code == "api-key-revoked"
