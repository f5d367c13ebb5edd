"""What the audit trail holds, and that nothing changes it."""

import uuid
from typing import Any

import pytest
from django.db import ProgrammingError, connection
from django.test import RequestFactory
from pytest_django import Settings

from api.requests import client_address
from audit.models import Action, Entry, Outcome
from audit.services import record
from orgs import tenancy
from orgs.models import Organization
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import audit_of, rows, system_rows

VERBS = ["UPDATE audit_entry SET actor = 'nobody'", "DELETE FROM audit_entry", "TRUNCATE audit_entry"]


def new_agent(caller: Caller, **headers: str) -> Answer:
    return caller.post("/agents", {"name": "Agent", "slug": f"a-{uuid.uuid4().hex}"}, **headers)


@pytest.mark.parametrize("verb", VERBS)
def test_a_tenant_changes_no_entry(organization: Organization, verb: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.organization(organization.id):
        rows(verb)


@pytest.mark.parametrize("verb", [VERBS[0], VERBS[2]])
def test_not_even_the_system_role_changes_an_entry(verb: str) -> None:
    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.system():
        rows(verb)


def test_not_even_the_system_role_deletes_an_entry_of_a_living_organization_or_of_none(
    organization: Organization,
) -> None:
    with tenancy.system():
        record(Action.USER_CREATED, organization_id=None, actor="test", subject_type="user", subject_id="nobody's")
    before = audit_of(organization)

    with tenancy.system():
        rows("DELETE FROM audit_entry")

    assert before != []
    assert audit_of(organization) == before
    assert system_rows("SELECT 1 FROM audit_entry WHERE subject_id = %s", "nobody's") != []


@pytest.mark.parametrize("verb", VERBS[:2])
def test_the_connecting_role_reaches_no_entry_to_change(organization: Organization, verb: str) -> None:
    before = audit_of(organization)

    rows(verb)

    assert before != []
    assert audit_of(organization) == before


def test_an_entry_says_who_did_what_to_which_subject_when_and_from_where(
    owner: Caller, organization: Organization
) -> None:
    made = new_agent(owner, X_Request_Id="an-audited-call").json

    assert audit_of(organization)[-1] == {
        "action": "agent.created",
        "actor": f"api-key:{owner.get('/me').json['api_key_id']}",
        "subject_type": "agent",
        "subject_id": made["id"],
        "outcome": "success",
        "address": "127.0.0.1",
        "request_id": "an-audited-call",
        "detail": {"slug": made["slug"]},
    }
    [(soon,)] = system_rows(
        "SELECT now() - created_at BETWEEN '0 s' AND '10 s' FROM audit_entry WHERE request_id = 'an-audited-call'"
    )
    assert soon is True


@pytest.mark.parametrize(
    ("proxies", "forwarded", "remote", "address"),
    [
        (0, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (1, "203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (1, "198.51.100.66, 203.0.113.9", "192.0.2.1", "203.0.113.9"),
        (2, "198.51.100.66, 203.0.113.9, 10.0.0.1", "192.0.2.1", "203.0.113.9"),
        (2, "203.0.113.9", "192.0.2.1", "192.0.2.1"),
        (1, "", "192.0.2.1", "192.0.2.1"),
        (1, "2001:db8::9", "192.0.2.1", "2001:db8::9"),
        (0, "", "fe80::1%eth0", "fe80::1"),
        (1, "not an address", "192.0.2.1", None),
        (0, "", "", None),
        (1, "203.0.113.9:5555", "192.0.2.1", "203.0.113.9"),
        (1, "198.51.100.66, [2001:db8::9]:80", "192.0.2.1", "2001:db8::9"),
        (1, "[2001:db8::9]", "192.0.2.1", "2001:db8::9"),
        (1, "[fe80::1%eth0]:443", "192.0.2.1", "fe80::1"),
        (1, "2001:db8::9:80", "192.0.2.1", "2001:db8::9:80"),
        (1, "203.0.113.9:", "192.0.2.1", None),
        (1, "203.0.113.9:5555:80", "192.0.2.1", None),
        (1, "[203.0.113.9:80", "192.0.2.1", None),
        (1, "unknown", "192.0.2.1", None),
    ],
)
def test_the_address_is_believed_as_far_as_the_proxies_go(
    settings: Settings, proxies: int, forwarded: str, remote: str, address: str | None
) -> None:
    settings.TRUSTED_PROXIES = proxies
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}

    request = RequestFactory().get("/", headers=headers, REMOTE_ADDR=remote)

    assert client_address(request) == address


@pytest.mark.parametrize("address", ["203.0.113.9", "2001:db8::9", "fe80::1%eth0"])
def test_an_address_behind_a_proxy_is_recorded(
    settings: Settings, owner: Caller, organization: Organization, address: str
) -> None:
    settings.TRUSTED_PROXIES = 1

    answer = new_agent(owner, X_Forwarded_For=address)

    assert answer.status == 201
    assert audit_of(organization)[-1]["address"] == address.partition("%")[0]


def test_a_missing_scope_is_recorded_as_refused(organization: Organization) -> None:
    minted = factories.make_key(organization, scopes=("tasks:read",))

    answer = Caller(minted.text).post("/tasks", factories.text_message(), X_Request_Id="lacking-a-scope")

    assert answer.code == "scope-missing"
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["outcome"], entry["request_id"]) == ("access.refused", "refused", "lacking-a-scope")
    assert entry["detail"] == {"method": "POST", "path": "/api/v1/tasks", "reason": "lacks tasks:write"}


@pytest.mark.parametrize("headers", [{}, {"Idempotency_Key": "repeatable"}], ids=["plain", "idempotent"])
def test_granting_too_much_is_recorded_as_refused(organization: Organization, headers: dict[str, str]) -> None:
    minted = factories.make_key(organization, scopes=("api-keys:write",))

    answer = Caller(minted.text).post("/api-keys", {"name": "more", "scopes": ["tasks:admin"]}, **headers)

    assert (answer.status, answer.code) == (403, "scope-missing")
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["outcome"]) == ("access.refused", "refused")
    assert entry["detail"]["reason"] == answer.json["detail"]


