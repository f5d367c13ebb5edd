"""What a caller may hand out: no key makes or renews what is more powerful than itself.

To end a key takes no such power, `api-keys:write` is enough: that is the safe direction, and on a leak the nearest key
must do. Only the environment counts there. Users with `me:write` alone end no key of theirs that is more powerful.
"""

from collections.abc import Iterable

from orgs.keys import Environment
from orgs.models import APIKey, Membership, Role
from orgs.permissions import Scope, ScopeMissing, including, is_personal, scopes_of_role
from orgs.principals import ActorType, Principal


class EnvironmentRefused(Exception):
    """Raised when a key that is not for production would handle a key of another environment."""


def check_scopes(principal: Principal, scopes: Iterable[str]) -> None:
    _refuse_excess(including(scopes) - principal.scopes)


def _refuse_excess(excess: frozenset[str]) -> None:
    if excess:
        raise ScopeMissing(f"The calling key does not hold {', '.join(sorted(excess))} and cannot grant it.")


def check_rotation(principal: Principal, own: APIKey | None, row: APIKey) -> None:
    """Refuse to renew a key that holds more than the calling one.

    Of keys that both act as the calling user, the scopes are compared as they were given: what the user's role takes
    from one it takes from the other. A token holds all that the role allows, now and later.
    """
    if principal.actor_type != ActorType.USER or row.user_id != principal.actor_id:
        check_scopes(principal, row.scopes)
    elif own is not None:
        _refuse_excess(including(row.scopes) - including(own.scopes))


def check_environment(principal: Principal, environment: str) -> None:
    """Keys for production handle all keys, any other those of its own environment: a leak in a test ends none else."""
    if principal.environment not in (Environment.PRODUCTION, environment):
        raise EnvironmentRefused(f"A key for {principal.environment} cannot handle one for {environment}.")


def check_identity(principal: Principal, place: Membership, scopes: Iterable[str]) -> None:
    """Refuse to hand a user's identity to anyone else, but for who administers the organization's keys.

    To act as an owner is to make and unmake owners: of that the caller must be capable too. And the identity is that in
    this organization: what reaches the user's others is handed out by nobody but the user.
    """
    if principal.actor_type == ActorType.USER and principal.actor_id == place.user_id:
        return
    if Scope.API_KEYS_ADMIN not in principal.scopes:
        raise ScopeMissing("A key that acts as another user needs api-keys:admin.")
    if place.role == Role.OWNER and Scope.ORGS_ADMIN not in principal.scopes:
        raise ScopeMissing("A key that acts as an owner needs orgs:admin.")
    personal = sorted(scope for scope in scopes if is_personal(scope))
    if personal:
        raise ScopeMissing(
            f"Only the user themself makes or rotates a key that acts as them and holds {', '.join(personal)}: "
            "it reaches all of their organizations."
        )


def bounded(caller: Principal, scopes: Iterable[str]) -> list[str]:
    """Return what the first key in another organization may hold that a user's key opens for them.

    Everything there is new to them, but of what reaches all of their organizations no more than the calling key has.
    """
    elsewhere = [scope for scope in scopes if not is_personal(scope)]
    held = including(scopes) & caller.scopes
    # In the order of their levels, of which the last includes the others.
    personal = [scope for scope in Scope if is_personal(scope) and scope in held]
    return [*elsewhere, *personal[-1:]]


def check_role(place: Membership, scopes: Iterable[str]) -> None:
    """Refuse scopes that would be without effect: a user's role bounds every key that acts as them."""
    excess = including(scopes) - scopes_of_role(place.role)
    if excess:
        raise ScopeMissing(f"The user's role is {place.role}, which does not include {', '.join(sorted(excess))}.")
