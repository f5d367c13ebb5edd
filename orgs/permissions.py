"""Scopes: what a key may do, as `resource:level`. A level includes the ones below it."""

from collections.abc import Callable, Iterable
from enum import StrEnum
from typing import Any, TypeVar

from api.requests import BodyLimit, BodyTooLarge

F = TypeVar("F", bound=Callable[..., Any])


class Scope(StrEnum):
    """Every scope there is. `admin` includes `write`, `write` includes `read`, of the same resource."""

    ME_READ = "me:read"
    ME_WRITE = "me:write"
    ME_ADMIN = "me:admin"
    ORGS_READ = "orgs:read"
    ORGS_WRITE = "orgs:write"
    ORGS_ADMIN = "orgs:admin"
    MEMBERS_READ = "members:read"
    MEMBERS_WRITE = "members:write"
    MEMBERS_ADMIN = "members:admin"
    AGENTS_READ = "agents:read"
    AGENTS_WRITE = "agents:write"
    AGENTS_ADMIN = "agents:admin"
    API_KEYS_READ = "api-keys:read"
    API_KEYS_WRITE = "api-keys:write"
    API_KEYS_ADMIN = "api-keys:admin"
    SESSIONS_READ = "sessions:read"
    SESSIONS_WRITE = "sessions:write"
    SESSIONS_ADMIN = "sessions:admin"
    TASKS_READ = "tasks:read"
    TASKS_WRITE = "tasks:write"
    TASKS_ADMIN = "tasks:admin"
    CACHE_READ = "cache:read"
    CACHE_WRITE = "cache:write"
    CACHE_ADMIN = "cache:admin"
    RATE_LIMITS_READ = "rate-limits:read"
    RATE_LIMITS_WRITE = "rate-limits:write"
    RATE_LIMITS_ADMIN = "rate-limits:admin"
    LOCKS_READ = "locks:read"
    LOCKS_WRITE = "locks:write"
    LOCKS_ADMIN = "locks:admin"
    QUEUES_READ = "queues:read"
    QUEUES_WRITE = "queues:write"
    QUEUES_ADMIN = "queues:admin"
    AUDIT_READ = "audit:read"
    AUDIT_WRITE = "audit:write"
    AUDIT_ADMIN = "audit:admin"


LEVELS = ("read", "write", "admin")
EVERYTHING = tuple(scope.value for scope in Scope if scope.endswith(":admin"))
# What a user may do in an organization, by their role there: the bound of every key that acts as them. An admin may do
# all but what is about the organization as a whole: to transfer it, to delete it, to make and unmake owners.
ROLE_SCOPES: dict[str, tuple[str, ...]] = {
    "owner": EVERYTHING,
    "admin": (Scope.ORGS_WRITE, *(scope for scope in EVERYTHING if scope != Scope.ORGS_ADMIN)),
    "member": (
        *(Scope.ME_ADMIN, Scope.ORGS_READ, Scope.AGENTS_READ, Scope.SESSIONS_WRITE, Scope.TASKS_WRITE),
        *(Scope.CACHE_WRITE, Scope.RATE_LIMITS_WRITE, Scope.LOCKS_WRITE, Scope.QUEUES_WRITE),
    ),
}


class ScopeMissing(Exception):
    """Raised when a key lacks the scope that an operation declares, or would grant more than it holds."""


def including(scopes: Iterable[str]) -> frozenset[str]:
    """Return the scopes and all that they include; unknown ones (of a newer release) grant nothing."""
    found: set[str] = set()
    for scope in scopes:
        resource, _, level = scope.partition(":")
        if level in LEVELS:
            found |= {f"{resource}:{lower}" for lower in LEVELS[: LEVELS.index(level) + 1]}
    return frozenset(found)


def is_personal(scope: str) -> bool:
    """Tell whether a scope is a person's own power, which reaches all of their organizations."""
    return scope.partition(":")[0] == "me"


def scopes_of_role(role: str) -> frozenset[str]:
    """Return all that a role may do; one that is unknown (of a newer release) may do nothing."""
    return including(ROLE_SCOPES.get(role, ()))


def requires(scope: Scope) -> Callable[[F], F]:
    """Declare the scope that an operation needs; the gate checks it before anything else of the call is read."""

    def declare(operation: F) -> F:
        operation.required_scope = scope  # type: ignore[attr-defined]
        return operation

    return declare


def any_key(operation: F) -> F:
    """Declare that every valid key may call an operation, whatever its scopes."""
    operation.required_scope = None  # type: ignore[attr-defined]
    return operation


def of_users(operation: F) -> F:
    """Declare that an operation is about the user who calls: it is refused to a key that acts as none."""
    operation.user_required = True  # type: ignore[attr-defined]
    return operation


def across_organizations(operation: F) -> F:
    """Declare that an operation works in the system scope, also where its answer is kept for an Idempotency-Key.

    Where it makes another organization, it says in `request.made_for` which, and whose it is.
    """
    operation.across_organizations = True  # type: ignore[attr-defined]
    return operation


def optional_key(operation: F) -> F:
    """Declare that a public operation takes a key where one is sent: it tells who the caller is."""
    operation.required_scope = None  # type: ignore[attr-defined]
    operation.optional_key = True  # type: ignore[attr-defined]
    return operation


def body_limit(size: int, refusal: type[BodyTooLarge] = BodyTooLarge) -> Callable[[F], F]:
    """Declare the largest body, in bytes, that an operation takes (1 MiB where nothing is declared).

    `refusal` is raised for a larger one: a class of its own has its own problem.
    """

    def declare(operation: F) -> F:
        operation.body_limit = BodyLimit(size, refusal)  # type: ignore[attr-defined]
        return operation

    return declare


def proof(prove: Callable[[Any], None]) -> Callable[[F], F]:
    """Declare what is proven once the body is read, before the transaction that an Idempotency-Key opens.

    What `prove` counts thereby stays counted, also when the work is refused and all of its transaction is taken back.
    """

    def declare(operation: F) -> F:
        operation.prove = prove  # type: ignore[attr-defined]
        return operation

    return declare


def precheck(check: Callable[[], None]) -> Callable[[F], F]:
    """Declare what must hold before an operation's body is looked at; `check` raises where it does not."""

    def declare(operation: F) -> F:
        operation.precheck = check  # type: ignore[attr-defined]
        return operation

    return declare


def limited_by(*names: str) -> Callable[[F], F]:
    """Declare the limits of its own that an operation has (coordination/api_limits/table.py), beside its caller's."""

    def declare(operation: F) -> F:
        operation.limited_by = names  # type: ignore[attr-defined]
        return operation

    return declare
