"""GET and PATCH /me: who a user is, what they prefer, and where they are a member."""

from functools import partial
from typing import Any

import pytest

from accounts.models import User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services.members import add_member
from orgs.services.users import MAX_PREFERENCES_BYTES
from tests import factories
from tests.factories import Answer, Caller
from tests.statements import at_once, system_rows

TRAIL = "SELECT actor, organization_id, detail::text FROM audit_entry WHERE subject_id = %s AND action = 'user.changed'"


def place(organization: Organization, role: str) -> dict[str, Any]:
    return {"id": str(organization.id), "name": organization.name, "slug": organization.slug, "role": role}


def test_a_user_sees_their_profile(me: Caller, user: User) -> None:
    answer = me.get("/me")

    profile = {"id": str(user.id), "email": user.email, "display_name": "Ada", "external_id": None}
    assert (answer.json["user"], answer.json["preferences"], answer.headers["ETag"]) == (profile, {}, '"1"')


def test_a_user_sees_all_of_their_organizations_newest_first(me: Caller, user: User, home: Organization) -> None:
    other = factories.make_organization()
    with tenancy.system():
        add_member(other, user, role=Role.MEMBER, actor="test")

    assert me.get("/me").json["memberships"] == [place(other, "member"), place(home, "owner")]


def test_a_key_that_acts_as_no_user_sees_no_profile(agent: Caller) -> None:
    answer = agent.get("/me")

    assert [answer.json[name] for name in ("user", "preferences", "memberships")] == [None] * 3
    assert "ETag" not in answer.headers


def test_a_user_changes_their_name(me: Caller) -> None:
    answer = me.patch("/me", {"display_name": " Ada Lovelace "})

    assert (answer.status, answer.headers["ETag"]) == (200, '"2"')
    assert answer.json == me.get("/me").json
    assert answer.json["user"]["display_name"] == "Ada Lovelace"


def test_preferences_are_merged(me: Caller) -> None:
    me.patch("/me", {"preferences": {"locale": "en", "theme": "dark"}})

    answer = me.patch("/me", {"preferences": {"theme": None, "time_zone": "UTC"}})

    assert answer.json["preferences"] == {"locale": "en", "time_zone": "UTC"}
    assert answer.headers["ETag"] == '"3"'


@pytest.mark.parametrize("body", [{}, {"display_name": "Ada"}, {"preferences": {"theme": None}}])
def test_what_stays_as_it_was_is_no_change(body: dict[str, Any], me: Caller, user: User) -> None:
    answer = me.patch("/me", body)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert system_rows(TRAIL, str(user.id)) == []


@pytest.mark.parametrize(
    "body",
    [
        {"email": "new@example.com"},
        {"external_id": "user123"},
        {"display_name": None},
        {"display_name": "x" * 201},
        {"preferences": None},
        {"preferences": []},
    ],
)
def test_what_a_user_may_not_change_of_themselves_is_refused(body: dict[str, Any], me: Caller) -> None:
    before = me.get("/me").json

    answer = me.patch("/me", body)

    assert (answer.status, answer.code) == (422, "invalid")
    assert me.get("/me").json == before


def test_preferences_that_grow_too_large_are_refused(me: Caller) -> None:
    half = "x" * (MAX_PREFERENCES_BYTES // 2)
    me.patch("/me", {"preferences": {"a": half}})

    answer = me.patch("/me", {"preferences": {"b": half}})

    assert (answer.status, answer.code) == (413, "preferences-too-large")
    assert me.get("/me").json["preferences"] == {"a": half}


def test_concurrent_patches_of_preferences_all_land(me: Caller) -> None:
    answers = at_once(*(partial(me.patch, "/me", {"preferences": {f"{one}": one}}) for one in range(8)))

    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * 8
    read = me.get("/me")
    assert (read.json["preferences"], read.headers["ETag"]) == ({f"{one}": one for one in range(8)}, '"9"')


def test_a_change_is_in_the_trail_by_the_names_of_its_fields(me: Caller, user: User) -> None:
    me.patch("/me", {"display_name": "Countess", "preferences": {"theme": "dark"}})

    detail = '{"fields": ["display_name", "preferences"]}'
    assert system_rows(TRAIL, str(user.id)) == [(f"user:{user.id}", None, detail)]


@pytest.mark.parametrize("change", [{"email": "ada-{}@example.com"}, {"external_id": "{}"}, {"display_name": "A {}"}])
def test_whoever_changes_what_is_shown_makes_a_generation(change: dict[str, str], me: Caller, user: User) -> None:
    with tenancy.system():
        User.objects.filter(id=user.id).update(**{name: text.format(user.id) for name, text in change.items()})

    assert me.get("/me").headers["ETag"] == '"2"'


def test_what_is_not_shown_makes_no_generation(me: Caller, user: User) -> None:
    with tenancy.system():
        user.set_password("correct horse battery staple")
        user.save()

    assert me.get("/me").headers["ETag"] == '"1"'


def test_nobody_else_counts_generations(me: Caller, user: User) -> None:
    with tenancy.system():
        User.objects.filter(id=user.id).update(generation=7)

    assert me.get("/me").headers["ETag"] == '"1"'


def test_a_user_who_was_read_earlier_is_saved_without_what_is_theirs_alone(me: Caller, user: User) -> None:
    me.patch("/me", {"preferences": {"theme": "dark"}})

    with tenancy.system():
        user.is_staff = True
        user.save()

    assert (me.get("/me").json["preferences"], me.get("/me").headers["ETag"]) == ({"theme": "dark"}, '"2"')
