"""Keys that end soon are told of: one event for each end."""

from datetime import UTC, datetime, timedelta

import pytest

from config.celery import app
from orgs import jobs, tenancy
from orgs.models import APIKey, Organization
from orgs.services.key_reminders import remind_of_keys
from tests import factories
from tests.factories import Caller
from tests.statements import at_once, audit_of, events_of, system_rows

EXPIRING = "api-key.expiring"


def remind(now: datetime | None = None) -> int:
    with tenancy.system():
        return remind_of_keys(now or datetime.now(UTC), most=1000)


def ending_in(organization: Organization, **delta: float) -> APIKey:
    return factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(**delta)).row


def types_of(key: APIKey) -> list[str]:
    return [event["type"] for event in events_of(key.id)]


def set_reminder(organization: Organization, days: int) -> None:
    system_rows("UPDATE orgs_organization SET key_reminder_days = %s WHERE id = %s", days, organization.id)


def test_a_key_that_ends_within_the_notice_is_told_of(organization: Organization) -> None:
    key = ending_in(organization, days=13)

    remind()

    event = events_of(key.id)[-1]
    assert (event["generation"], event["type"], event["actor"]) == (2, EXPIRING, "system")
    assert key.expires_at is not None
    assert event["facts"] == {"expires_at": key.expires_at.isoformat(), "days": 13}


def test_a_reminder_is_audited(organization: Organization) -> None:
    ending_in(organization, days=13)

    remind()

    assert audit_of(organization)[-1]["action"] == EXPIRING


def test_a_reminder_is_found_over_the_api(owner: Caller, organization: Organization) -> None:
    key = ending_in(organization, days=13)

    remind()

    [entry] = owner.get(f"/audit?action={EXPIRING}").json["items"]
    assert (entry["actor"], entry["subject_type"], entry["subject_id"]) == ("system", "api-key", str(key.id))
    assert entry["detail"]["days"] == 13


def test_a_key_that_ends_later_is_told_of_when_its_time_comes(organization: Organization) -> None:
    key = ending_in(organization, days=15)
    remind()
    early = types_of(key)

    remind(datetime.now(UTC) + timedelta(days=2))

    assert EXPIRING not in early
    assert types_of(key)[-1] == EXPIRING


def test_a_key_is_told_of_once(organization: Organization) -> None:
    key = ending_in(organization, days=1)

    for _ in range(2):
        remind()

    assert types_of(key).count(EXPIRING) == 1


def test_a_key_is_told_of_once_by_two_jobs_at_once(organization: Organization) -> None:
    key = ending_in(organization, days=1)

    at_once(remind, remind)
    remind()

    assert types_of(key).count(EXPIRING) == 1


def test_a_key_that_another_holds_is_left_to_the_next_time(organization: Organization) -> None:
    key = ending_in(organization, days=1)
    with tenancy.system():
        APIKey.objects.select_for_update().get(id=key.id)
        at_once(remind)
    meanwhile = types_of(key)

    remind()

    assert EXPIRING not in meanwhile
    assert types_of(key)[-1] == EXPIRING


@pytest.mark.parametrize("days", [0, 90])
def test_the_organization_says_how_long_before(organization: Organization, days: int) -> None:
    set_reminder(organization, days)
    key = ending_in(organization, days=80)

    remind()

    assert (EXPIRING in types_of(key)) is (days == 90)


def test_a_key_that_has_ended_or_has_no_end_is_not_told_of(organization: Organization) -> None:
    ended, endless = ending_in(organization, seconds=-1), factories.make_key(organization).row

    remind()

    assert (types_of(ended), types_of(endless)) == (["api-key.created"], ["api-key.created"])


def test_a_revoked_or_replaced_key_is_not_told_of(owner: Caller, organization: Organization) -> None:
    revoked, replaced = ending_in(organization, days=1), ending_in(organization, days=1)
    owner.delete(f"/api-keys/{revoked.id}")
    owner.post(f"/api-keys/{replaced.id}/rotate", {})

    remind()

    assert EXPIRING not in types_of(revoked) + types_of(replaced)


def test_a_key_is_told_of_again_when_its_end_moved(owner: Caller, organization: Organization) -> None:
    key = ending_in(organization, days=13)
    remind()

    owner.patch(f"/orgs/{organization.id}/settings", {"api_keys": {"max_lifetime_days": 5, "apply_to_existing": True}})
    remind()

    assert types_of(key) == ["api-key.created", EXPIRING, "api-key.shortened", EXPIRING]


def test_the_job_takes_batch_after_batch(organization: Organization, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jobs, "BATCH", 2)
    keys = [ending_in(organization, days=1) for _ in range(5)]

    reminded = jobs.remind_of_expiring_keys()

    assert reminded >= 5
    assert all(EXPIRING in types_of(key) for key in keys)


def test_beat_starts_the_job() -> None:
    assert "orgs.jobs.remind_of_expiring_keys" in {entry["task"] for entry in app.conf.beat_schedule.values()}
