"""GET /me, GET and PATCH of /orgs/{id}."""

import uuid
from functools import partial

import pytest

from orgs.models import Organization
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import at_once, audit_of, events_of


def test_me_says_who_an_agents_key_is(agent: Caller, organization: Organization) -> None:
    me = agent.get("/me").json

    assert me["actor_type"] == "agent"
    assert me["organization"]["id"] == str(organization.id)


def test_me_says_who_a_members_key_is(organization: Organization) -> None:
    user = factories.make_member(organization)

    me = Caller(factories.make_key(organization, user=user).text).get("/me").json

    assert (me["actor_type"], me["actor_id"]) == ("user", str(user.id))


def test_the_organization_is_given_with_its_etag(owner: Caller, organization: Organization) -> None:
    answer = owner.get(f"/orgs/{organization.id}")

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json == owner.get("/me").json["organization"]
    assert (answer.json["slug"], answer.json["owner_id"]) == (organization.slug, str(organization.owner_id))


def test_renaming_makes_the_next_generation(owner: Caller, organization: Organization) -> None:
    answer = owner.patch(f"/orgs/{organization.id}", {"name": " Näme "}, If_Match='"1"')

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert (answer.json["name"], answer.json["generation"]) == ("Näme", 2)
    assert owner.get(f"/orgs/{organization.id}").json == answer.json


def test_renaming_refuses_another_generation(owner: Caller, organization: Organization) -> None:
    answer = owner.patch(f"/orgs/{organization.id}", {"name": "Stale"}, If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert owner.get(f"/orgs/{organization.id}").json["name"] == organization.name


def test_renaming_is_audited_and_becomes_an_event(owner: Caller, organization: Organization) -> None:
    owner.patch(f"/orgs/{organization.id}", {"name": "New"}, X_Request_Id="renaming-it")

    entry, event = audit_of(organization)[-1], events_of(organization.id)[-1]

    assert (entry["action"], entry["subject_id"]) == ("organization.renamed", str(organization.id))
    assert (event["generation"], event["type"]) == (2, "organization.renamed")
    assert (entry["request_id"], event["request_id"]) == ("renaming-it", "renaming-it")


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": None}, {"slug": "B"}, {"slug": None}, {"name": "n" * 201}])
def test_renaming_refuses_what_is_no_name(owner: Caller, organization: Organization, body: dict[str, str]) -> None:
    answer = owner.patch(f"/orgs/{organization.id}", body)

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_new_slug_frees_the_old_one_and_both_are_told(owner: Caller, organization: Organization) -> None:
    slug = f"new-{organization.slug}"[:63]

    answer = owner.patch(f"/orgs/{organization.id}", {"slug": slug})

    assert (answer.status, answer.json["slug"], answer.json["name"]) == (200, slug, organization.name)
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["detail"]) == (
        "organization.renamed",
        {"slug": slug, "old_slug": organization.slug},
    )
    theirs = factories.make_organization()
    taken = Caller(factories.make_key(theirs).text).patch(f"/orgs/{theirs.id}", {"slug": organization.slug})
    assert taken.status == 200


def test_a_taken_slug_is_refused(owner: Caller, organization: Organization) -> None:
    answer = owner.patch(f"/orgs/{organization.id}", {"name": "New", "slug": factories.make_organization().slug})

    assert (answer.status, answer.code) == (409, "slug-taken")
    assert owner.get(f"/orgs/{organization.id}").json["name"] == organization.name


def test_of_two_who_claim_a_slug_at_once_exactly_one_gets_it() -> None:
    slug = f"claimed-{uuid.uuid4().hex[:20]}"
    claimers = [factories.make_organization() for _ in range(4)]
    callers = [(Caller(factories.make_key(one).text), one.id) for one in claimers]

    answers = at_once(*[partial(caller.patch, f"/orgs/{place}", {"slug": slug}) for caller, place in callers])

    statuses = sorted(answer.status for answer in answers if isinstance(answer, Answer))
    assert statuses == [200, 409, 409, 409]


@pytest.mark.parametrize("method", ["GET", "PATCH"])
def test_an_outsider_does_not_find_the_organization(
    outsider: Caller, owner: Caller, organization: Organization, method: str
) -> None:
    answer = outsider.call(method, f"/orgs/{organization.id}", {"name": "Mine"} if method == "PATCH" else None)

    assert (answer.status, answer.code) == (404, "not-found")
    assert owner.get(f"/orgs/{organization.id}").json["name"] == organization.name


def test_an_organization_that_is_not_there_looks_like_one_of_others(owner: Caller, organization: Organization) -> None:
    theirs = factories.make_organization()

    problems = [owner.get(f"/orgs/{place}", X_Request_Id="same").json for place in (theirs.id, uuid.uuid4())]

    assert problems[0] == problems[1]


def test_renaming_needs_the_scope(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization, scopes=("orgs:read",)).text)

    answer = caller.patch(f"/orgs/{organization.id}", {"name": "New"})

    assert (answer.status, answer.code) == (403, "scope-missing")
