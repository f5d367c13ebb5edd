"""Every operation of the OpenAPI document, called by an outsider, by a key without its scope, and without a key.

Each test lets the owner make the same call afterwards, so a refusal is never one of a call that could not succeed.
"""

from dataclasses import replace
from typing import Any

import pytest

from config import openapi
from config.api import api
from orgs.permissions import LEVELS, Scope
from tests import factories
from tests.factories import Answer, Caller
from tests.service.calls import CALLS, NAMESPACED, Call, Operation, Scene, operations

PUBLIC = {"accept_invitation", "look_up_invitation", "sign_up"}
# A key may always ask who it is.
ANY_KEY = {"me", "rotate_own_key"}
# What names or makes keys of the calling user.
OF_USERS = {"create_my_key", "get_my_key", "list_my_keys", "revoke_my_key", "rotate_my_key"}
GUARDED = [name for name in sorted(operations()) if name not in PUBLIC]
SCOPED = [name for name in GUARDED if name not in ANY_KEY]
NAMING = [name for name in GUARDED if operations()[name].ids and name not in NAMESPACED]
LISTING = [name for name in GUARDED if operations()[name].lists]
# What a user has in every organization, which no path names.
SETTINGS = {"change_me", "get_settings", "merge_settings", "replace_settings"}
OWN = SETTINGS | {"erase_me", "export_me", "leave", "me"}
# What names nothing of the owner's in its path: each has a test of its own below.
OTHERS = {
    "claim_tasks",
    "create_agent",
    "create_api_key",
    "create_invitation",
    "create_my_key",
    "create_organization",
    "create_session",
    "export_audit_entries",
    "rotate_own_key",
    "submit_task",
} | OWN
REFERENCES = [
    ("claim_tasks", "agent_id"),
    ("create_api_key", "agent_id"),
    ("create_session", "agent_id"),
    ("submit_task", "agent_id"),
    ("submit_task", "context_id"),
]


@pytest.fixture
def scene() -> Scene:
    return Scene()


@pytest.fixture
def stranger() -> Scene:
    return Scene()


def _prepared(name: str, scene: Scene) -> tuple[Operation, Call]:
    assert name in CALLS, f"tests/service/calls.py does not say how {name} is called"
    return operations()[name], CALLS[name](scene)


def _succeeds(answer: Answer) -> bool:
    return 200 <= answer.status < 300


def _without_request_id(answer: Answer) -> dict[str, Any]:
    return {**answer.json, "request_id": None}


def _others(scope: str) -> tuple[str, ...]:
    """Return every scope that can be held without holding this one."""
    resource, _, level = scope.partition(":")
    lower = LEVELS[: LEVELS.index(level)]
    return tuple(one for one in Scope if not one.startswith(f"{resource}:") or one.rpartition(":")[2] in lower)


def test_every_operation_has_an_entry_that_says_how_to_call_it() -> None:
    assert set(operations()) == set(CALLS)


def test_every_operation_is_walked_by_one_test_of_the_outsider() -> None:
    assert sorted([*NAMING, *NAMESPACED, *LISTING, *OTHERS, *PUBLIC]) == sorted(operations())


def test_every_operation_is_in_the_document() -> None:
    assert set(openapi.operations(api)) == set(operations())


@pytest.mark.parametrize("name", sorted(operations()))
def test_every_operation_but_those_that_need_none_declares_a_known_scope(name: str) -> None:
    if name in PUBLIC | ANY_KEY:
        assert operations()[name].scope is None
    else:
        assert operations()[name].scope in set(Scope)


