"""inspectapikey: whose a key is that was found somewhere, read from standard input alone."""

import io
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from orgs import keys, tenancy
from orgs.keys import Environment
from orgs.models import APIKey, Organization
from tests import factories
from tests.factories import Caller
from tests.statements import audit_of


@pytest.fixture
def inspect(monkeypatch: pytest.MonkeyPatch) -> "Inspect":
    return Inspect(monkeypatch)


class Inspect:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.monkeypatch = monkeypatch

    def __call__(self, text: str, *words: str) -> str:
        written = io.StringIO()
        self.monkeypatch.setattr("sys.stdin", io.StringIO(text))
        call_command("inspectapikey", *words, stdout=written)
        return written.getvalue()


def test_a_key_says_whose_it_is(inspect: Inspect, organization: Organization) -> None:
    agent = factories.make_agent(organization)
    minted = factories.make_key(organization, agent=agent, environment=Environment.TEST, scopes=("tasks:read",))

    said = inspect(f"{minted.text}\n")

    facts = dict(line.split(maxsplit=1) for line in said.replace("acts as", "acts-as").splitlines() if " " in line)
    assert (facts["organization"], facts["id"], facts["environment"], facts["acts-as"], facts["scopes"]) == (
        organization.slug, str(minted.row.id), "test", f"agent {agent.slug}", "tasks:read",
    )  # fmt: skip


def test_what_is_said_holds_no_secret(inspect: Inspect, organization: Organization) -> None:
    minted = factories.make_key(organization)

    said = inspect(minted.text)

    assert minted.text.split("_")[2] not in said


def test_looking_at_a_key_changes_nothing(inspect: Inspect, organization: Organization) -> None:
    minted, before = factories.make_key(organization), audit_of(organization)

    inspect(minted.text)

    assert Caller(minted.text).get("/me").status == 200
    assert len(audit_of(organization)) == len(before)


def test_a_leaked_key_is_revoked_and_that_is_audited(inspect: Inspect, organization: Organization) -> None:
    minted = factories.make_key(organization)

    inspect(minted.text, "--revoke")

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["actor"], entry["subject_id"]) == (
        "api-key.revoked",
        "operator:shell",
        str(minted.row.id),
    )
    assert Caller(minted.text).get("/me").code == "api-key-revoked"


@pytest.mark.parametrize("text", ["", "hf_", "x" * 5000, "hf_0123456789AB_" + "a" * 38])
def test_what_is_no_key_is_told_before_the_database_is_asked(inspect: Inspect, text: str) -> None:
    with pytest.raises(CommandError, match="its form or its checksum is wrong"):
        inspect(text)


def test_a_key_of_another_installation_is_not_known(inspect: Inspect) -> None:
    with pytest.raises(CommandError, match="there is no such key here"):
        inspect(keys.generate().text, "--revoke")


def test_the_id_of_a_key_with_another_secret_revokes_nothing(inspect: Inspect, organization: Organization) -> None:
    minted = factories.make_key(organization)
    body = f"hf_{minted.row.key_id}_{'x' * 32}"

    with pytest.raises(CommandError, match="there is no such key here"):
        inspect(body + keys.checksum(body), "--revoke")

    assert Caller(minted.text).get("/me").status == 200


@pytest.fixture
def rotated(organization: Organization) -> list[dict[str, Any]]:
    """A key that was rotated twice, each time by itself, and all that came of it."""
    chain = [Caller(factories.make_key(organization).text).post("/me/api-key/rotate", {"overlap_seconds": 0}).json]
    for _ in range(2):
        chain.append(Caller(chain[-1]["key"]).post("/me/api-key/rotate", {"overlap_seconds": 0}).json)
    return chain


def revoked(chain: list[dict[str, Any]]) -> list[bool]:
    with tenancy.system():
        return [APIKey.objects.get(id=key["id"]).revoked_at is not None for key in chain]


def test_what_a_leaked_key_was_replaced_by_is_revoked_too(inspect: Inspect, rotated: list[dict[str, Any]]) -> None:
    said = inspect(rotated[0]["key"], "--revoke")

    assert revoked(rotated) == [True] * 3
    assert Caller(rotated[-1]["key"]).get("/me").code == "api-key-revoked"
    told = [line.split()[-1] for line in said.splitlines() if line.startswith("revoked too")]
    assert told == [key["id"] for key in rotated[1:]]


def test_a_key_that_was_revoked_already_has_its_successors_revoked(
    inspect: Inspect, owner: Caller, rotated: list[dict[str, Any]]
) -> None:
    owner.delete(f"/api-keys/{rotated[0]['id']}")

    inspect(rotated[0]["key"], "--revoke")

    assert revoked(rotated) == [True] * 3


def test_what_came_before_a_leaked_key_is_left_alone(inspect: Inspect, rotated: list[dict[str, Any]]) -> None:
    inspect(rotated[2]["key"], "--revoke")

    assert revoked(rotated) == [False, False, True]


def test_looking_at_a_key_leaves_what_replaced_it(inspect: Inspect, rotated: list[dict[str, Any]]) -> None:
    said = inspect(rotated[0]["key"])

    assert "revoked too" not in said
    assert revoked(rotated) == [False] * 3
