"""Operators mint API keys: the text is on one page, once, and nowhere else."""

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from accounts.models import User
from orgs import keys, tenancy
from orgs.models import APIKey, Organization
from tests import factories
from tests.factories import Caller
from tests.orgs.console import Browser, entries_of
from tests.statements import events_of, system_rows

ADD = "/admin/orgs/apikey/add/"


def form_of(organization: Organization, **fields: Any) -> dict[str, Any]:
    return {
        "organization": str(organization.id),
        "name": "Minted",
        "scopes": ["orgs:read", "tasks:write"],
        "environment": "production",
    } | fields


def shown(answer: Any) -> str:
    """Return the key that a page shows."""
    found = keys.FORM.search(answer.content.decode())
    assert found is not None, answer
    return found[0]


def rows_of(organization: Organization) -> list[APIKey]:
    with tenancy.system():
        return list(APIKey.objects.filter(organization=organization))


def test_a_minted_key_works_with_its_scopes(browser: Browser, organization: Organization) -> None:
    answer = browser.send(ADD, form_of(organization))

    assert answer.status_code == 200
    me = Caller(shown(answer)).get("/me").json
    assert me["organization"]["id"] == str(organization.id)
    assert (me["actor_type"], me["scopes"]) == ("api-key", ["orgs:read", "tasks:read", "tasks:write"])


def test_minting_is_audited_and_becomes_an_event(browser: Browser, operator: User, organization: Organization) -> None:
    name = uuid.uuid4().hex

    browser.send(ADD, form_of(organization), X_Request_Id=name)

    [row] = rows_of(organization)
    assert entries_of(name) == [("api-key.created", f"operator:{operator.id}", str(row.id), "success")]
    assert [(event["generation"], event["type"]) for event in events_of(row.id)] == [(1, "api-key.created")]


def test_a_minted_key_is_on_no_other_page_and_in_no_cookie(browser: Browser, organization: Organization) -> None:
    answer = browser.send(ADD, form_of(organization))

    secret = shown(answer).split("_")[2]
    [row] = rows_of(organization)
    pages = [browser.open(f"/admin/{rest}") for rest in ("", "orgs/apikey/", f"orgs/apikey/{row.id}/change/")]
    assert "no-store" in answer.headers["Cache-Control"]
    assert [page for page in pages if secret in page.content.decode()] == []
    assert [cookie for cookie in browser.client.cookies.values() if secret in cookie.value] == []
    assert system_rows("SELECT 1 FROM django_session WHERE session_data LIKE %s", f"%{secret}%") == []
    assert system_rows("SELECT 1 FROM django_admin_log l WHERE l::text LIKE %s", f"%{secret}%") == []
    assert system_rows("SELECT 1 FROM audit_entry e WHERE e::text LIKE %s", f"%{secret}%") == []


def test_a_key_acts_as_the_member_or_the_agent_it_was_minted_for(browser: Browser, organization: Organization) -> None:
    user, agent = factories.make_member(organization), factories.make_agent(organization)

    answers = [
        browser.send(ADD, form_of(organization, **bearer)) for bearer in ({"user": user.id}, {"agent": agent.id})
    ]

    actors = [Caller(shown(answer)).get("/me").json for answer in answers]
    assert [(me["actor_type"], me["actor_id"]) for me in actors] == [("user", str(user.id)), ("agent", str(agent.id))]


def test_a_key_expires_when_it_was_said(browser: Browser, organization: Organization) -> None:
    ends = (datetime.now(UTC) + timedelta(days=2)).replace(microsecond=0)

    browser.send(ADD, form_of(organization, expires_at_0=f"{ends:%Y-%m-%d}", expires_at_1=f"{ends:%H:%M:%S}"))

    [row] = rows_of(organization)
    assert row.expires_at == ends


@pytest.mark.parametrize("kind", ["user", "agent"])
def test_a_key_is_not_minted_for_someone_of_another_organization(
    browser: Browser, organization: Organization, kind: str
) -> None:
    other = factories.make_organization()
    stranger = factories.make_member(other) if kind == "user" else factories.make_agent(other)
    name = uuid.uuid4().hex

    answer = browser.send(ADD, form_of(organization, **{kind: str(stranger.id)}), X_Request_Id=name)

    assert "errornote" in answer.content.decode()
    assert (rows_of(organization), entries_of(name)) == ([], [])


@pytest.mark.parametrize(
    "fields",
    [
        {"scopes": []},
        {"scopes": ["tasks:everything"]},
        {"scopes": ["\0"]},
        {"name": ""},
        {"name": "n" * 201},
        {"name": "\0"},
        {"expires_at_0": "2020-01-01", "expires_at_1": "00:00"},
        {"expires_at_0": "9999-12-31", "expires_at_1": "23:59"},
        {"expires_at_0": "0001-01-01", "expires_at_1": "00:00"},
        {"expires_at_0": "soon"},
        {"user": "no-id"},
        {"agent": factories.UNKNOWN_ID},
    ],
    ids=str,
)
def test_what_is_no_key_is_refused(browser: Browser, organization: Organization, fields: dict[str, Any]) -> None:
    answer = browser.send(ADD, form_of(organization, **fields))

    assert answer.status_code in (200, 400)
    assert rows_of(organization) == []