@pytest.mark.parametrize("kind", ["scope", "revoked"])
def test_a_refused_call_with_an_idempotency_key_is_recorded(organization: Organization, kind: str) -> None:
    scopes = ("tasks:read",) if kind == "scope" else ("tasks:write",)
    minted = factories.make_key(organization, scopes=scopes)
    if kind == "revoked":
        system_rows("UPDATE orgs_apikey SET revoked_at = now() WHERE id = %s", minted.row.id)

    answer = Caller(minted.text).post("/tasks", {"message": factories.text_message()}, Idempotency_Key="refused")

    assert answer.status in (401, 403)
    assert audit_of(organization)[-1]["action"] == "access.refused"
    assert system_rows("SELECT id FROM api_idempotentanswer WHERE organization_id = %s", organization.id) == []


def test_a_call_that_is_allowed_is_not_recorded_as_refused(owner: Caller, organization: Organization) -> None:
    owner.get("/tasks")
    owner.get(f"/agents/{uuid.uuid4()}")

    assert [entry for entry in audit_of(organization) if entry["outcome"] == "refused"] == []


def test_a_change_that_fails_leaves_no_entry(owner: Caller, organization: Organization) -> None:
    taken = new_agent(owner).json
    other = new_agent(owner).json
    before = audit_of(organization)

    answer = owner.patch(f"/agents/{other['id']}", {"slug": taken["slug"]})

    assert answer.code == "slug-taken"
    assert audit_of(organization) == before


def test_a_change_whose_entry_fails_is_not_made(owner: Caller) -> None:
    made = new_agent(owner).json

    def fail(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith('INSERT INTO "audit_entry"'):
            return execute("SELECT 1 / 0", None, many, context)
        return execute(sql, params, many, context)

    with connection.execute_wrapper(fail):
        answer = owner.patch(f"/agents/{made['id']}", {"name": "Unseen"})

    assert answer.status == 500
    assert owner.get(f"/agents/{made['id']}").json == made


def test_a_very_long_subject_is_cut_to_what_the_column_takes(organization: Organization) -> None:
    with tenancy.organization(organization.id):
        record(
            Action.ACCESS_REFUSED, organization_id=organization.id, actor="test", subject_type="operation",
            subject_id="s" * 500, outcome=Outcome.REFUSED,
        )  # fmt: skip

    assert audit_of(organization)[-1]["subject_id"] == "s" * 64


def test_every_action_is_a_subject_and_a_verb_that_its_column_takes() -> None:
    assert [action for action in Action if action.count(".") != 1 or len(action) > 40] == []


def test_one_more_action_is_no_change_of_the_schema() -> None:
    _, path, _, options = Entry._meta.get_field("action").deconstruct()

    assert (path, options) == ("django.db.models.CharField", {"max_length": 40})
    assert Entry(action=Action.AGENT_CREATED).get_action_display() == "Agent Created"


def test_no_entry_holds_a_secret(owner: Caller, organization: Organization) -> None:
    minted = owner.post("/api-keys", {"name": "made", "scopes": ["tasks:read"]}).json
    key = Caller(minted["key"])
    key.get("/agents")
    owner.delete(f"/api-keys/{minted['id']}")
    key.get(f"/tasks?cursor={minted['key']}")
    key.get("/tasks")

    [(text,)] = system_rows("SELECT json_agg(e)::text FROM audit_entry e WHERE organization_id = %s", organization.id)

    assert text.count("access.refused") >= 2
    for shown in (minted["key"], owner.key):
        assert shown.split("_")[2] not in text
