"""Verbs that mint and revoke API keys."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import transaction

from accounts.models import User
from audit.models import Action
from orgs import keys, limits, tenancy
from orgs.authentication import confirm, find_place, forget
from orgs.keys import Environment
from orgs.models import Agent, APIKey, Membership, Organization
from orgs.permissions import including, scopes_of_role
from orgs.principals import Principal
from orgs.services.key_policy import ENDLESS, End, check_expiry, lock_policy, named_end, new_end
from orgs.services.key_powers import check_environment, check_identity, check_role, check_scopes
from orgs.services.recording import expect, note


class UnknownReference(Exception):
    """Raised when something is named that the organization does not have: an agent, a context, a member."""


@dataclass(frozen=True)
class MintedKey:
    """A new key with the text that is shown once."""

    row: APIKey
    text: str


def create_api_key(
    principal: Principal,
    *,
    name: str,
    scopes: Iterable[str],
    agent_id: uuid.UUID | None = None,
    user_id: uuid.UUID | None = None,
    environment: str | None = None,
    expires_at: datetime | None = None,
    now: datetime,
) -> MintedKey:
    """Create a key of the caller's organization, at most as powerful as the caller's own.

    With an agent or a user the key acts as them, else as itself; without an environment it has the caller's. It never
    outlives an end that somebody named for the caller's key, but does outlive the caller's leaving unless it acts as
    them: it is the organization's.
    A token ends within hours and is renewed: what its user makes is not bound to it. `owner_id` and the audit entry
    keep who made it.
    Raises ScopeMissing, EnvironmentRefused, InvalidExpiry, UnknownReference, LimitReached, KeyRevoked, KeyExpired,
    UserUnknown.
    """
    wanted, environment = sorted(set(scopes)), environment or principal.environment
    check_scopes(principal, wanted)
    check_environment(principal, environment)
    with tenancy.organization(principal.organization_id):
        organization = lock_policy(principal.organization_id)
        own = confirm(principal, now)
        bound = named_end(own)
        if expires_at is not None:
            check_expiry(organization, expires_at, bound=bound, now=now)
        _check_bearer(principal, agent_id, user_id, wanted)
        return mint(
            organization,
            name=name,
            scopes=wanted,
            environment=environment,
            actor=principal.actor,
            owner_id=principal.actor_id,
            agent_id=agent_id,
            user_id=user_id,
            end=new_end(organization, now, expires_at, bound),
            made_with=principal.key_id,
        )


def _check_bearer(
    principal: Principal, agent_id: uuid.UUID | None, user_id: uuid.UUID | None, scopes: list[str]
) -> None:
    if agent_id is not None:
        _hold_agent(principal.organization_id, agent_id)
    if user_id is not None:
        place = find_place(principal.organization_id, user_id)
        if place is None:
            raise UnknownReference("The organization has no such member.")
        check_identity(principal, place, scopes)
        check_role(place, scopes)


def revoke_api_key(principal: Principal, row_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Revoke a key of the caller's organization for good, also one more powerful; revoking it again changes nothing.

    Raises APIKey.DoesNotExist, PreconditionFailed, EnvironmentRefused, ScopeMissing, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        lock_policy(principal.organization_id)
        lock_with_own(principal, row_id, now)
        row = APIKey.objects.get(organization_id=principal.organization_id, id=row_id)
        expect(row, expected)
        check_environment(principal, row.environment)
        mark_revoked(row, actor=principal.actor, now=now)


def revoke_own_key(
    principal: Principal, row_id: uuid.UUID, *, user_id: uuid.UUID, expected: list[int] | None, now: datetime
) -> None:
    """Do the same to a key of the calling user, at most as powerful as the calling one.

    What the user's role takes from a key does not count.
    """
    with tenancy.organization(principal.organization_id):
        lock_policy(principal.organization_id)
        lock_with_own(principal, row_id, now)
        row = APIKey.objects.get(organization_id=principal.organization_id, user_id=user_id, id=row_id)
        expect(row, expected)
        check_environment(principal, row.environment)
        check_scopes(principal, including(row.scopes) & scopes_of_role(principal.role or ""))
        mark_revoked(row, actor=principal.actor, now=now)


def lock_with_own(principal: Principal, row_id: uuid.UUID, now: datetime) -> APIKey | None:
    """Lock a key and the caller's own, in the order of their ids, after the organization; return the caller's.

    Raises what `confirm` does.
    """
    both = APIKey.objects.filter(organization_id=principal.organization_id, id__in=[row_id, principal.key_id])
    list(both.order_by("id").select_for_update().values("id"))
    return confirm(principal, now)


def mark_revoked(row: APIKey, *, actor: str, now: datetime) -> None:
    """Revoke a locked key inside the open scope; this process refuses it as soon as that commits."""
    if row.revoked_at is None:
        row.revoked_at = now
        row.save_change("revoked_at")
        note(Action.API_KEY_REVOKED, row, actor)
        transaction.on_commit(lambda: forget(row.key_id))


def issue_operator_key(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    environment: str = Environment.PRODUCTION,
    user: User | None = None,
    agent: Agent | None = None,
    expires_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> MintedKey:
    """Create a key for an operator, in the system scope. Raises InvalidExpiry, UnknownReference."""
    with tenancy.system():
        organization = lock_policy(organization.id)
        if expires_at is not None:
            check_expiry(organization, expires_at, now=now)
        if user and not Membership.objects.filter(organization=organization, user=user).exists():
            raise UnknownReference("This user is not a member of the organization.")
        if agent:
            _hold_agent(organization.id, agent.id)
        return mint(
            organization,
            name=name,
            scopes=sorted(set(scopes)),
            environment=environment,
            actor=actor,
            owner_id=organization.owner_id,
            user=user,
            agent=agent,
            end=new_end(organization, now, expires_at),
        )


def _hold_agent(organization_id: uuid.UUID, agent_id: uuid.UUID) -> None:
    """Lock the agent against its deletion, which would else be met only at the commit, as a broken foreign key."""
    agents = Agent.objects.filter(organization_id=organization_id, id=agent_id)
    if not agents.select_for_update(no_key=True).values("id"):
        raise UnknownReference("The organization has no such agent.")


def mint(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    environment: str = Environment.PRODUCTION,
    end: End = ENDLESS,
    actor: str,
    owner_id: uuid.UUID,
    made_with: uuid.UUID | None = None,
    replaces: APIKey | None = None,
    **bearer: Any,
) -> MintedKey:
    if replaces is None:
        # Who replaces a key has locked the organization before it, and takes the place that the old one had.
        limits.hold(organization.id, "api_keys")
    made = keys.generate(keys.PREFIXES[environment])
    row = APIKey.objects.create(
        organization=organization,
        owner_id=owner_id,
        key_id=made.key_id,
        digest=made.digest,
        name=name,
        scopes=list(scopes),
        environment=environment,
        expires_at=end.at,
        ends_by_policy=end.by_policy,
        replaces=replaces,
        **bearer,
    )
    facts = {"made_with": str(made_with)} if made_with else {}
    if replaces is not None:
        facts["replaces"] = str(replaces.id)
    action = Action.API_KEY_CREATED if replaces is None else Action.API_KEY_ROTATED
    note(action, row, actor, scopes=row.scopes, environment=row.environment, **facts)
    return MintedKey(row, made.text)