def test_a_key_acts_for_one(browser: Browser, organization: Organization) -> None:
    user, agent = factories.make_member(organization), factories.make_agent(organization)

    answer = browser.send(ADD, form_of(organization, user=str(user.id), agent=str(agent.id)))

    assert "not as both" in answer.content.decode()
    assert rows_of(organization) == []


def test_a_minted_key_is_not_changed(browser: Browser, organization: Organization) -> None:
    row, token = factories.make_key(organization).row, browser.client.cookies["csrftoken"].value

    answer = browser.client.post(
        f"/admin/orgs/apikey/{row.id}/change/", {"csrfmiddlewaretoken": token, "name": "Changed"}
    )

    assert answer.status_code == 403


LIST = "/admin/orgs/apikey/"


def rotate(browser: Browser, *keys: APIKey, **headers: str) -> Any:
    return browser.send(LIST, {"action": "rotate", "_selected_action": [str(key.id) for key in keys]}, **headers)


def test_a_minted_key_is_for_the_environment_that_was_chosen(browser: Browser, organization: Organization) -> None:
    answer = browser.send(ADD, form_of(organization, environment="test"))

    assert shown(answer).startswith("hft_")
    assert [row.environment for row in rows_of(organization)] == ["test"]


def test_a_minted_key_ends_by_the_organizations_policy(browser: Browser, organization: Organization) -> None:
    system_rows("UPDATE orgs_organization SET key_max_days = 30 WHERE id = %s", organization.id)

    browser.send(ADD, form_of(organization))

    [row] = rows_of(organization)
    assert row.expires_at is not None
    assert row.expires_at <= datetime.now(UTC) + timedelta(days=30)
    assert row.ends_by_policy


def test_a_key_that_ends_by_policy_is_rotated_to_the_policys_end(browser: Browser, organization: Organization) -> None:
    old = factories.make_key(organization, expires_at=datetime.now(UTC) + timedelta(days=3)).row
    system_rows("UPDATE orgs_organization SET key_max_days = 30 WHERE id = %s", organization.id)
    system_rows("UPDATE orgs_apikey SET ends_by_policy = true WHERE id = %s", old.id)

    rotate(browser, old)

    [made] = [row for row in rows_of(organization) if row.replaces_id == old.id]
    assert made.expires_at is not None
    assert (made.ends_by_policy, round((made.expires_at - datetime.now(UTC)) / timedelta(days=1))) == (True, 30)


def test_a_key_that_would_outlive_the_policy_is_not_minted(browser: Browser, organization: Organization) -> None:
    system_rows("UPDATE orgs_organization SET key_max_days = 30 WHERE id = %s", organization.id)
    ends = datetime.now(UTC) + timedelta(days=31)

    answer = browser.send(ADD, form_of(organization, expires_at_0=f"{ends:%Y-%m-%d}", expires_at_1=f"{ends:%H:%M:%S}"))

    assert "at most 30 days" in answer.content.decode()
    assert rows_of(organization) == []


def test_keys_are_listed_by_environment(browser: Browser, organization: Organization) -> None:
    key = factories.make_key(organization, environment=keys.Environment.TEST).row

    pages = [browser.open(f"{LIST}?environment__exact={name}&q={key.key_id}") for name in ("test", "production")]

    assert [f"hft_{key.key_id}" in page.content.decode() for page in pages] == [True, False]


def test_a_rotated_key_is_shown_once_and_works(browser: Browser, operator: User, organization: Organization) -> None:
    old, name = factories.make_key(organization), uuid.uuid4().hex

    answer = rotate(browser, old.row, X_Request_Id=name)

    me = Caller(shown(answer)).get("/me").json
    assert "no-store" in answer.headers["Cache-Control"]
    assert Caller(old.text).get("/me").status == 200
    assert entries_of(name) == [
        ("api-key.rotated", f"operator:{operator.id}", me["api_key_id"], "success"),
        ("api-key.rotated", f"operator:{operator.id}", str(old.row.id), "success"),
    ]


def test_one_key_is_rotated_at_a_time(browser: Browser, organization: Organization) -> None:
    made = [factories.make_key(organization).row for _ in range(2)]

    rotate(browser, *made)

    assert "Choose one key" in browser.open(LIST).content.decode()
    assert len(rows_of(organization)) == 2


def test_a_key_that_was_replaced_is_not_rotated_again(browser: Browser, organization: Organization) -> None:
    old = factories.make_key(organization).row
    rotate(browser, old)

    rotate(browser, old)

    assert "replaced already" in browser.open(LIST).content.decode()
    assert len(rows_of(organization)) == 2
