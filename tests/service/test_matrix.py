"""Every operation as the published table has it: which role may call it, and what a key of no user needs for it.

The expectation is read from docs/reference/permissions.md, the outcome from real calls.
"""

import re
from dataclasses import dataclass

import pytest

from orgs.models import Role
from orgs.permissions import LEVELS, ROLE_SCOPES
from tests import factories
from tests.factories import API, Caller
from tests.service.calls import CALLS, Operation, Scene, operations
from tests.service.live import CHECKOUT

PAGE = CHECKOUT / "docs" / "reference" / "permissions.md"
NEEDED = r"(?:`(\S+)`(, of a user)?|(none: [a-z ]+))"
ROW = re.compile(rf"^\| `(\w+) (\S+)` \| {NEEDED} \| (\w+) \| (\w+) \| (\w+) \|$", re.MULTILINE)
ROLE_ROW = re.compile(r"^\| (\w+) \| ((?:`[a-z:-]+`(?:, )?)+) \|$", re.MULTILINE)
PUBLIC, ANY_KEY = "none: public", "none: any valid key"
ROLES = (Role.OWNER, Role.ADMIN, Role.MEMBER)


@dataclass(frozen=True)
class Row:
    """What a call needs, a scope or a reason why none, and which role has it."""

    needed: str
    of_user: bool
    holders: dict[Role, bool]


def _rows() -> dict[str, Row]:
    found = {}
    for method, path, scope, of_user, none, *said in ROW.findall(PAGE.read_text(encoding="utf-8")):
        holders = dict(zip(ROLES, (one == "yes" for one in said), strict=True))
        found[f"{method} {path.removeprefix(API)}"] = Row(scope or none, bool(of_user), holders)
    return found


TABLE = _rows()
NAMES = sorted(operations())


@pytest.fixture(scope="module")
def shared() -> Scene:
    """For reads, and for calls that are to be refused: they leave it as it is."""
    return Scene()


def _row(name: str) -> Row:
    operation = operations()[name]
    return TABLE[f"{operation.method} {operation.path}"]


def _is_allowed(name: str, caller: Caller, scene: Scene) -> bool:
    """Make the call; anything but a refusal is one that was allowed.

    To erase somebody takes their own address: a caller who is let through, and names another's, is told just that.
    """
    operation, call = operations()[name], CALLS[name](scene)
    answer = call.by_nobody(operation) if _row(name).needed == PUBLIC else call.by(caller, operation)
    assert answer.status < 500, answer
    return answer.status not in (401, 403) or answer.code == "confirmation-refused"


def _stage(name: str, expected: bool, shared: Scene) -> Scene:
    return Scene() if expected and operations()[name].method != "GET" else shared


def _lower(scope: str) -> list[str]:
    """Return the scopes of the same resource that are less than this one."""
    resource, _, level = scope.partition(":")
    return [f"{resource}:{lower}" for lower in LEVELS[: LEVELS.index(level)]]


def _service(scene: Scene, *scopes: str) -> Caller:
    return Caller(factories.make_key(scene.organization, scopes=scopes).text)


SCOPED = [name for name in NAMES if not _row(name).needed.startswith("none")]
LOWER = [(name, scope) for name in SCOPED for scope in _lower(_row(name).needed)]


def _path(operation: Operation) -> str:
    return f"{operation.method} {operation.path}"


def test_the_table_has_a_row_for_every_operation_and_no_other() -> None:
    assert sorted(TABLE) == sorted(_path(operation) for operation in operations().values())


def test_the_table_of_roles_is_what_bounds_a_users_keys() -> None:
    rows = ROLE_ROW.findall(PAGE.read_text(encoding="utf-8"))

    assert {role: set(re.findall(r"`(\S+?)`", scopes)) for role, scopes in rows} == {
        role: set(scopes) for role, scopes in ROLE_SCOPES.items()
    }


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("name", NAMES)
def test_a_user_may_call_what_the_table_gives_their_role(name: str, role: Role, shared: Scene) -> None:
    expected = _row(name).holders[role]
    scene = _stage(name, expected, shared)
    user = factories.make_member(scene.organization, role)
    caller = Caller(factories.make_key(scene.organization, user=user).text)

    assert _is_allowed(name, caller, scene) is expected


@pytest.mark.parametrize("name", SCOPED)
def test_a_key_of_no_user_needs_exactly_the_scope_of_the_table(name: str, shared: Scene) -> None:
    expected = not _row(name).of_user
    scene = _stage(name, expected, shared)

    assert _is_allowed(name, _service(scene, _row(name).needed), scene) is expected


@pytest.mark.parametrize(("name", "scope"), LOWER)
def test_a_lower_scope_of_the_same_resource_is_not_enough(name: str, scope: str, shared: Scene) -> None:
    assert not _is_allowed(name, _service(shared, scope), shared)


@pytest.mark.parametrize("name", NAMES)
def test_a_key_without_scopes_may_call_what_the_table_says_needs_none(name: str, shared: Scene) -> None:
    expected = _row(name).needed in (PUBLIC, ANY_KEY)
    scene = _stage(name, expected, shared)

    assert _is_allowed(name, _service(scene), scene) is expected
