"""POST, GET and DELETE of /api-keys: what a key may be given, how it is listed, how it ends."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from orgs.models import Organization
from orgs.permissions import EVERYTHING, Scope, including
from tests import factories
from tests.factories import Caller
from tests.statements import audit_of, events_of, statements


def in_time(**delta: float) -> str:
    return (datetime.now(UTC) + timedelta(**delta)).isoformat()


def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = caller.post("/api-keys", {"name": "made", "scopes": ["tasks:read"]} | fields)
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


def test_admin_includes_write_and_write_includes_read() -> None:
    assert including(["tasks:admin", "agents:write", "orgs:read"]) == {
        "tasks:admin", "tasks:write", "tasks:read", "agents:write", "agents:read", "orgs:read",
    }  # fmt: skip


def test_every_scope_is_included_in_everything() -> None:
    assert including(EVERYTHING) == set(Scope)


def test_a_scope_of_a_newer_release_grants_nothing() -> None:
    assert including(["tasks", "tasks:", "tasks:own", ":read:"]) == set()


def test_a_new_key_works_with_the_scopes_it_was_given(owner: Caller) -> None:
    made = make(owner, scopes=["orgs:write"])

    me = Caller(made["key"]).get("/me")

    assert (me.status, me.json["scopes"]) == (200, ["orgs:read", "orgs:write"])
    assert (me.json["actor_type"], me.json["actor_id"]) == ("api-key", made["id"])


def test_creating_a_key_says_where_it_is(owner: Caller) -> None:
    answer = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"]})

    assert answer.headers["Location"] == f"/api/v1/api-keys/{answer.json['id']}"
    assert answer.headers["ETag"] == '"1"'


def test_a_key_is_shown_once(owner: Caller) -> None:
    made = make(owner)
    secret = made["key"].split("_")[2].encode()

    shown = owner.get(f"/api-keys/{made['id']}")
    listed = owner.get("/api-keys")

    assert shown.json == {name: value for name, value in made.items() if name != "key"}
    assert secret not in shown.raw + listed.raw


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["tasks:everything"]},
        {"scopes": "tasks:read"},
        {"name": ""},
        {"name": "n" * 201},
        {"agent_id": "not-an-id"},
        {"expires_at": "2030-01-01T00:00:00"},
        {"user_id": "not-an-id"},
        {"user_id": str(uuid.uuid4()), "agent_id": str(uuid.uuid4())},
        {"environment": "moon"},
    ],
)
def test_creating_a_key_refuses_what_is_not_a_key(owner: Caller, fields: dict[str, Any]) -> None:
    answer = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"]} | fields)

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("wanted", ["tasks:admin", "sessions:read", "api-keys:admin"])
def test_a_key_cannot_grant_more_than_it_holds(organization: Organization, wanted: str) -> None:
    caller = Caller(factories.make_key(organization, scopes=("api-keys:write", "tasks:write")).text)

    answer = caller.post("/api-keys", {"name": "made", "scopes": ["tasks:read", wanted]})

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_a_key_can_grant_what_it_holds_by_inclusion(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization, scopes=("api-keys:write", "tasks:admin")).text)

    made = make(caller, scopes=["tasks:read", "tasks:write", "api-keys:read"])

    assert made["scopes"] == ["api-keys:read", "tasks:read", "tasks:write"]


@pytest.mark.parametrize("delta", [{"seconds": -1}, {"days": 3651}])
def test_a_key_cannot_expire_in_the_past_or_after_ten_years(owner: Caller, delta: dict[str, float]) -> None:
    answer = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"], "expires_at": in_time(**delta)})

    assert (answer.status, answer.code) == (422, "invalid-expiry")


def test_a_key_works_until_it_expires(owner: Caller) -> None:
    made = make(owner, scopes=["orgs:read"], expires_at=in_time(days=3649))

    assert Caller(made["key"]).get("/me").status == 200


def test_a_key_bound_to_an_agent_acts_as_the_agent(owner: Caller, organization: Organization) -> None:
    agent = factories.make_agent(organization)
    made = make(owner, agent_id=str(agent.id), scopes=["orgs:read", "tasks:write"])

    me = Caller(made["key"]).get("/me").json
    task = factories.submit_task(Caller(made["key"]))

    assert (me["actor_type"], me["actor_id"]) == ("agent", str(agent.id))
    assert task["owner_id"] == str(agent.id)


def test_a_key_cannot_be_bound_to_an_agent_of_another_organization(owner: Caller) -> None:
    strange = factories.make_agent(factories.make_organization())

    answer = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"], "agent_id": str(strange.id)})

    assert (answer.status, answer.code) == (422, "unknown-reference")


def test_creating_a_key_is_audited_and_becomes_an_event(owner: Caller, organization: Organization) -> None:
    made = make(owner)

    entry = audit_of(organization)[-1]
    [event] = events_of(made["id"])

    assert (entry["action"], entry["subject_id"], entry["actor"]) == (
        "api-key.created",
        made["id"],
        f"api-key:{made['owner_id']}",
    )
    assert (event["generation"], event["type"], event["subject_type"]) == (1, "api-key.created", "api-key")


def test_keys_are_listed_newest_first_page_by_page(owner: Caller) -> None:
    made = [make(owner)["id"] for _ in range(3)]

    first = owner.get("/api-keys?limit=2").json
    second = owner.get(f"/api-keys?limit=2&cursor={first['next_cursor']}").json

    assert [key["id"] for key in first["items"]] == [made[2], made[1]]
    # The oldest one is the caller's own.
    assert [key["id"] for key in second["items"]] == [made[0], owner.get("/me").json["api_key_id"]]
    assert second["next_cursor"] is None


def test_listing_keys_takes_two_statements_however_many_there_are(owner: Caller, organization: Organization) -> None:
    for _ in range(5):
        factories.make_key(organization, agent=factories.make_agent(organization))
    owner.get("/api-keys")

    with statements() as sent:
        answer = owner.get("/api-keys")

    assert len(answer.json["items"]) == 6
    assert len(sent) == 2, sent


def test_a_revoked_key_is_refused_at_once(owner: Caller) -> None:
    made = make(owner, scopes=["orgs:read"])
    before = Caller(made["key"]).get("/me")

    revoked = owner.delete(f"/api-keys/{made['id']}")
    after = Caller(made["key"]).get("/me")

    assert (before.status, revoked.status) == (200, 204)
    assert (after.status, after.code) == (401, "api-key-revoked")


def test_a_key_can_revoke_itself(owner: Caller) -> None:
    own = owner.get("/me").json["api_key_id"]

    revoked = owner.delete(f"/api-keys/{own}")

    assert revoked.status == 204
    assert owner.get("/me").code == "api-key-revoked"


def test_revoking_is_audited_and_becomes_an_event(owner: Caller, organization: Organization) -> None:
    made = make(owner)

    owner.delete(f"/api-keys/{made['id']}")

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["subject_id"], entry["outcome"]) == ("api-key.revoked", made["id"], "success")
    assert [(event["generation"], event["type"]) for event in events_of(made["id"])] == [
        (1, "api-key.created"),
        (2, "api-key.revoked"),
    ]


def test_revoking_again_changes_nothing(owner: Caller, organization: Organization) -> None:
    made = make(owner)
    owner.delete(f"/api-keys/{made['id']}")
    first, entries = owner.get(f"/api-keys/{made['id']}").json, len(audit_of(organization))

    again = owner.delete(f"/api-keys/{made['id']}")

    assert again.status == 204
    assert owner.get(f"/api-keys/{made['id']}").json == first
    assert len(audit_of(organization)) == entries


def test_revoked_keys_stay_in_the_list(owner: Caller) -> None:
    made = make(owner)
    owner.delete(f"/api-keys/{made['id']}")

    listed = owner.get("/api-keys").json["items"][0]

    assert (listed["id"], listed["generation"]) == (made["id"], 2)
    assert listed["revoked_at"] is not None


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_an_outsider_does_not_find_a_key(owner: Caller, outsider: Caller, method: str) -> None:
    made = make(owner)

    answer = outsider.call(method, f"/api-keys/{made['id']}")

    assert (answer.status, answer.code) == (404, "not-found")
    assert owner.get(f"/api-keys/{made['id']}").json["revoked_at"] is None


def test_an_outsider_lists_only_their_own_keys(owner: Caller, outsider: Caller) -> None:
    make(owner)

    listed = outsider.get("/api-keys").json["items"]

    assert [key["id"] for key in listed] == [outsider.get("/me").json["api_key_id"]]


@pytest.mark.parametrize(("method", "scope"), [("POST", "write"), ("GET", "read"), ("DELETE", "write")])
def test_keys_need_their_scope(organization: Organization, method: str, scope: str) -> None:
    minted = factories.make_key(organization, scopes=("orgs:admin", "agents:admin", "tasks:admin"))
    path = "/api-keys" if method == "POST" else f"/api-keys/{minted.row.id}"
    body = {"name": "made", "scopes": ["orgs:read"]} if method == "POST" else None

    answer = Caller(minted.text).call(method, path, body)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert f"api-keys:{scope}" in answer.json["detail"]
