"""How many of each thing an organization may have: its own number, or else the installation's.

All of it is counted under the organization's lock, which also begins the one order in which locks are taken, so that
no two transactions wait for each other: the user, where one is locked at all; the organization; keys, by their ids;
memberships, the caller's own first; then the invitation, the agent or whatever else changes. Nobody who holds one of
these takes one from before it. Who comes with an id or a token alone reads without a lock which organization to lock,
locks it, and then reads again.
"""

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from django.conf import settings
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now

from orgs.models import Agent, APIKey, Membership, Organization


class LimitReached(Exception):
    """Raised when one more of something would be more than an organization, or a user, may have."""


@dataclass(frozen=True)
class Limited:
    """Something that is counted. `own` gives the organization's number, null where the setting's default holds."""

    count: Callable[[uuid.UUID], int]
    own: Callable[[Organization], int | None]
    setting: str


@dataclass(frozen=True)
class Usage:
    limit: int
    used: int


_limited: dict[str, Limited] = {}


def register(name: str, limited: Limited) -> None:
    """Have `hold` know what is called `name`, and `usages` list it; apps above do so once they are ready."""
    _limited[name] = limited


def lock(organization_id: uuid.UUID) -> Organization:
    """Lock an organization inside the open scope, so that its things are counted one after the other.

    Taken before the lock of anything that it has. One that is being erased is not found.
    """
    return Organization.objects.open().select_for_update(no_key=True).get(id=organization_id)


def hold(organization_id: uuid.UUID, name: str) -> None:
    """Make sure, until the open transaction ends, that there is room for one more; raises LimitReached."""
    usage = _usage(lock(organization_id), _limited[name])
    if usage.used >= usage.limit:
        what = name.replace("_", " ").replace("api keys", "active API keys")
        raise LimitReached(f"The organization may have {usage.limit:,} {what}, and has {usage.used:,}.")


def usages(organization: Organization) -> dict[str, Usage]:
    """Return limit and use of all that is limited, inside the open scope."""
    return {name: _usage(organization, limited) for name, limited in _limited.items()}


def _usage(organization: Organization, limited: Limited) -> Usage:
    own = limited.own(organization)
    return Usage(getattr(settings, limited.setting) if own is None else own, limited.count(organization.id))


def _count_members(organization_id: uuid.UUID) -> int:
    return Membership.objects.filter(organization_id=organization_id).count()


def _count_agents(organization_id: uuid.UUID) -> int:
    return Agent.objects.filter(organization_id=organization_id).count()


def _count_api_keys(organization_id: uuid.UUID) -> int:
    """Count the keys that can be used: those revoked and expired stay listed, for ever.

    Nor does one count whose user has left or was deactivated, or whose successor works: a rotation adds none.
    """
    places = Membership.objects.filter(
        organization_id=organization_id, user_id=OuterRef("user_id"), user__is_active=True
    )
    borne = APIKey.objects.filter(Q(user_id=None) | Exists(places), _living(), organization_id=organization_id)
    return borne.exclude(_living("replaced_by__"), replaced_by__isnull=False).count()


def _living(path: str = "") -> Q:
    unending = Q(**{f"{path}expires_at": None}) | Q(**{f"{path}expires_at__gt": Now()})
    return Q(**{f"{path}revoked_at": None}) & unending


register("members", Limited(_count_members, lambda organization: organization.max_members, "ORG_MAX_MEMBERS"))
register("agents", Limited(_count_agents, lambda organization: organization.max_agents, "ORG_MAX_AGENTS"))
register("api_keys", Limited(_count_api_keys, lambda organization: organization.max_api_keys, "ORG_MAX_API_KEYS"))
