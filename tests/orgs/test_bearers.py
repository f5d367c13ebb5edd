"""Users who come with tokens: who they are, in which organization, and what they may do there."""

import uuid
from threading import Event

import pytest

from accounts.models import User
from accounts.oidc.issuers import EXTERNAL_ID
from accounts.oidc.tokens import TokenExpired
from orgs import bearers, tenancy
from orgs.models import Membership, Organization, Role
from orgs.permissions import scopes_of_role
from orgs.services import members
from tests import factories
from tests.accounts.oidc.local_issuer import LocalIssuer
from tests.factories import Caller
from tests.orgs.tokens import Provider, link, provider
from tests.statements import at_once, audit_of, elsewhere, statements, wait_until_someone_waits


def _set_role(organization: Organization, user: User, role: Role) -> None:
    with tenancy.system():
        membership = Membership.objects.get(organization=organization, user=user)
        members.change_role(membership.id, role=role, actor="test")


def _leave(organization: Organization, user: User) -> None:
    with tenancy.system():
        membership = Membership.objects.get(organization=organization, user=user)
        members.remove_member(membership.id, actor="test")


@pytest.mark.parametrize("role", Role)
def test_a_user_has_the_scopes_of_their_role(taken: Provider, organization: Organization, role: Role) -> None:
    user = factories.make_member(organization, role)

    me = taken.caller(user).get("/me").json

    assert me["organization"]["id"] == str(organization.id)
    assert (me["actor_type"], me["actor_id"], me["api_key_id"]) == ("user", str(user.id), None)
    assert me["role"] == role
    assert me["scopes"] == sorted(scopes_of_role(role))


def test_scopes_in_a_token_change_nothing(taken: Provider, user: User) -> None:
    granted = taken.caller(user, scope="audit:admin tasks:read").get("/me").json["scopes"]

    assert granted == sorted(scopes_of_role(Role.MEMBER))


def test_a_user_may_be_found_by_external_id(issuer: LocalIssuer, organization: Organization, user: User) -> None:
    with tenancy.system():
        User.objects.filter(id=user.id).update(external_id=f"directory-{user.id}")
    token = issuer.token(sub=f"directory-{user.id}")

    with provider(issuer, users=EXTERNAL_ID) as taken:
        answer = taken.bearing(token).get("/me")

    assert answer.json["actor_id"] == str(user.id)


def test_a_link_does_not_count_where_users_are_found_by_external_id(issuer: LocalIssuer, user: User) -> None:
    subject = link(user, issuer.url)

    with provider(issuer, users=EXTERNAL_ID) as taken:
        answer = taken.bearing(issuer.token(sub=subject)).get("/me")

    assert (answer.status, answer.code) == (401, "user-unknown")


def test_the_same_subject_of_another_issuer_is_nobody(taken: Provider, issuer: LocalIssuer, user: User) -> None:
    subject = link(user, "https://other.example")

    answer = taken.bearing(issuer.token(sub=subject)).get("/me")

    assert (answer.status, answer.code) == (401, "user-unknown")


@pytest.mark.parametrize("by", ["id", "slug"])
def test_a_user_of_several_organizations_says_which(
    taken: Provider, organization: Organization, user: User, by: str
) -> None:
    other = factories.make_organization(user)

    answers = [
        taken.caller(user, organization=getattr(one, by)).get("/me").json["organization"]["id"]
        for one in (organization, other)
    ]

    assert answers == [str(organization.id), str(other.id)]


def test_one_who_does_not_is_asked(taken: Provider, organization: Organization, user: User) -> None:
    factories.make_organization(user)

    answer = taken.caller(user).get("/me")

    assert (answer.status, answer.code) == (400, "organization-required")


def test_a_user_of_no_organization_is_told(taken: Provider) -> None:
    answer = taken.caller(factories.make_user()).get("/me")

    assert (answer.status, answer.code) == (400, "organization-required")


