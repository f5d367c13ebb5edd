"""POST and GET /orgs: a user's further organizations."""

import uuid
from functools import partial
from typing import Any

import pytest
from pytest_django import Settings

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import members
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.organization_erasing import close
from tests.statements import at_once, audit_of, events_of, system_rows


@pytest.fixture(autouse=True)
def creation(settings: Settings) -> Settings:
    settings.ORG_CREATION = "open"
    return settings


@pytest.fixture
def user(organization: Organization) -> User:
    with tenancy.system():
        return User.objects.get(id=organization.owner_id)


@pytest.fixture
def caller(organization: Organization, user: User) -> Caller:
    """A key that acts as the organization's owner."""
    return Caller(factories.make_key(organization, user=user).text)


def named() -> dict[str, Any]:
    return {"name": "Further", "slug": f"further-{uuid.uuid4().hex[:20]}"}


def listed(caller: Caller, query: str = "") -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = caller.get(f"/orgs{query}").json["items"]
    return items


def test_a_user_makes_a_further_organization_and_gets_its_key(caller: Caller, user: User) -> None:
    body = named()

    answer = caller.post("/orgs", body)

    made = answer.json["organization"]
    assert (answer.status, made["slug"], made["owner_id"]) == (201, body["slug"], str(user.id))
    me = Caller(answer.json["api_key"]["key"]).get("/me").json
    assert (me["organization"], me["actor_id"], me["role"]) == (made, str(user.id), "owner")


def test_the_answer_says_where_the_further_organization_is_and_its_etag(caller: Caller) -> None:
    answer = caller.post("/orgs", named())

    made = Caller(answer.json["api_key"]["key"]).get(answer.headers["Location"])
    assert (made.status, made.json) == (200, answer.json["organization"])
    assert answer.headers["ETag"] == made.headers["ETag"] == '"1"'


def test_a_repeated_creation_says_where_it_is_again(caller: Caller) -> None:
    body = named()
    first = caller.post("/orgs", body, Idempotency_Key="once")

    again = caller.post("/orgs", body, Idempotency_Key="once")

    assert [again.headers[name] for name in ("Location", "ETag")] == [
        first.headers[name] for name in ("Location", "ETag")
    ]


def test_a_further_organization_is_audited_in_itself(caller: Caller, user: User) -> None:
    made = caller.post("/orgs", named()).json["organization"]

    with tenancy.system():
        organization = Organization.objects.get(id=made["id"])
    entries = audit_of(organization)
    assert [entry["action"] for entry in entries] == ["organization.created", "membership.created", "api-key.created"]
    assert {entry["actor"] for entry in entries} == {f"user:{user.id}"}
    assert [event["type"] for event in events_of(made["id"])] == ["organization.created"]


def test_who_is_no_user_makes_none(owner: Caller, agent: Caller) -> None:
    answers = [one.post("/orgs", named()) for one in (owner, agent)]

    assert [(answer.status, answer.code) for answer in answers] == [(403, "user-required")] * 2


def test_a_taken_slug_makes_none(caller: Caller, organization: Organization) -> None:
    answer = caller.post("/orgs", {"name": "Mine", "slug": organization.slug})

    assert (answer.status, answer.code) == (409, "slug-taken")
    assert len(listed(caller)) == 1


def test_where_it_is_closed_users_make_none(caller: Caller, creation: Settings) -> None:
    creation.ORG_CREATION = "closed"

    answer = caller.post("/orgs", b"not even JSON")

    assert (answer.status, answer.code) == (403, "organization-creation-closed")


def test_a_user_owns_so_many_and_no_more(caller: Caller, creation: Settings) -> None:
    creation.ORGANIZATIONS_PER_USER = 2
    assert caller.post("/orgs", named()).status == 201

    answer = caller.post("/orgs", named())

    assert (answer.status, answer.code) == (409, "limit-reached")


def test_calls_at_once_never_pass_the_number_a_user_may_own(caller: Caller, creation: Settings) -> None:
    creation.ORGANIZATIONS_PER_USER = 2

    answers = at_once(*[partial(caller.post, "/orgs", named()) for _ in range(4)])

    statuses = sorted(answer.status for answer in answers if isinstance(answer, Answer))
    assert statuses == [201, 409, 409, 409]


def test_a_repeated_call_gives_the_same_organization_and_key(caller: Caller) -> None:
    body = named()

    first, again = (caller.post("/orgs", body, Idempotency_Key="once") for _ in range(2))

    assert first.status == 201
    assert again.raw == first.raw
    assert again.headers["Idempotency-Replayed"] == "true"


def test_an_answer_kept_for_another_call_is_not_in_the_way(caller: Caller) -> None:
    answers = [
        caller.post(path, body, Idempotency_Key="same")
        for path, body in (("/orgs", named()), ("/sessions", {}), ("/orgs", named()))
    ]

    assert [answer.status for answer in answers[:2]] == [201, 201]
    assert (answers[2].status, answers[2].code) == (422, "idempotency-key-reused")


def test_the_kept_answer_belongs_to_the_new_organization(caller: Caller) -> None:
    made = caller.post("/orgs", named(), Idempotency_Key="once").json["organization"]

    assert system_rows("SELECT count(*) FROM api_idempotentanswer WHERE organization_id = %s", made["id"]) == [(1,)]


def test_a_user_sees_their_organizations_with_their_role(
    caller: Caller, user: User, organization: Organization
) -> None:
    others = factories.make_organization()
    with tenancy.system():
        members.add_member(others, user, role=Role.ADMIN, actor="test")
    made = caller.post("/orgs", named()).json["organization"]

    found = {item["id"]: item["role"] for item in listed(caller)}

    assert found == {str(organization.id): "owner", made["id"]: "owner", str(others.id): "admin"}


def test_organizations_come_page_by_page(caller: Caller) -> None:
    made = [caller.post("/orgs", named()).json["organization"]["id"] for _ in range(2)]

    first = caller.get("/orgs?limit=2").json
    second = caller.get(f"/orgs?limit=2&cursor={first['next_cursor']}").json

    assert [item["id"] for item in first["items"]] == made[::-1]
    assert (len(second["items"]), second["next_cursor"]) == (1, None)


def test_who_is_no_user_sees_the_one_of_the_key(owner: Caller, organization: Organization, caller: Caller) -> None:
    assert caller.post("/orgs", named()).status == 201

    assert [(item["id"], item["role"]) for item in listed(owner)] == [(str(organization.id), None)]


def test_only_the_keys_own_organization_can_be_read(caller: Caller) -> None:
    made = caller.post("/orgs", named()).json["organization"]

    answers = [caller.get(f"/orgs/{made['id']}{rest}") for rest in ("", "/settings", "/limits")]

    assert [(answer.status, answer.code) for answer in answers] == [(404, "not-found")] * 3


def test_one_that_is_being_erased_is_not_listed(caller: Caller) -> None:
    made = caller.post("/orgs", named()).json["organization"]
    with tenancy.system():
        organization = Organization.objects.get(id=made["id"])

    close(organization)

    assert made["id"] not in {item["id"] for item in listed(caller)}
