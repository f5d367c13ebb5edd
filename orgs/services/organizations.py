"""Verbs that make and change organizations."""

import uuid

from accounts.models import User
from audit.models import Action
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.principals import Principal
from orgs.services.constraints import constraints
from orgs.services.members import add_member
from orgs.services.recording import expect, note


def create_organization(*, name: str, slug: str, owner: User, actor: str | None = None) -> Organization:
    """Create an organization with its first owner, who made it where no actor is named. Raises SlugTaken."""
    actor = actor or f"user:{owner.id}"
    with constraints(), tenancy.system():
        made = Organization.objects.create(name=name, slug=slug, owner_id=owner.id)
        note(Action.ORGANIZATION_CREATED, made, actor, slug=slug)
        add_member(made, owner, role=Role.OWNER, actor=actor)
    return made


def rename_organization(principal: Principal, *, name: str, expected: list[int] | None) -> Organization:
    with tenancy.organization(principal.organization_id):
        return set_name(principal.organization_id, name=name, actor=principal.actor, expected=expected)


def set_name(organization_id: uuid.UUID, *, name: str, actor: str, expected: list[int] | None = None) -> Organization:
    """Rename an organization inside the open scope."""
    found = Organization.objects.select_for_update().get(id=organization_id)
    expect(found, expected)
    found.name = name
    found.save_change("name")
    note(Action.ORGANIZATION_RENAMED, found, actor)
    return found