@pytest.mark.parametrize("by", ["id", "slug"])
def test_an_organization_of_others_is_not_found(taken: Provider, user: User, by: str) -> None:
    theirs = factories.make_organization()

    answer = taken.caller(user, organization=getattr(theirs, by)).get("/me")

    assert (answer.status, answer.code) == (404, "not-found")
    assert answer.json["detail"] == "Holdfast-Org names no organization that the token's user belongs to."


@pytest.mark.parametrize("by", ["id", "slug"])
def test_one_that_is_not_there_is_answered_as_one_of_others(taken: Provider, user: User, by: str) -> None:
    theirs = factories.make_organization()
    missing = {"id": uuid.uuid4(), "slug": f"no-{uuid.uuid4().hex}"}[by]

    answers = [taken.caller(user, organization=one).get("/me") for one in (getattr(theirs, by), missing)]

    told = [{**answer.json, "request_id": ""} for answer in answers]
    assert [answer.status for answer in answers] == [404, 404]
    assert told[0] == told[1]


def test_what_looks_like_an_id_is_one(taken: Provider, organization: Organization, user: User) -> None:
    with tenancy.system():
        impostor = factories.make_organization(user)
        Organization.objects.filter(id=impostor.id).update(slug=str(organization.id))

    answer = taken.caller(user, organization=organization.id).get("/me")

    assert answer.json["organization"]["id"] == str(organization.id)


@pytest.mark.parametrize("header", ["", "a,b", "x" * 64, "a b", "é", "../x", "'"])
def test_a_name_that_is_none_is_refused(taken: Provider, user: User, owner: Caller, header: str) -> None:
    answers = [caller.get("/me", Holdfast_Org=header) for caller in (taken.caller(user), owner)]

    assert [(answer.status, answer.code) for answer in answers] == [(400, "invalid-header")] * 2


@pytest.mark.parametrize("by", ["id", "slug"])
def test_a_key_may_name_its_organization(organization: Organization, owner: Caller, by: str) -> None:
    assert owner.get("/me", Holdfast_Org=str(getattr(organization, by))).status == 200


@pytest.mark.parametrize("by", ["id", "slug"])
def test_a_key_that_names_another_is_refused(organization: Organization, owner: Caller, by: str) -> None:
    theirs = factories.make_organization()

    answer = owner.get("/me", Holdfast_Org=str(getattr(theirs, by)))

    assert (answer.status, answer.code) == (403, "organization-mismatch")
    assert audit_of(organization)[-1]["action"] == "access.refused"


def test_what_a_user_makes_is_theirs(taken: Provider, organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)

    made = taken.caller(user).post("/agents", {"name": "Made", "slug": "made"}).json

    assert made["owner_id"] == str(user.id)
    assert audit_of(organization)[-1]["actor"] == f"user:{user.id}"


def test_a_lack_of_scope_is_audited_as_the_user_s(taken: Provider, organization: Organization, user: User) -> None:
    answer = taken.caller(user).get("/audit")

    entry = audit_of(organization)[-1]
    assert (answer.status, answer.code) == (403, "scope-missing")
    assert (entry["action"], entry["actor"]) == ("access.refused", f"user:{user.id}")


def test_a_deactivated_user_is_refused_and_audited(taken: Provider, organization: Organization, user: User) -> None:
    caller = taken.caller(user)
    with tenancy.system():
        User.objects.filter(id=user.id).update(is_active=False)

    answer = caller.get("/me")

    entry = audit_of(organization)[-1]
    assert (answer.status, answer.code) == (401, "user-unknown")
    assert (entry["action"], entry["actor"]) == ("access.refused", f"user:{user.id}")


def test_a_warm_token_costs_no_statement_of_its_own(taken: Provider, user: User) -> None:
    caller = taken.caller(user)
    task = factories.submit_task(caller)

    with statements() as sent:
        caller.get(f"/tasks/{task['id']}")

    assert [sql.partition("(")[0].split()[-1] for sql in sent] == ["tasks_get"]


