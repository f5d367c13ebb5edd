"""Verbs that make and change organizations."""

import uuid
from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db import transaction

from accounts.models import User
from audit.models import Action
from orgs import limits, tenancy
from orgs.authentication import confirm
from orgs.models import Membership, Organization, Role
from orgs.permissions import EVERYTHING
from orgs.principals import Principal, require_user
from orgs.services.api_keys import MintedKey, mint
from orgs.services.constraints import constraints
from orgs.services.key_policy import End, named_end
from orgs.services.key_powers import bounded
from orgs.services.members import add_member
from orgs.services.recording import expect, note

LIMITS = ("max_members", "max_agents", "max_api_keys")


def create_organization(*, name: str, slug: str, owner: User, actor: str | None = None) -> Organization:
    """Create an organization with its first owner, who made it where no actor is named.

    Raises SlugTaken, UserInactive.
    """
    actor = actor or f"user:{owner.id}"
    with constraints(), tenancy.system():
        # Whoever begins to erase the owner is waited for, or waits and then finds that they own this.
        User.objects.select_for_update(no_key=True).get(id=owner.id)
        made = Organization.objects.create(name=name, slug=slug, owner_id=owner.id)
        note(Action.ORGANIZATION_CREATED, made, actor, slug=slug)
        add_member(made, owner, role=Role.OWNER, actor=actor)
    return made


def create_with_key(
    *, name: str, slug: str, owner: User, scopes: Iterable[str] = EVERYTHING, **of_key: Any
) -> tuple[Organization, MintedKey]:
    """Create an organization and its first key, which acts as the owner. Raises SlugTaken."""
    with tenancy.system():
        made = create_organization(name=name, slug=slug, owner=owner)
        actor = f"user:{owner.id}"
        of_key |= {"actor": actor, "owner_id": owner.id, "user_id": owner.id}
        return made, mint(made, name="First key", scopes=scopes, **of_key)


def create_further(principal: Principal, *, name: str, slug: str, now: datetime) -> tuple[Organization, MintedKey]:
    """Create one more organization of the calling user.

    Its first key is for what the calling one is for, and ends no later. Of the scopes `me:*` it has those of the
    calling one, of the others all: the organization is new.
    Raises UserRequired, LimitReached, SlugTaken, KeyRevoked, KeyExpired, ScopeMissing, UserUnknown.
    """
    require_user(principal)
    with tenancy.system():
        # Locked, so that of two calls at once the second counts what the first has made.
        owner = User.objects.select_for_update(no_key=True).get(id=principal.actor_id)
        own = confirm(principal, now)
        most = settings.ORGANIZATIONS_PER_USER
        if Membership.objects.filter(user=owner, role=Role.OWNER).count() >= most:
            raise limits.LimitReached(f"A user may own {most:,} organizations.")
        return create_with_key(
            name=name,
            slug=slug,
            owner=owner,
            scopes=bounded(principal, EVERYTHING),
            environment=principal.environment,
            end=End(named_end(own)),
            made_with=principal.key_id,
        )


def rename_organization(
    principal: Principal, *, changes: Mapping[str, str], expected: list[int] | None, now: datetime
) -> Organization:
    """Give the caller's organization another name or slug, as `set_names` does.

    Raises ScopeMissing, KeyRevoked, KeyExpired too.
    """
    with tenancy.organization(principal.organization_id):
        limits.lock(principal.organization_id)
        confirm(principal, now)
        return set_names(principal.organization_id, changes=changes, actor=principal.actor, expected=expected)


def set_names(
    organization_id: uuid.UUID, *, changes: Mapping[str, str], actor: str, expected: list[int] | None = None
) -> Organization:
    """Give an organization another name or slug, inside the open scope. Raises SlugTaken, PreconditionFailed.

    The slug that it had is free from then on.
    """
    with constraints(), transaction.atomic():
        found = limits.lock(organization_id)
        expect(found, expected)
        facts = {}
        if changes.get("slug", found.slug) != found.slug:
            facts = {"slug": changes["slug"], "old_slug": found.slug}
        return _save(found, changes, Action.ORGANIZATION_RENAMED, actor, **facts)


def set_limits(organization_id: uuid.UUID, *, changes: Mapping[str, int | None], actor: str) -> Organization:
    """Change an operator's limits of an organization, inside the open scope. What is beyond a new one stays."""
    return _save(limits.lock(organization_id), changes, Action.ORGANIZATION_LIMITS_CHANGED, actor, limits=dict(changes))


def _save(
    organization: Organization, changes: Mapping[str, Any], action: Action, actor: str, **facts: Any
) -> Organization:
    for field, value in changes.items():
        setattr(organization, field, value)
    organization.save_change(*changes)
    note(action, organization, actor, **facts)
    return organization
