"""What a key can hand on: never more than it has, neither scopes nor time, nor another key's answers."""

from datetime import UTC, datetime, timedelta

from orgs.models import Organization
from tests import factories
from tests.factories import Caller


def test_a_key_made_by_an_expiring_one_expires_with_it(organization: Organization) -> None:
    expires_at = datetime.now(UTC) + timedelta(hours=1)
    caller = Caller(factories.make_key(organization, expires_at=expires_at).text)

    made = caller.post("/api-keys", {"name": "child", "scopes": ["tasks:read"]})

    assert (made.status, datetime.fromisoformat(made.json["expires_at"])) == (201, expires_at)


def test_a_key_cannot_make_one_that_outlives_it(organization: Organization) -> None:
    now = datetime.now(UTC)
    caller = Caller(factories.make_key(organization, expires_at=now + timedelta(hours=1)).text)
    body = {"name": "child", "scopes": ["tasks:read"], "expires_at": (now + timedelta(hours=2)).isoformat()}

    refused = caller.post("/api-keys", body)

    assert (refused.status, refused.code) == (422, "invalid-expiry")


def test_a_weaker_key_of_the_same_agent_does_not_get_the_answer_kept_for_a_stronger_one(
    organization: Organization,
) -> None:
    agent = factories.make_agent(organization)
    strong = Caller(factories.make_key(organization, agent=agent).text)
    weak = Caller(factories.make_key(organization, agent=agent, scopes=("api-keys:write",)).text)
    body = {"name": "child", "scopes": ["audit:admin"]}
    assert strong.post("/api-keys", body, Idempotency_Key="1").status == 201

    answer = weak.post("/api-keys", body, Idempotency_Key="1")

    assert (answer.status, answer.code) == (403, "scope-missing")
