"""POST, GET and PATCH of /agents; cards and deletion have files of their own."""

import uuid
from typing import Any

import pytest

from orgs.models import Organization, Role
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import at_once, audit_of, statements


def make(caller: Caller, **fields: Any) -> dict[str, Any]:
    answer = caller.post("/agents", {"name": "Agent", "slug": f"a-{uuid.uuid4().hex}"} | fields)
    assert answer.status == 201, answer
    made: dict[str, Any] = answer.json
    return made


def test_an_agent_comes_back_as_it_was_made(owner: Caller) -> None:
    answer = owner.post("/agents", {"name": " Ada ", "slug": "ada", "description": "Counts.\n"})

    assert (answer.status, answer.headers["ETag"]) == (201, '"1"')
    assert answer.headers["Location"] == f"/api/v1/agents/{answer.json['id']}"
    assert (answer.json["name"], answer.json["slug"], answer.json["description"]) == ("Ada", "ada", "Counts.\n")
    assert owner.get(f"/agents/{answer.json['id']}").json == answer.json


def test_an_agent_belongs_to_who_made_it(organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)

    made = make(Caller(factories.make_key(organization, user=user).text))

    assert made["owner_id"] == str(user.id)


def test_agents_are_listed_newest_first_page_by_page(owner: Caller) -> None:
    made = [make(owner)["id"] for _ in range(3)]

    first = owner.get("/agents?limit=2").json
    second = owner.get(f"/agents?limit=2&cursor={first['next_cursor']}").json

    assert [agent["id"] for agent in first["items"]] == [made[2], made[1]]
    assert ([agent["id"] for agent in second["items"]], second["next_cursor"]) == ([made[0]], None)


def test_listing_agents_takes_two_statements_however_many_there_are(owner: Caller, organization: Organization) -> None:
    for _ in range(5):
        factories.make_agent(organization)
    owner.get("/agents")

    with statements() as sent:
        answer = owner.get("/agents")

    assert len(answer.json["items"]) == 5
    assert len(sent) == 2, sent


def test_two_organizations_may_use_one_slug(owner: Caller, outsider: Caller) -> None:
    assert [make(caller, slug="ada")["slug"] for caller in (owner, outsider)] == ["ada", "ada"]


def test_a_slug_names_one_agent_of_an_organization(owner: Caller) -> None:
    make(owner, slug="ada")

    answer = owner.post("/agents", {"name": "Other", "slug": "ada"})

    assert (answer.status, answer.code) == (409, "slug-taken")


def test_of_two_agents_made_with_one_slug_at_once_exactly_one_is(owner: Caller) -> None:
    body = {"name": "Agent", "slug": "ada"}

    answers = at_once(*[lambda: owner.post("/agents", body)] * 2)

    assert sorted(answer.status for answer in answers if isinstance(answer, Answer)) == [201, 409]
    assert len(owner.get("/agents").json["items"]) == 1


def test_changing_sets_only_what_is_given(owner: Caller) -> None:
    made = make(owner, description="Old")

    answer = owner.patch(f"/agents/{made['id']}", {"name": "New"}, If_Match='"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json == made | {"name": "New", "generation": 2}
    assert owner.get(f"/agents/{made['id']}").json == answer.json


def test_changing_refuses_another_generation(owner: Caller) -> None:
    made = make(owner)
    owner.patch(f"/agents/{made['id']}", {"name": "First"}, If_Match='"1"')

    answer = owner.patch(f"/agents/{made['id']}", {"name": "Second"}, If_Match='"1"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/agents/{made['id']}").json["name"] == "First"


def test_of_two_conditional_changes_at_once_exactly_one_is_made(owner: Caller) -> None:
    made = make(owner)

    def change() -> Answer:
        return owner.patch(f"/agents/{made['id']}", {"description": "mine"}, If_Match='"1"')

    answers = at_once(change, change)

    assert sorted(answer.status for answer in answers if isinstance(answer, Answer)) == [200, 412]
    assert owner.get(f"/agents/{made['id']}").json["generation"] == 2


def test_changing_to_a_taken_slug_changes_nothing(owner: Caller) -> None:
    make(owner, slug="ada")
    other = make(owner, slug="bob")

    answer = owner.patch(f"/agents/{other['id']}", {"slug": "ada", "name": "Changed"})

    assert (answer.status, answer.code) == (409, "slug-taken")
    assert owner.get(f"/agents/{other['id']}").json == other


def test_the_audit_of_a_change_names_the_fields_and_not_their_values(owner: Caller, organization: Organization) -> None:
    made = make(owner)

    owner.patch(f"/agents/{made['id']}", {"name": "Renamed", "description": "Told"})

    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["detail"]) == ("agent.changed", {"fields": ["description", "name"]})


@pytest.mark.parametrize(
    "fields",
    [
        {"name": None},
        {"slug": None},
        {"description": None},
        {"slug": "Not A Slug"},
        {"description": "d" * 4001},
        {"owner_id": str(uuid.uuid4())},
    ],
)
def test_changing_refuses_what_no_agent_has(owner: Caller, fields: dict[str, Any]) -> None:
    made = make(owner)

    answer = owner.patch(f"/agents/{made['id']}", fields)

    assert (answer.status, answer.code) == (422, "invalid")
    assert owner.get(f"/agents/{made['id']}").json == made


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_outsider_does_not_find_an_agent(owner: Caller, outsider: Caller, method: str) -> None:
    made = make(owner)

    answer = outsider.call(method, f"/agents/{made['id']}", {"name": "Mine"} if method == "PATCH" else None)

    assert (answer.status, answer.code) == (404, "not-found")
    assert owner.get(f"/agents/{made['id']}").json == made


def test_an_outsider_lists_none_of_our_agents(owner: Caller, outsider: Caller) -> None:
    make(owner)

    assert outsider.get("/agents").json == {"items": [], "next_cursor": None}


def test_a_cursor_of_another_organization_is_refused(owner: Caller, outsider: Caller) -> None:
    for _ in range(2):
        make(owner)
    cursor = owner.get("/agents?limit=1").json["next_cursor"]

    answer = outsider.get(f"/agents?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


@pytest.mark.parametrize("method", ["GET", "POST", "PATCH"])
def test_agents_need_their_scope(organization: Organization, method: str) -> None:
    made = factories.make_agent(organization)
    scopes = ("orgs:admin",) if method == "GET" else ("agents:read",)
    caller = Caller(factories.make_key(organization, scopes=scopes).text)
    path = f"/agents/{made.id}" if method == "PATCH" else "/agents"
    body = None if method == "GET" else {"name": "New", "slug": "new"}

    answer = caller.call(method, path, body)

    assert (answer.status, answer.code) == (403, "scope-missing")
