"""GET, PUT and PATCH /me/settings: one document of the user's own, in whichever organization they call from."""

import threading
from collections import Counter
from functools import partial

import pytest

from accounts.models import User
from api.requests import MIB
from orgs import tenancy
from orgs.models import Membership, Organization, Role
from tests import factories
from tests.accounts.stores import load, store
from tests.factories import Answer, Caller
from tests.statements import at_once, elsewhere, rows, system_rows, wait_until_someone_waits

PATH = "/me/settings"
WRITERS = 8
TRAIL = "SELECT action, actor, organization_id, detail::text FROM audit_entry WHERE subject_id = %s ORDER BY id"


def test_settings_that_were_never_stored_are_empty(me: Caller) -> None:
    answer = me.get(PATH)

    assert (answer.status, answer.json, answer.headers["ETag"]) == (200, {}, '"0"')


def test_settings_are_what_was_put(me: Caller) -> None:
    written = me.put(PATH, {"language": "en", "nothing": None})

    read = me.get(PATH)
    assert (written.status, written.json, written.headers["ETag"]) == (200, {"language": "en", "nothing": None}, '"1"')
    assert (read.json, read.headers["ETag"]) == (written.json, '"1"')


def test_settings_keep_the_numbers_to_the_digit(me: Caller) -> None:
    raw = b'{"a":12345678901234567890123,"b":0.10,"c":1e-300}'

    me.put(PATH, raw)

    assert b'"a":12345678901234567890123,"b":0.10' in me.get(PATH).raw


def test_settings_are_the_same_in_each_of_the_users_organizations(me: Caller, user: User) -> None:
    elsewhere_too = Caller(factories.make_key(factories.make_organization(user), user=user).text)

    me.put(PATH, {"language": "en"})

    assert elsewhere_too.get(PATH).json == {"language": "en"}


def test_settings_are_the_ones_that_programs_store(me: Caller, user: User) -> None:
    store(user.id, {"temperature": 0.1})
    me.patch(PATH, {"language": "en"})

    assert load(user.id) == {"temperature": 0.1, "language": "en"}


@pytest.mark.parametrize("role", Role)
def test_nobody_else_reads_settings(role: Role, me: Caller, home: Organization) -> None:
    other = Caller(factories.make_key(home, user=factories.make_member(home, role)).text)
    me.put(PATH, {"language": "en"})

    assert other.get(PATH).json == {}


def test_an_agent_has_no_settings(agent: Caller) -> None:
    answer = agent.get(PATH)

    assert (answer.status, answer.code) == (403, "user-required")


def test_a_patch_is_merged(me: Caller) -> None:
    me.put(PATH, {"language": "en", "agent": {"steps": 5, "tools": ["shell"]}})

    answer = me.patch(PATH, {"language": None, "agent": {"steps": 6}})

    assert answer.json == me.get(PATH).json == {"agent": {"steps": 6, "tools": ["shell"]}}


def test_the_first_patch_is_merged_into_nothing(me: Caller) -> None:
    answer = me.patch(PATH, {"language": "en", "theme": None})

    assert (answer.json, answer.headers["ETag"]) == ({"language": "en"}, '"1"')


def test_a_known_copy_is_not_sent_again(me: Caller) -> None:
    assert me.get(PATH, If_None_Match='"0"').status == 304


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("condition", [{"If_None_Match": "*"}, {"If_Match": '"0"'}, {"If_None_Match": '"1"'}])
def test_a_first_write_may_ask_that_there_are_none(method: str, condition: dict[str, str], me: Caller) -> None:
    first = me.call(method, PATH, {"a": 1}, **condition)
    second = me.call(method, PATH, {"a": 2}, **condition)

    assert (first.status, second.status, second.code) == (200, 412, "precondition-failed")
    assert me.get(PATH).json == {"a": 1}


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_conditions_that_contradict_each_other_are_not_met(method: str, me: Caller) -> None:
    assert me.call(method, PATH, {}, If_None_Match="*", If_Match='"1"').status == 412


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("ruled_out", [{}, {"If_None_Match": "*"}, {"If_None_Match": '"1"'}])
def test_a_write_of_what_is_there_is_not_the_first(method: str, ruled_out: dict[str, str], me: Caller) -> None:
    answer = me.call(method, PATH, {"a": 1}, If_Match="*", **ruled_out)

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert me.get(PATH).headers["ETag"] == '"0"'


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
@pytest.mark.parametrize("ruled_out", [{}, {"If_None_Match": '"7"'}])
def test_a_write_of_what_is_there_is_made_once_something_is(method: str, ruled_out: dict[str, str], me: Caller) -> None:
    me.put(PATH, {"a": 1})

    answer = me.call(method, PATH, {"a": 2}, If_Match="*", **ruled_out)

    assert (answer.status, answer.json, answer.headers["ETag"]) == (200, {"a": 2}, '"2"')


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_there_cannot_also_be_asked_to_be_missing(method: str, me: Caller) -> None:
    me.put(PATH, {"a": 1})

    assert me.call(method, PATH, {}, If_Match="*", If_None_Match="*").status == 412