def test_a_token_is_not_believed_past_its_end(taken: Provider, user: User) -> None:
    caller = taken.caller(user)
    assert caller.get("/me").status == 200
    (key,) = [key for key, known in bearers._known.items() if known.principal.actor_id == user.id]
    known = bearers._known[key]

    with pytest.raises(TokenExpired):
        bearers.authenticate_token(caller.key, key[1], now=known.good_until)


def test_a_user_who_left_is_refused_at_once(taken: Provider, organization: Organization, user: User) -> None:
    caller = taken.caller(user, organization=organization.id)
    assert caller.get("/me").status == 200

    _leave(organization, user)

    assert caller.get("/me").code == "not-found"


def test_a_demotion_is_felt_at_once(taken: Provider, organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = taken.caller(user)
    assert caller.get("/audit").status == 200

    _set_role(organization, user, Role.MEMBER)

    assert caller.get("/audit").code == "scope-missing"


def test_a_second_place_is_felt_at_once(taken: Provider, organization: Organization, user: User) -> None:
    caller = taken.caller(user)
    assert caller.get("/me").status == 200

    factories.make_organization(user)

    assert caller.get("/me").code == "organization-required"


def test_what_a_user_was_answered_is_answered_again_to_their_next_token(taken: Provider, user: User) -> None:
    body = {"message": factories.text_message()}
    first, second = (taken.caller(user, jti=name).post("/tasks", body, Idempotency_Key="one") for name in "ab")

    assert first.json == second.json
    assert second.headers["Idempotency-Replayed"] == "true"


def test_nobody_else_is_answered_so(taken: Provider, organization: Organization, user: User) -> None:
    other = factories.make_member(organization)
    body = {"message": factories.text_message()}

    made = [taken.caller(one).post("/tasks", body, Idempotency_Key="one").json["id"] for one in (user, other)]

    assert made[0] != made[1]


def test_a_user_makes_a_key_no_more_powerful_than_their_role(taken: Provider, organization: Organization) -> None:
    caller = taken.caller(factories.make_member(organization, Role.ADMIN))

    made = caller.post("/api-keys", {"name": "deployment", "scopes": ["tasks:write"]})
    refused = caller.post("/api-keys", {"name": "deployment", "scopes": ["orgs:admin"]})

    assert made.status == 201
    assert Caller(made.json["key"]).get("/tasks").status == 200
    assert (refused.status, refused.code) == (403, "scope-missing")


def test_a_user_who_left_makes_no_key_while_they_are_still_believed(
    taken: Provider, organization: Organization
) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = taken.caller(user, organization=organization.id)
    assert caller.get("/me").status == 200
    with tenancy.system():
        Membership.objects.filter(organization=organization, user=user).delete()

    answer = caller.post("/api-keys", {"name": "parting gift", "scopes": ["tasks:read"]})

    assert (answer.status, answer.code) == (401, "user-unknown")


def test_a_user_who_was_demoted_makes_no_key_while_they_are_still_believed(
    taken: Provider, organization: Organization
) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = taken.caller(user)
    assert caller.get("/audit").status == 200
    with tenancy.system():
        Membership.objects.filter(organization=organization, user=user).update(role=Role.MEMBER)

    answer = caller.post("/api-keys", {"name": "parting gift", "scopes": ["audit:read"]})

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_a_key_waits_for_the_leaving_of_who_makes_it(taken: Provider, organization: Organization) -> None:
    user = factories.make_member(organization, Role.ADMIN)
    caller = taken.caller(user, organization=organization.id)
    assert elsewhere(lambda: caller.get("/me").status) == 200

    locked = Event()

    def leave() -> int:
        with tenancy.system():
            Membership.objects.select_for_update().get(organization=organization, user=user)
            locked.set()
            wait_until_someone_waits()
            Membership.objects.filter(organization=organization, user=user).delete()
        return 0

    def make() -> int:
        assert locked.wait(10)
        return caller.post("/api-keys", {"name": "parting gift", "scopes": ["tasks:read"]}).status

    assert sorted(at_once(leave, make), key=str) == [0, 401]
