"""Operators make and change organizations, memberships and agents; each change is audited and becomes an event."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest

from accounts.models import User
from orgs import tenancy
from orgs.models import Agent, Membership, Organization, Role
from orgs.services import members
from tests import factories
from tests.factories import Caller
from tests.orgs.console import Browser, entries_of
from tests.statements import at_once, elsewhere, events_of, system_rows, wait_until_someone_waits

ORGANIZATIONS, MEMBERSHIPS, AGENTS = (f"/admin/orgs/{name}" for name in ("organization", "membership", "agent"))


def new_slug() -> str:
    return f"made-{uuid.uuid4().hex[:20]}"


def change(path: str, row: Any) -> str:
    return f"{path}/{row.pk}/change/"


def membership_of(organization: Organization, user_id: uuid.UUID) -> Membership:
    with tenancy.system():
        return Membership.objects.get(organization=organization, user_id=user_id)


def race(browser: Browser, *sent: tuple[str, dict[str, str]]) -> list[Any]:
    """Send the forms at once, each over a connection of its own; return the statuses, sorted."""
    browser.open(sent[0][0])
    cookies = browser.client.cookies
    token = cookies["csrftoken"].value

    def send(path: str, form: dict[str, str]) -> Any:
        own = Browser()
        own.client.cookies = cookies
        return own.client.post(path, {"csrfmiddlewaretoken": token, **form}).status_code

    return sorted(at_once(*[partial(send, *one) for one in sent]), key=str)


def kinds(row_id: object) -> list[tuple[int, str]]:
    return [(event["generation"], event["type"]) for event in events_of(row_id)]


def test_adding_an_organization_gives_it_an_owner(browser: Browser, operator: User) -> None:
    owner, slug, name = factories.make_user(), new_slug(), uuid.uuid4().hex
    form = {"name": "Made", "slug": slug, "owner": str(owner.id)}

    answer = browser.send(f"{ORGANIZATIONS}/add/", form, X_Request_Id=name)

    assert answer.status_code == 302
    with tenancy.system():
        made = Organization.objects.get(slug=slug)
    membership, actor = membership_of(made, owner.id), f"operator:{operator.id}"
    assert (made.owner_id, membership.role) == (owner.id, "owner")
    assert kinds(made.id) == [(1, "organization.created")]
    assert entries_of(name) == [
        ("organization.created", actor, str(made.id), "success"),
        ("membership.created", actor, str(membership.id), "success"),
    ]


def test_an_organization_is_renamed(browser: Browser, operator: User, organization: Organization) -> None:
    name = uuid.uuid4().hex

    form = {"name": "Renamed", "slug": organization.slug}
    answer = browser.send(change(ORGANIZATIONS, organization), form, X_Request_Id=name)

    assert answer.status_code == 302
    assert system_rows("SELECT name, slug FROM orgs_organization WHERE id = %s", organization.id) == [
        ("Renamed", organization.slug)
    ]
    assert kinds(organization.id)[-1] == (2, "organization.renamed")
    assert entries_of(name) == [("organization.renamed", f"operator:{operator.id}", str(organization.id), "success")]


@pytest.mark.parametrize("path", [ORGANIZATIONS, MEMBERSHIPS, AGENTS])
def test_saving_a_form_unchanged_changes_nothing(browser: Browser, organization: Organization, path: str) -> None:
    agent = factories.make_agent(organization)
    row: Any = {
        ORGANIZATIONS: organization,
        MEMBERSHIPS: membership_of(organization, organization.owner_id),
        AGENTS: agent,
    }[path]
    before, name = kinds(row.id), uuid.uuid4().hex

    form = {"name": row.name, "slug": row.slug} if path != MEMBERSHIPS else {"role": row.role}
    answer = browser.send(change(path, row), form, X_Request_Id=name)

    assert answer.status_code == 302
    assert (kinds(row.id), entries_of(name)) == (before, [])


def test_adding_a_member_lets_their_keys_work(browser: Browser, operator: User, organization: Organization) -> None:
    user, name = factories.make_user(), uuid.uuid4().hex
    form = {"organization": str(organization.id), "user": str(user.id), "role": "member"}

    answer = browser.send(f"{MEMBERSHIPS}/add/", form, X_Request_Id=name)

    assert answer.status_code == 302
    made = membership_of(organization, user.id)
    assert entries_of(name) == [("membership.created", f"operator:{operator.id}", str(made.id), "success")]
    assert kinds(made.id) == [(1, "membership.created")]
    assert Caller(factories.make_key(organization, user=user).text).get("/me").status == 200


def test_a_role_is_changed(browser: Browser, operator: User, organization: Organization) -> None:
    row, name = membership_of(organization, factories.make_member(organization).id), uuid.uuid4().hex

    answer = browser.send(change(MEMBERSHIPS, row), {"role": "admin"}, X_Request_Id=name)

    assert answer.status_code == 302
    assert membership_of(organization, row.user_id).role == "admin"
    assert kinds(row.id) == [(2, "membership.changed")]
    assert entries_of(name) == [("membership.changed", f"operator:{operator.id}", str(row.id), "success")]


def test_removing_a_member_refuses_their_keys_at_once(
    browser: Browser, operator: User, organization: Organization
) -> None:
    user, name = factories.make_member(organization), uuid.uuid4().hex
    row, caller = membership_of(organization, user.id), Caller(factories.make_key(organization, user=user).text)
    assert caller.get("/me").status == 200

    answer = browser.send(f"{MEMBERSHIPS}/{row.id}/delete/", {"post": "yes"}, X_Request_Id=name)

    assert answer.status_code == 302
    assert caller.get("/me").code == "api-key-revoked"
    assert system_rows("SELECT 1 FROM orgs_membership WHERE id = %s", row.id) == []
    assert kinds(row.id) == [(2, "membership.removed")]
    assert entries_of(name)[-1] == ("membership.removed", f"operator:{operator.id}", str(row.id), "success")


def test_the_last_owner_is_not_demoted(browser: Browser, organization: Organization) -> None:
    row, name = membership_of(organization, organization.owner_id), uuid.uuid4().hex

    answer = browser.send(change(MEMBERSHIPS, row), {"role": "member"}, X_Request_Id=name)

    assert answer.status_code == 200
    assert "last owner" in answer.content.decode()
    assert membership_of(organization, row.user_id).role == "owner"
    assert entries_of(name) == []


def test_the_last_owner_is_not_removed(browser: Browser, organization: Organization) -> None:
    row, name = membership_of(organization, organization.owner_id), uuid.uuid4().hex

    answer = browser.send(f"{MEMBERSHIPS}/{row.id}/delete/", {"post": "yes"}, X_Request_Id=name)

    assert "last owner" in browser.open(answer.headers["Location"]).content.decode()
    assert membership_of(organization, row.user_id).role == "owner"
    assert entries_of(name) == []
    assert system_rows("SELECT 1 FROM django_admin_log WHERE object_id = %s", str(row.id)) == []


def test_of_two_owners_demoted_at_once_one_stays(browser: Browser, organization: Organization) -> None:
    users = [organization.owner_id, factories.make_member(organization, Role.OWNER).id]
    paths = [change(MEMBERSHIPS, membership_of(organization, user_id)) for user_id in users]

    answers = race(browser, *[(path, {"role": "member"}) for path in paths])

    assert answers == [200, 302]
    assert sorted(membership_of(organization, user_id).role for user_id in users) == ["member", "owner"]


def test_a_demotion_waits_for_the_one_before_and_counts_the_owners_left(
    browser: Browser, organization: Organization
) -> None:
    first = membership_of(organization, factories.make_member(organization, Role.OWNER).id)
    second = membership_of(organization, organization.owner_id)

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        members.change_role(first.id, role=Role.MEMBER, actor="test")
        waiting = pool.submit(elsewhere, lambda: browser.send(change(MEMBERSHIPS, second), {"role": "member"}))
        wait_until_someone_waits()
        # The scope ends here: the first demotion commits, and the pool waits for the second.
    answer = waiting.result()

    assert "last owner" in answer.content.decode()
    assert membership_of(organization, second.user_id).role == "owner"


def test_a_second_place_in_an_organization_is_an_error_of_the_form(
    browser: Browser, organization: Organization
) -> None:
    user, name = factories.make_member(organization), uuid.uuid4().hex
    form = {"organization": str(organization.id), "user": str(user.id), "role": "owner"}

    answer = browser.send(f"{MEMBERSHIPS}/add/", form, X_Request_Id=name)

    assert answer.status_code == 200
    assert b"errornote" in answer.content
    assert entries_of(name) == []


def test_of_two_memberships_added_at_once_one_is_an_error_of_the_form(
    browser: Browser, organization: Organization
) -> None:
    user = factories.make_user()
    form = {"organization": str(organization.id), "user": str(user.id), "role": "member"}

    answers = race(browser, *[(f"{MEMBERSHIPS}/add/", form)] * 3)

    assert answers == [200, 200, 302]


def test_an_agent_is_added_and_changed(browser: Browser, operator: User, organization: Organization) -> None:
    slug, name = new_slug(), uuid.uuid4().hex
    form = {"organization": str(organization.id), "name": "Made", "slug": slug, "description": ""}

    added = browser.send(f"{AGENTS}/add/", form, X_Request_Id=name)
    with tenancy.system():
        made = Agent.objects.get(organization=organization, slug=slug)
    changed = browser.send(change(AGENTS, made), {"name": "Changed", "slug": slug}, X_Request_Id=name)

    assert (added.status_code, changed.status_code) == (302, 302)
    assert (made.name, made.owner_id) == ("Made", organization.owner_id)
    assert [event["facts"] for event in events_of(made.id)] == [{"slug": slug}, {"fields": ["name"]}]
    actor = f"operator:{operator.id}"
    assert [entry[:3] for entry in entries_of(name)] == [
        ("agent.created", actor, str(made.id)),
        ("agent.changed", actor, str(made.id)),
    ]


def test_an_agents_slug_that_is_taken_is_an_error_of_the_form(browser: Browser, organization: Organization) -> None:
    """Also when it is changed, where the form knows no organization and the constraint speaks."""
    taken, other = (factories.make_agent(organization) for _ in range(2))
    form = {"organization": str(organization.id), "name": "Made", "slug": taken.slug}

    answers = [browser.send(path, form) for path in (f"{AGENTS}/add/", change(AGENTS, other))]

    assert [answer.status_code for answer in answers] == [200, 200]
    assert all("errorlist" in answer.content.decode() for answer in answers)
    assert kinds(other.id) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"name": "n" * 201},
        {"name": ""},
        {"name": "\0"},
        {"slug": "No Slug"},
        {"slug": "s" * 64},
        {"slug": "a\0b"},
        {"description": "d" * 4001},
        {"description": "\0"},
        {"organization": ""},
        {"organization": "no-id"},
        {"organization": "\0"},
        {"organization": factories.UNKNOWN_ID},
    ],
    ids=str,
)
def test_what_is_no_agent_is_refused(browser: Browser, organization: Organization, fields: dict[str, str]) -> None:
    form = {"organization": str(organization.id), "name": "Made", "slug": new_slug()} | fields

    answer = browser.send(f"{AGENTS}/add/", form)

    assert answer.status_code in (200, 400)
    with tenancy.system():
        assert not Agent.objects.filter(organization=organization).exists()


@pytest.mark.parametrize("owner", ["", "no-id", "\0", factories.UNKNOWN_ID])
def test_an_organization_needs_an_owner_who_is_there(browser: Browser, owner: str) -> None:
    slug = new_slug()

    answer = browser.send(f"{ORGANIZATIONS}/add/", {"name": "Made", "slug": slug, "owner": owner})

    assert answer.status_code in (200, 400)
    with tenancy.system():
        assert not Organization.objects.filter(slug=slug).exists()


def test_the_slug_of_an_organization_that_is_made_at_once_elsewhere_is_an_error_of_the_form(
    browser: Browser,
) -> None:
    form = {"name": "Made", "slug": new_slug(), "owner": str(factories.make_user().id)}

    answers = race(browser, *[(f"{ORGANIZATIONS}/add/", form)] * 3)

    assert answers == [200, 200, 302]