def test_concurrent_patches_all_land(me: Caller) -> None:
    answers = at_once(*(partial(me.patch, PATH, {f"{writer}": writer}) for writer in range(WRITERS)))

    assert [answer.status for answer in answers if isinstance(answer, Answer)] == [200] * WRITERS
    read = me.get(PATH)
    assert (read.json, read.headers["ETag"]) == ({f"{writer}": writer for writer in range(WRITERS)}, f'"{WRITERS}"')


def test_of_concurrent_conditional_writes_exactly_one_wins(me: Caller) -> None:
    answers = at_once(*(partial(me.put, PATH, {"winner": writer}, If_Match='"0"') for writer in range(WRITERS)))

    statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
    assert Counter(statuses) == {200: 1, 412: WRITERS - 1}
    assert me.get(PATH).json == {"winner": statuses.index(200)}


def test_a_patch_waits_for_a_program_that_stores(me: Caller, user: User) -> None:
    def hold_and_store() -> None:
        with tenancy.system():
            User.objects.select_for_update(no_key=True).get(id=user.id)
            held.set()
            wait_until_someone_waits()
            system_rows("SELECT * FROM accounts_store_settings(%s, '{\"stored\": true}', NULL)", str(user.id))

    held = threading.Event()

    def patch() -> int:
        held.wait(10)
        return me.patch(PATH, {"patched": True}).status

    _, status = at_once(hold_and_store, patch)

    assert status == 200
    assert me.get(PATH).json == {"stored": True, "patched": True}


def test_settings_of_more_than_a_mebibyte_are_refused(me: Caller) -> None:
    half = "x" * (MIB // 2)
    me.put(PATH, {"a": half})

    answer = me.patch(PATH, {"b": half})

    assert (answer.status, answer.code) == (413, "settings-too-large")
    assert me.get(PATH).json == {"a": half}


@pytest.mark.parametrize("body", [[], "text", 5, None])
def test_settings_that_are_no_object_are_refused(body: object, me: Caller) -> None:
    assert me.put(PATH, b"null" if body is None else body).status == 422


def test_a_write_is_in_the_trail_without_what_was_written(me: Caller, user: User) -> None:
    me.put(PATH, {"key": "sk-1"})

    entries = [row for row in system_rows(TRAIL, str(user.id)) if row[0] == "user.settings-changed"]
    assert entries == [("user.settings-changed", f"user:{user.id}", None, '{"generation": 1}')]


def test_a_refusal_is_in_the_trail_of_the_organization(home: Organization) -> None:
    service = Caller(factories.make_key(home).text)

    service.put(PATH, {})

    sql = "SELECT detail->>'reason' FROM audit_entry WHERE organization_id = %s AND action = 'access.refused'"
    assert system_rows(sql, home.id) == [("This key acts as no user: use one that was made for a user.",)]


def test_the_role_that_serves_tenants_cannot_read_settings(me: Caller, home: Organization) -> None:
    me.put(PATH, {"key": "sk-1"})

    def look() -> None:
        with tenancy.organization(home.id):
            list(Membership.objects.filter(user__settings__generation=1))

    with pytest.raises(Exception, match="permission denied for table accounts_usersettings"):
        elsewhere(look)


def test_outside_of_the_system_scope_there_are_no_settings(me: Caller) -> None:
    me.put(PATH, {"key": "sk-1"})

    assert rows("SELECT * FROM accounts_usersettings") == []
