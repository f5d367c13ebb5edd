"""What a key is for: its text says it, nothing changes it, and a key for tests handles none for production."""

import pytest

from orgs import keys
from orgs.keys import Environment
from orgs.models import Organization
from tests import factories
from tests.factories import Answer, Caller

NEW = {"name": "made", "scopes": ["tasks:read"]}
PREFIXES = [("production", "hf_"), ("staging", "hfs_"), ("development", "hfd_"), ("test", "hft_")]


def caller_for(organization: Organization, environment: Environment) -> Caller:
    return Caller(factories.make_key(organization, environment=environment).text)


@pytest.mark.parametrize(("environment", "prefix"), PREFIXES)
def test_a_keys_prefix_says_its_environment(owner: Caller, environment: str, prefix: str) -> None:
    made = owner.post("/api-keys", NEW | {"environment": environment}).json

    assert made["environment"] == environment
    assert made["key"].startswith(f"{prefix}{made['key_id']}_")


@pytest.mark.parametrize(("environment", "prefix"), PREFIXES)
def test_a_key_of_every_environment_works_and_says_it(owner: Caller, environment: str, prefix: str) -> None:
    made = owner.post("/api-keys", NEW | {"environment": environment}).json

    answers = [Caller(made["key"]).get("/me") for _ in ("cold", "warm")]

    assert [answer.json["environment"] for answer in answers] == [environment] * 2


def test_a_key_with_the_prefix_of_another_environment_is_not_known(organization: Organization) -> None:
    minted = factories.make_key(organization, environment=Environment.TEST)
    body = "hf_" + minted.text.removeprefix("hft_")[: -keys.CHECKSUM_LENGTH]
    Caller(minted.text).get("/me")

    answer = Caller(body + keys.checksum(body)).get("/me")

    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_a_new_key_is_for_production_where_nothing_is_said(owner: Caller) -> None:
    assert owner.post("/api-keys", NEW).json["environment"] == "production"


def test_a_new_key_is_for_what_the_calling_one_is_for_where_nothing_is_said(organization: Organization) -> None:
    caller = caller_for(organization, Environment.STAGING)

    assert caller.post("/api-keys", NEW).json["environment"] == "staging"


def test_a_rotated_key_stays_in_its_environment(owner: Caller, organization: Organization) -> None:
    old = factories.make_key(organization, environment=Environment.TEST)

    made = owner.post(f"/api-keys/{old.row.id}/rotate", {}).json

    assert (made["environment"], made["key"][:4]) == ("test", "hft_")


@pytest.mark.parametrize("environment", ["production", "staging"])
def test_a_key_for_tests_makes_none_for_anything_else(organization: Organization, environment: str) -> None:
    caller = caller_for(organization, Environment.TEST)

    answer = caller.post("/api-keys", NEW | {"environment": environment})

    assert (answer.status, answer.code) == (403, "environment-refused")


@pytest.mark.parametrize("verb", ["rotate", "revoke"])
def test_a_key_for_tests_neither_rotates_nor_revokes_one_for_production(organization: Organization, verb: str) -> None:
    caller, path = caller_for(organization, Environment.TEST), f"/api-keys/{factories.make_key(organization).row.id}"

    answer: Answer = caller.post(f"{path}/rotate", {}) if verb == "rotate" else caller.delete(path)

    assert (answer.status, answer.code) == (403, "environment-refused")


def test_a_key_for_tests_rotates_another_for_tests(organization: Organization) -> None:
    old = factories.make_key(organization, environment=Environment.TEST)

    answer = caller_for(organization, Environment.TEST).post(f"/api-keys/{old.row.id}/rotate", {})

    assert answer.status == 201


def test_a_key_for_tests_deletes_no_agent_that_has_one_for_production(organization: Organization) -> None:
    agent = factories.make_agent(organization)
    kept = [
        factories.make_key(organization, agent=agent, environment=of)
        for of in (Environment.TEST, Environment.PRODUCTION)
    ]

    answer = caller_for(organization, Environment.TEST).delete(f"/agents/{agent.id}")

    assert (answer.status, answer.code) == (403, "environment-refused")
    assert [Caller(key.text).get("/me").status for key in kept] == [200, 200]


def test_a_key_for_tests_deletes_an_agent_of_tests(organization: Organization) -> None:
    agent = factories.make_agent(organization)
    factories.make_key(organization, agent=agent, environment=Environment.TEST)

    assert caller_for(organization, Environment.TEST).delete(f"/agents/{agent.id}").status == 204


@pytest.mark.parametrize(
    "policy", [{"max_lifetime_days": 1}, {"max_lifetime_days": 1, "apply_to_existing": True}, {"reminder_days": 0}]
)
def test_a_key_for_tests_does_not_change_how_long_keys_live(organization: Organization, policy: dict[str, int]) -> None:
    kept = factories.make_key(organization)

    path = f"/orgs/{organization.id}/settings"
    answer = caller_for(organization, Environment.TEST).patch(path, {"api_keys": policy})

    assert (answer.status, answer.code) == (403, "environment-refused")
    shown = Caller(kept.text)
    assert shown.get(f"/api-keys/{kept.row.id}").json["expires_at"] is None
    assert shown.get(path).json["generation"] == 1


def test_a_key_for_tests_changes_the_other_settings(organization: Organization) -> None:
    caller = caller_for(organization, Environment.TEST)

    answer = caller.patch(f"/orgs/{organization.id}/settings", {"metadata": {"tested": True}})

    assert answer.status == 200
