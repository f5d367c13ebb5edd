"""How many members, agents and keys an organization may have."""

import uuid
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from orgs import limits, tenancy
from orgs.models import Agent, APIKey, Membership, Organization
from orgs.services import agents, api_keys, members, organizations
from tests import factories
from tests.factories import Caller
from tests.orgs.console import Browser, entries_of
from tests.statements import at_once, events_of

COUNTED: dict[str, Any] = {"members": Membership, "agents": Agent, "api_keys": APIKey}


def limit(organization: Organization, **most: int | None) -> None:
    with tenancy.system():
        organizations.set_limits(organization.id, changes=most, actor="test")


def add_member(organization: Organization, user: User) -> None:
    with tenancy.system():
        members.add_member(organization, user, role="member", actor="test")


def add_agent(organization: Organization, user: User) -> None:
    fields = {"name": "New", "slug": f"agent-{uuid.uuid4().hex[:20]}"}
    with tenancy.organization(organization.id):
        agents.add_agent(organization.id, owner_id=user.id, fields=fields, actor="test")


def add_key(organization: Organization, user: User) -> None:
    now = datetime.now(UTC)
    api_keys.issue_operator_key(organization, name="New", scopes=["orgs:read"], actor="test", now=now)


ADD: dict[str, Callable[[Organization, User], None]] = {
    "members": add_member,
    "agents": add_agent,
    "api_keys": add_key,
}


def used(organization: Organization, name: str) -> int:
    with tenancy.system():
        found: int = COUNTED[name].objects.filter(organization=organization).count()
    return found


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_creates_at_once_never_pass_the_limit(organization: Organization, name: str) -> None:
    most = used(organization, name) + 2
    limit(organization, **{f"max_{name}": most})
    users = [factories.make_user() for _ in range(5)]

    results = at_once(*[partial(ADD[name], organization, user) for user in users])

    assert sorted(type(result).__name__ for result in results) == ["LimitReached"] * 3 + ["NoneType"] * 2
    assert used(organization, name) == most


@pytest.mark.parametrize("name", sorted(COUNTED))
def test_without_a_number_of_its_own_the_installations_holds(
    organization: Organization, name: str, settings: Settings
) -> None:
    setattr(settings, f"ORG_MAX_{name.upper()}", used(organization, name) + 1)
    ADD[name](organization, factories.make_user())

    with pytest.raises(limits.LimitReached):
        ADD[name](organization, factories.make_user())


def test_a_number_of_its_own_goes_beyond_the_installations(organization: Organization, settings: Settings) -> None:
    settings.ORG_MAX_AGENTS = 1
    limit(organization, max_agents=2)

    for _ in range(2):
        add_agent(organization, factories.make_user())

    assert used(organization, "agents") == 2


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/agents", {"name": "New", "slug": "new"}, "max_agents"),
        ("/api-keys", {"name": "New", "scopes": ["orgs:read"]}, "max_api_keys"),
    ],
)
def test_a_caller_is_told_which_limit_is_reached(
    owner: Caller, organization: Organization, path: str, body: dict[str, Any], name: str
) -> None:
    limit(organization, **{name: 0})

    answer = owner.post(path, body)

    assert (answer.status, answer.code) == (409, "limit-reached")
    assert answer.json["detail"].startswith("The organization may have 0 ")


def test_limits_are_listed_with_what_is_used(owner: Caller, organization: Organization, settings: Settings) -> None:
    settings.ORG_MAX_MEMBERS, settings.ORG_MAX_API_KEYS = 11, 22
    limit(organization, max_agents=3)

    answer = owner.get(f"/orgs/{organization.id}/limits")

    assert (answer.status, answer.json["limits"]) == (
        200,
        {
            "members": {"limit": 11, "used": 1},
            "agents": {"limit": 3, "used": 0},
            "api_keys": {"limit": 22, "used": 1},
        },
    )


def test_what_is_beyond_a_new_limit_stays(organization: Organization) -> None:
    add_agent(organization, factories.make_user())

    limit(organization, max_agents=0)

    assert used(organization, "agents") == 1


def test_an_operator_changes_limits(browser: Browser, operator: User, organization: Organization) -> None:
    name = uuid.uuid4().hex
    form = {"name": organization.name, "slug": organization.slug, "max_members": "", "max_agents": "5"}

    answer = browser.send(f"/admin/orgs/organization/{organization.id}/change/", form, X_Request_Id=name)

    assert answer.status_code == 302
    changed = ("organization.limits-changed", f"operator:{operator.id}", str(organization.id), "success")
    assert entries_of(name) == [changed]
    assert events_of(organization.id)[-1]["facts"] == {"limits": {"max_agents": 5}}


def test_the_console_says_that_a_limit_is_reached(browser: Browser, organization: Organization) -> None:
    limit(organization, max_members=1)
    form = {"organization": str(organization.id), "user": str(factories.make_user().id), "role": "member"}

    answer = browser.send("/admin/orgs/membership/add/", form)

    assert answer.status_code == 200
    assert "The organization may have 1 members, and has 1." in answer.content.decode()