@pytest.mark.parametrize("name", NAMING)
def test_what_an_outsider_names_is_not_found(name: str, scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert (answer.status, answer.code) == (404, "not-found")
    assert scene.snapshot() == before
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", NAMING)
def test_an_outsider_cannot_tell_what_exists_from_what_does_not(name: str, scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared(name, scene)

    foreign, missing = call.by(stranger.owner, operation), call.with_other_ids().by(stranger.owner, operation)

    assert _without_request_id(foreign) == _without_request_id(missing)
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", sorted(NAMESPACED))
def test_an_outsider_who_uses_the_same_names_reaches_nothing_of_the_owners(
    name: str, scene: Scene, stranger: Scene
) -> None:
    operation, call = _prepared(name, scene)
    before = scene.shared()

    answer = call.by(stranger.owner, operation)

    assert answer.status < 500
    assert scene.shared() == before
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", LISTING)
def test_a_listing_holds_nothing_for_an_outsider(name: str, scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared(name, scene)

    seen = call.by(stranger.owner, operation)
    owned = call.by(scene.owner, operation)

    assert (seen.status, owned.status) == (200, 200)
    assert owned.json["items"]
    rows = [{row.get("id") or row["name"] for row in answer.json["items"]} for answer in (seen, owned)]
    assert rows[0].isdisjoint(rows[1])
    assert str(scene.organization.id) not in seen.raw.decode()


@pytest.mark.parametrize(("name", "reference"), REFERENCES)
def test_an_outsider_gets_nothing_by_naming_the_owners_object(
    name: str, reference: str, scene: Scene, stranger: Scene
) -> None:
    operation, call = _prepared(name, scene)
    rest = {field: value for field, value in call.body.items() if not field.endswith("_id") or field == reference}
    named = Call(body=rest)
    before = scene.snapshot(), stranger.snapshot()

    answer = named.by(stranger.owner, operation)

    if name == "claim_tasks":
        assert (answer.status, answer.json) == (200, {"items": []})
    else:
        assert (answer.status, answer.code) == (422, "unknown-reference")
    assert (scene.snapshot(), stranger.snapshot()) == before
    assert _succeeds(named.by(scene.owner, operation))


def test_a_foreign_agent_is_refused_like_one_that_does_not_exist(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("create_session", scene)
    missing = Call(body={**call.body, "agent_id": "01890000-0000-7000-8000-000000000000"})

    answers = [one.by(stranger.owner, operation) for one in (call, missing)]

    assert _without_request_id(answers[0]) == _without_request_id(answers[1])
    assert _succeeds(call.by(scene.owner, operation))


def test_an_outsider_claims_none_of_the_owners_tasks(scene: Scene, stranger: Scene) -> None:
    operation, task_id = operations()["claim_tasks"], scene.task_id
    call = Call(body={"count": 20})

    seen, owned = call.by(stranger.owner, operation), call.by(scene.owner, operation)

    assert seen.json == {"items": []}
    assert [item["task"]["id"] for item in owned.json["items"]] == [task_id]


def test_an_outsiders_invitation_of_the_same_address_leaves_the_owners_alone(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("create_invitation", scene)
    assert _succeeds(call.by(scene.owner, operation))
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert answer.status == 201
    assert scene.snapshot() == before


def test_an_outsiders_agent_of_the_same_slug_leaves_the_owners_alone(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("create_agent", scene)
    assert _succeeds(call.by(scene.owner, operation))
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert answer.status == 201
    assert scene.snapshot() == before


def test_an_outsiders_export_holds_nothing_of_the_owners(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("export_audit_entries", scene)

    seen, owned = (call.by(caller, operation) for caller in (stranger.owner, scene.owner))

    seen_lines, owned_lines = (set(answer.raw.splitlines()) for answer in (seen, owned))
    assert seen_lines
    assert owned_lines
    assert seen_lines.isdisjoint(owned_lines)
    assert str(scene.organization.id) not in seen.raw.decode()


@pytest.mark.parametrize("name", ["create_my_key", "rotate_own_key"])
def test_what_an_outsider_does_to_their_own_keys_leaves_the_owners_alone(
    name: str, scene: Scene, stranger: Scene
) -> None:
    operation, call = _prepared(name, scene)
    scene.owner.get("/me")
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert answer.status == 201
    assert scene.snapshot() == before


def test_an_outsiders_new_organization_leaves_the_owners_alone(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("create_organization", scene)
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert answer.status == 201
    assert scene.snapshot() == before


def test_me_is_the_callers_own_organization(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("me", scene)

    answers = [call.by(caller, operation).json for caller in (stranger.owner, scene.owner)]

    assert [answer["organization"]["id"] for answer in answers] == [
        str(stranger.organization.id),
        str(scene.organization.id),
    ]


def test_an_outsider_who_leaves_leaves_their_own(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("leave", stranger)
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert answer.status == 204
    assert scene.snapshot() == before


@pytest.mark.parametrize("name", sorted(SETTINGS))
def test_an_outsider_reads_and_changes_what_is_their_own(name: str, scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert _succeeds(answer)
    assert "language" not in answer.json or answer.json == call.body
    assert scene.snapshot() == before


def test_an_outsider_erases_nobody_by_naming_the_owner(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("erase_me", scene)
    before = scene.snapshot()

    answer = call.by(stranger.owner, operation)

    assert (answer.status, answer.code) == (403, "confirmation-refused")
    assert scene.snapshot() == before
    assert _succeeds(call.by(scene.owner, operation))


def test_an_outsider_exports_nothing_of_the_owners(scene: Scene, stranger: Scene) -> None:
    operation, call = _prepared("export_me", scene)

    archives = [call.by(caller, operation).raw for caller in (stranger.owner, scene.owner)]

    assert [str(scene.organization.id).encode() in archive for archive in archives] == [False, True]


@pytest.mark.parametrize("name", sorted(OWN - {"me"}))
def test_what_a_user_has_is_refused_to_a_key_that_acts_as_none(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    service = Caller(factories.make_key(scene.organization).text)
    before = scene.snapshot()

    answer = call.by(service, operation)

    assert (answer.status, answer.code) == (403, "user-required")
    assert scene.snapshot() == before


@pytest.mark.parametrize("name", SCOPED)
def test_a_key_lacking_only_the_scope_is_refused(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    lacking = Caller(factories.make_key(scene.organization, scopes=_others(str(operation.scope)), user=scene.user).text)
    before = scene.snapshot()

    answer = call.by(lacking, operation)

    assert (answer.status, answer.code) == (403, "scope-missing")
    assert scene.snapshot() == before
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", SCOPED)
def test_a_key_with_only_the_scope_is_enough(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    bare = Caller(factories.make_key(scene.organization, scopes=(str(operation.scope),), user=scene.user).text)

    answer = call.by(bare, operation)

    assert _succeeds(answer), answer


@pytest.mark.parametrize("scope", Scope)
@pytest.mark.parametrize("name", sorted(ANY_KEY))
def test_what_needs_no_scope_answers_a_key_of_any_scope(name: str, scope: Scope, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    caller = Caller(factories.make_key(scene.organization, scopes=(scope,)).text)

    answer = call.by(caller, operation)

    assert _succeeds(answer), answer
    assert scope in answer.json["scopes"]


@pytest.mark.parametrize("name", sorted(OF_USERS))
def test_what_is_about_a_user_is_refused_to_a_key_that_acts_as_none(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    service = Caller(factories.make_key(scene.organization).text)
    before = scene.snapshot()

    answer = call.by(service, operation)

    assert (answer.status, answer.code) == (403, "user-required")
    assert scene.snapshot()["members"] == before["members"]
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", GUARDED)
def test_a_call_without_a_key_is_refused(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    before = scene.snapshot()

    answer = call.by_nobody(operation)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")
    assert scene.snapshot() == before
    assert _succeeds(call.by(scene.owner, operation))


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_a_public_operation_needs_no_key(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)

    assert _succeeds(call.by_nobody(operation))


@pytest.mark.parametrize("name", [name for name in NAMING if "_id}" in operations()[name].path])
def test_an_id_in_a_path_is_taken_in_either_case(name: str, scene: Scene) -> None:
    operation, call = _prepared(name, scene)
    # An artifact's id is a text of the caller's own.
    upper = {key: value if key == "artifact_id" else value.upper() for key, value in call.ids.items()}

    answer = replace(call, ids=upper).by(scene.owner, operation)

    assert upper != call.ids
    assert _succeeds(answer), answer
