"""How long an organization's keys may live, and what happens to those that would live longer."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orgs import authentication, tenancy
from orgs.models import APIKey, Organization
from orgs.services import api_keys, key_policy, settings
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.holding import wait_until_organization_held
from tests.orgs.key_policies import in_days, instant, set_policy
from tests.statements import at_once, audit_of, events_of, wait_until_someone_waits

DEFAULTS = {"max_lifetime_days": None, "reminder_days": 14}
NEW = {"name": "made", "scopes": ["tasks:read"]}


def test_a_new_organization_has_no_limit_and_two_weeks_of_notice(owner: Caller, organization: Organization) -> None:
    answer = owner.get(f"/orgs/{organization.id}/settings")

    assert (answer.status, answer.json["api_keys"]) == (200, DEFAULTS)
    assert answer.headers["ETag"] == '"1"'


def test_the_given_settings_change_and_the_others_stay(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, reminder_days=3)

    answer = set_policy(owner, organization, max_lifetime_days=90)

    assert answer.json["api_keys"] == {"max_lifetime_days": 90, "reminder_days": 3}
    assert answer.headers["ETag"] == '"3"'


def test_a_limit_is_taken_away_by_null(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    answer = set_policy(owner, organization, max_lifetime_days=None)

    assert answer.json["api_keys"]["max_lifetime_days"] is None


def test_what_changes_nothing_is_no_change(owner: Caller, organization: Organization) -> None:
    answer = set_policy(owner, organization, reminder_days=14)

    assert answer.headers["ETag"] == '"1"'
    assert [event["type"] for event in events_of(organization.id)] == ["organization.created"]


@pytest.mark.parametrize(
    "fields",
    [
        {"max_lifetime_days": 0},
        {"max_lifetime_days": 3651},
        {"max_lifetime_days": "90"},
        {"reminder_days": -1},
        {"reminder_days": 91},
        {"reminder_days": None},
        {"apply_to_existing": None},
        {"surprise": 1},
    ],
)
def test_what_is_no_policy_is_refused(owner: Caller, organization: Organization, fields: dict[str, Any]) -> None:
    answer = set_policy(owner, organization, **fields)

    assert (answer.status, answer.code) == (422, "invalid")


def test_settings_are_changed_on_a_condition(owner: Caller, organization: Organization) -> None:
    path, body = f"/orgs/{organization.id}/settings", {"api_keys": {"reminder_days": 1}}
    made = owner.patch(path, body, If_Match='"1"')

    refused = owner.patch(path, body, If_Match='"1"')

    assert (made.status, refused.status) == (200, 412)


def test_a_change_is_audited_with_names_and_values(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90, reminder_days=14)

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["detail"]) == (
        "organization.settings-changed",
        {"settings": ["api_keys.max_lifetime_days"], "values": {"api_keys.max_lifetime_days": 90}},
    )
    assert events_of(organization.id)[-1]["type"] == "organization.settings-changed"


def test_an_outsider_does_not_find_the_settings(outsider: Caller, organization: Organization) -> None:
    read, written = outsider.get(f"/orgs/{organization.id}/settings"), set_policy(outsider, organization)

    assert [(answer.status, answer.code) for answer in (read, written)] == [(404, "not-found")] * 2


def test_a_new_key_ends_with_the_limit(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    made = owner.post("/api-keys", NEW).json

    life = instant(made["expires_at"]) - instant(made["created_at"])
    assert abs(life - timedelta(days=90)) < timedelta(seconds=10)


def test_a_later_end_is_refused_with_the_limit(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    answer = owner.post("/api-keys", NEW | {"expires_at": in_days(91)})

    assert (answer.status, answer.code) == (422, "invalid-expiry")
    assert "90 days" in answer.json["detail"]


def test_an_earlier_end_is_taken(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)
    ends = in_days(89)

    made = owner.post("/api-keys", NEW | {"expires_at": ends}).json

    assert instant(made["expires_at"]) == instant(ends)


def test_a_rotated_key_ends_with_the_limit(owner: Caller, organization: Organization) -> None:
    old = factories.make_key(organization)
    set_policy(owner, organization, max_lifetime_days=90)

    made = owner.post(f"/api-keys/{old.row.id}/rotate", {}).json

    assert abs(instant(made["expires_at"]) - instant(in_days(90))) < timedelta(seconds=10)


def test_a_key_that_rotates_itself_ends_with_the_limit(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)

    made = owner.post("/me/api-key/rotate", {}).json

    assert abs(instant(made["expires_at"]) - instant(in_days(90))) < timedelta(seconds=10)


def test_an_operators_key_ends_with_the_limit(owner: Caller, organization: Organization) -> None:
    set_policy(owner, organization, max_lifetime_days=90)
    now = datetime.now(UTC)

    minted = api_keys.issue_operator_key(organization, name="made", scopes=["tasks:read"], actor="test", now=now)

    assert minted.row.expires_at == now + timedelta(days=90)


def test_existing_keys_stay_as_they_are(owner: Caller, organization: Organization) -> None:
    key = factories.make_key(organization)

    set_policy(owner, organization, max_lifetime_days=90)

    shown = owner.get(f"/api-keys/{key.row.id}").json
    assert (shown["expires_at"], shown["generation"]) == (None, 1)


def test_existing_keys_are_shortened_where_that_is_asked(owner: Caller, organization: Organization) -> None:
    endless = factories.make_key(organization)
    long = factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=91))
    short = factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=89))

    answer = set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)

    # The caller's own key is one of them.
    assert answer.json["shortened_keys"] == 3
    shown = [owner.get(f"/api-keys/{key.row.id}").json for key in (endless, long, short)]
    assert [key["generation"] for key in shown] == [2, 2, 1]
    assert all(instant(key["expires_at"]) <= instant(in_days(90)) for key in shown)


def test_a_shortened_key_is_audited_and_becomes_an_event(owner: Caller, organization: Organization) -> None:
    key = factories.make_key(organization)

    set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)

    entries = [entry for entry in audit_of(organization) if entry["subject_id"] == str(key.row.id)]
    assert [entry["action"] for entry in entries] == ["api-key.created", "api-key.shortened"]
    assert [event["type"] for event in events_of(key.row.id)] == ["api-key.created", "api-key.shortened"]


def test_revoked_keys_are_not_shortened(owner: Caller, organization: Organization) -> None:
    key = factories.make_key(organization)
    owner.delete(f"/api-keys/{key.row.id}")

    set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)

    assert owner.get(f"/api-keys/{key.row.id}").json["expires_at"] is None


def test_another_organizations_keys_are_not_shortened(owner: Caller, organization: Organization) -> None:
    other = factories.make_key(factories.make_organization())

    set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True)

    with tenancy.system():
        assert APIKey.objects.get(id=other.row.id).expires_at is None


def test_so_many_keys_are_shortened_at_a_time(
    owner: Caller, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_policy, "MOST_SHORTENED", 2)
    for _ in range(2):
        factories.make_key(organization)

    counts = [
        set_policy(owner, organization, max_lifetime_days=90, apply_to_existing=True).json["shortened_keys"]
        for _ in range(3)
    ]

    assert counts == [2, 1, 0]


def test_a_key_that_is_made_while_the_limit_is_lowered_has_it(owner: Caller, organization: Organization) -> None:
    principal = authentication.authenticate_key(owner.key)

    def lower_and_hold() -> None:
        with tenancy.organization(organization.id):
            settings.change_settings(
                principal,
                changes={"api_keys.max_lifetime_days": 1},
                apply_to_existing=False,
                expected=None,
                now=datetime.now(UTC),
            )
            wait_until_someone_waits()

    def make() -> Answer:
        wait_until_organization_held(organization.id)
        return owner.post("/api-keys", NEW)

    _, made = at_once(lower_and_hold, make)

    assert isinstance(made, Answer)
    assert instant(made.json["expires_at"]) <= instant(in_days(1))


def test_a_limit_that_is_lowered_while_a_key_is_made_shortens_it(owner: Caller, organization: Organization) -> None:
    principal = authentication.authenticate_key(owner.key)

    def make_and_hold() -> APIKey:
        with tenancy.organization(organization.id):
            made = api_keys.create_api_key(principal, name="made", scopes=["tasks:read"], now=datetime.now(UTC))
            wait_until_someone_waits()
        return made.row

    def lower() -> Answer:
        wait_until_organization_held(organization.id)
        return set_policy(owner, organization, max_lifetime_days=1, apply_to_existing=True)

    made, lowered = at_once(make_and_hold, lower)

    assert isinstance(made, APIKey)
    assert isinstance(lowered, Answer)
    assert lowered.json["shortened_keys"] == 2
    with tenancy.system():
        assert APIKey.objects.get(id=made.id).expires_at is not None
