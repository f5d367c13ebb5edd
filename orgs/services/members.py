"""Verbs that give, change and take away a user's place in an organization."""

import uuid
from functools import partial

from django.db import transaction

from accounts.models import User
from audit.models import Action
from orgs.authentication import forget
from orgs.models import APIKey, Membership, Organization, Role
from orgs.services.constraints import constraints
from orgs.services.recording import note


class LastOwner(Exception):
    """Raised when an organization would be left without an owner."""


def add_member(organization: Organization, user: User, *, role: str, actor: str) -> Membership:
    """Give a user a place in an organization, inside the open scope. Raises AlreadyMember."""
    with constraints(), transaction.atomic():
        made = Membership.objects.create(organization=organization, user=user, role=role, owner_id=user.id)
        note(Action.MEMBERSHIP_CREATED, made, actor, role=made.role)
    return made


def change_role(membership_id: uuid.UUID, *, role: str, actor: str) -> Membership:
    """Give a member another role, inside the open scope. Raises LastOwner, Membership.DoesNotExist."""
    membership = _lock_membership(membership_id)
    if membership.role != role:
        _spare_last_owner(membership)
        membership.role = role
        membership.save_change("role")
        _forget_keys(membership)
        note(Action.MEMBERSHIP_CHANGED, membership, actor, role=role)
    return membership


def remove_member(membership_id: uuid.UUID, *, actor: str) -> None:
    """Take a user's place in an organization away, inside the open scope; their keys of it are refused from then on.

    Raises LastOwner, Membership.DoesNotExist.
    """
    membership = _lock_membership(membership_id)
    _spare_last_owner(membership)
    membership.generation += 1
    note(Action.MEMBERSHIP_REMOVED, membership, actor)
    _forget_keys(membership)
    membership.delete()


def _forget_keys(membership: Membership) -> None:
    """Have this process read anew, once the change has committed, what the user's keys may do."""
    borne = APIKey.objects.filter(organization_id=membership.organization_id, user_id=membership.user_id)
    for key_id in borne.values_list("key_id", flat=True):
        transaction.on_commit(partial(forget, key_id))


def _lock_membership(membership_id: uuid.UUID) -> Membership:
    """Lock the organization, then its membership: of two owners demoted at once the second waits, and counts anew."""
    organization_id = Membership.objects.values_list("organization_id", flat=True).get(id=membership_id)
    Organization.objects.select_for_update(no_key=True).get(id=organization_id)
    return Membership.objects.select_for_update().get(id=membership_id)


def _spare_last_owner(membership: Membership) -> None:
    others = Membership.objects.filter(organization_id=membership.organization_id, role=Role.OWNER)
    if membership.role == Role.OWNER and not others.exclude(id=membership.id).exists():
        raise LastOwner("This is the organization's last owner.")
