"""Verbs that mint and revoke API keys."""

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction

from accounts.models import User
from audit.models import Action
from orgs import keys, tenancy
from orgs.authentication import confirm, forget
from orgs.models import Agent, APIKey, Membership, Organization
from orgs.permissions import ScopeMissing, including
from orgs.principals import Principal
from orgs.services.recording import expect, note

MAX_KEY_LIFETIME = timedelta(days=3650)


class InvalidExpiry(Exception):
    """Raised when a key would expire in the past or in more than ten years."""


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
    expires_at: datetime | None = None,
    now: datetime,
) -> MintedKey:
    """Create a key of the caller's organization, at most as powerful as the caller's own.

    With an agent the key acts as that agent, else as itself; it never outlives the caller's key, but does outlive the
    caller's leaving: it is the organization's. `owner_id` and the audit entry keep who made it.
    Raises ScopeMissing, InvalidExpiry, UnknownReference, KeyRevoked, KeyExpired, UserUnknown.
    """
    wanted = sorted(set(scopes))
    excess = including(wanted) - principal.scopes
    if excess:
        raise ScopeMissing(f"The calling key does not hold {', '.join(sorted(excess))} and cannot grant it.")
    _check_expiry(expires_at, now)
    with tenancy.organization(principal.organization_id):
        own = confirm(principal, now)
        # A token ends within hours and is renewed: what its user makes is not bound to it.
        own_expiry = own.expires_at if own else None
        if own_expiry is not None and (expires_at or own_expiry) > own_expiry:
            raise InvalidExpiry("A key cannot make one that outlives it.")
        if agent_id is not None:
            _hold_agent(principal.organization_id, agent_id)
        organization = Organization.objects.get(id=principal.organization_id)
        return mint(
            organization,
            name=name,
            scopes=wanted,
            actor=principal.actor,
            owner_id=principal.actor_id,
            agent_id=agent_id,
            expires_at=expires_at or own_expiry,
            made_with=principal.key_id,
        )


def revoke_api_key(principal: Principal, row_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Revoke a key of the caller's organization for good; revoking it again changes nothing.

    Raises APIKey.DoesNotExist, PreconditionFailed.
    """
    with tenancy.organization(principal.organization_id):
        row = APIKey.objects.select_for_update().get(organization_id=principal.organization_id, id=row_id)
        expect(row, expected)
        mark_revoked(row, actor=principal.actor, now=now)


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
    user: User | None = None,
    agent: Agent | None = None,
    expires_at: datetime | None = None,
    actor: str,
    now: datetime,
) -> MintedKey:
    """Create a key for an operator, in the system scope. Raises InvalidExpiry, UnknownReference."""
    _check_expiry(expires_at, now)
    with tenancy.system():
        if user and not Membership.objects.filter(organization=organization, user=user).exists():
            raise UnknownReference("This user is not a member of the organization.")
        if agent:
            _hold_agent(organization.id, agent.id)
        return mint(
            organization,
            name=name,
            scopes=sorted(set(scopes)),
            actor=actor,
            owner_id=organization.owner_id,
            user=user,
            agent=agent,
            expires_at=expires_at,
        )


def _hold_agent(organization_id: uuid.UUID, agent_id: uuid.UUID) -> None:
    """Lock the agent against its deletion, which would else be met only at the commit, as a broken foreign key."""
    agents = Agent.objects.filter(organization_id=organization_id, id=agent_id)
    if not agents.select_for_update(no_key=True).values("id"):
        raise UnknownReference("The organization has no such agent.")


def _check_expiry(expires_at: datetime | None, now: datetime) -> None:
    if expires_at is not None and not now < expires_at <= now + MAX_KEY_LIFETIME:
        raise InvalidExpiry("expires_at must lie in the future, at most ten years from now.")


def mint(
    organization: Organization,
    *,
    name: str,
    scopes: Iterable[str],
    actor: str,
    owner_id: uuid.UUID,
    made_with: uuid.UUID | None = None,
    **bearer: Any,
) -> MintedKey:
    made = keys.generate()
    row = APIKey.objects.create(
        organization=organization,
        owner_id=owner_id,
        key_id=made.key_id,
        digest=made.digest,
        name=name,
        scopes=list(scopes),
        **bearer,
    )
    facts = {"made_with": str(made_with)} if made_with else {}
    note(Action.API_KEY_CREATED, row, actor, scopes=row.scopes, **facts)
    return MintedKey(row, made.text)
