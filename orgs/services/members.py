"""Verbs that give, change and take away a user's place in an organization.

Those with a principal open its scope; the others run inside the scope that is open, the console's.
"""

import uuid
from datetime import datetime
from functools import partial

from django.db import transaction

from accounts.models import User
from audit.models import Action
from orgs import limits, tenancy
from orgs.authentication import confirm, forget
from orgs.bearers import forget_user
from orgs.models import APIKey, Membership, MembershipQuerySet, Organization, Role
from orgs.permissions import Scope, ScopeMissing
from orgs.principals import ActorType, Principal, UserRequired
from orgs.services.api_keys import UnknownReference
from orgs.services.constraints import constraints
from orgs.services.recording import expect, note


class LastOwner(Exception):
    """Raised when an organization would be left without an owner who is active."""


class UserInactive(Exception):
    """Raised when somebody would get a place whose account is deactivated, as that of a person is who is erased."""


class TransferRefused(Exception):
    """Raised when an organization cannot be handed on from this member to that one."""


def require_power_over(principal: Principal, *roles: str) -> None:
    """Let only who holds orgs:admin make, unmake and invite owners; raises ScopeMissing."""
    if Role.OWNER in roles and Scope.ORGS_ADMIN not in principal.scopes:
        raise ScopeMissing(f"To make or unmake an owner needs the scope {Scope.ORGS_ADMIN}.")


def change_member(
    principal: Principal, membership_id: uuid.UUID, *, role: str, expected: list[int] | None, now: datetime
) -> Membership:
    """Give a member of the caller's organization another role.

    Raises LastOwner, ScopeMissing, KeyRevoked, KeyExpired, PreconditionFailed, Membership.DoesNotExist.
    """
    with tenancy.organization(principal.organization_id):
        membership = _lock_for(principal, membership_id, expected=expected, now=now)
        require_power_over(principal, membership.role, role)
        return _set_role(membership, role=role, actor=principal.actor)


def dismiss(principal: Principal, membership_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Take a member's place in the caller's organization away; raises as `change_member` does."""
    with tenancy.organization(principal.organization_id):
        membership = _lock_for(principal, membership_id, expected=expected, now=now)
        require_power_over(principal, membership.role)
        _remove(membership, actor=principal.actor)


def leave(principal: Principal) -> None:
    """Take the calling user's own place away. Raises LastOwner, Membership.DoesNotExist."""
    with tenancy.organization(principal.organization_id):
        limits.lock(principal.organization_id)
        places = Membership.objects.filter(organization_id=principal.organization_id)
        _remove(places.select_for_update().get(user_id=principal.actor_id), actor=principal.actor)


def transfer(
    principal: Principal,
    *,
    to: dict[str, uuid.UUID],
    from_membership_id: uuid.UUID | None,
    role: str,
    expected: list[int] | None,
    now: datetime,
) -> Organization:
    """Make one member the owner in another's stead, who gets `role`: the caller's, where no other is named.

    `to` is the membership's id or its user's, by the field's name. Raises UserRequired, UnknownReference,
    TransferRefused, ScopeMissing, KeyRevoked, KeyExpired, PreconditionFailed.
    """
    if from_membership_id is not None:
        giving = {"id": from_membership_id}
    elif principal.actor_type == ActorType.USER:
        giving = {"user_id": principal.actor_id}
    else:
        raise UserRequired("This key acts as no user: name whose ownership it is, as from_membership_id.")
    with tenancy.organization(principal.organization_id):
        organization = limits.lock(principal.organization_id)
        expect(organization, expected)
        confirm(principal, now)
        giver, taker = _lock_named(organization, giving), _lock_named(organization, to)
        _check_transfer(giver, taker)
        _set_role(taker, role=Role.OWNER, actor=principal.actor)
        _set_role(giver, role=role, actor=principal.actor)
        organization.owner_id = taker.user_id
        organization.save_change("owner_id")
        facts = {"from": str(giver.user_id), "to": str(taker.user_id)}
        note(Action.ORGANIZATION_TRANSFERRED, organization, principal.actor, **facts)
    return organization


def add_member(organization: Organization, user: User, *, role: str, actor: str) -> Membership:
    """Give a user a place in an organization, inside the open system scope.

    Raises AlreadyMember, LimitReached, UserInactive.
    """
    with constraints(), transaction.atomic():
        if not User.objects.filter(id=user.id, is_active=True).exists():
            raise UserInactive("This user's account is deactivated.")
        limits.hold(organization.id, "members")
        made = Membership.objects.create(organization=organization, user=user, role=role, owner_id=user.id)
        note(Action.MEMBERSHIP_CREATED, made, actor, role=made.role)
        # Who had one place only needed to name none.
        transaction.on_commit(partial(forget_user, user.id))
    return made


def change_role(membership_id: uuid.UUID, *, role: str, actor: str) -> Membership:
    """Give a member another role, inside the open scope. Raises LastOwner, Membership.DoesNotExist."""
    return _set_role(_lock_membership(membership_id), role=role, actor=actor)


def remove_member(membership_id: uuid.UUID, *, actor: str) -> None:
    """Take a user's place in an organization away, inside the open scope; their keys of it are refused from then on.

    Raises LastOwner, Membership.DoesNotExist.
    """
    _remove(_lock_membership(membership_id), actor=actor)


def erase_place(membership_id: uuid.UUID, *, actor: str) -> None:
    """Do the same for a person who is erased: an organization whose deletion is asked for may lose its last owner.

    From then on it stays only once it has another (`organization_deletion.cancel_deletion`).
    """
    organization_id = Membership.objects.values_list("organization_id", flat=True).get(id=membership_id)
    ends = lock_organization(organization_id).deletes_at is not None
    membership = Membership.objects.select_for_update().get(id=membership_id)
    if not ends:
        _spare_last_owner(membership)
    _take_away(membership, actor=actor)


def has_owner(organization_id: uuid.UUID) -> bool:
    """Tell, of an organization that the caller has locked, whether there is an owner who can do anything."""
    return _owners(organization_id).exists()


def lock_organization(organization_id: uuid.UUID) -> Organization:
    """Lock what all changes of members lock first: of two owners demoted at once the second waits, and counts anew.

    Also one that is being erased, as `limits.lock` does not: a person who is erased leaves it too.
    """
    return Organization.objects.select_for_update(no_key=True).get(id=organization_id)


def _lock_membership(membership_id: uuid.UUID) -> Membership:
    lock_organization(Membership.objects.values_list("organization_id", flat=True).get(id=membership_id))
    return Membership.objects.select_for_update().get(id=membership_id)


def _lock_for(
    principal: Principal, membership_id: uuid.UUID, *, expected: list[int] | None, now: datetime
) -> Membership:
    """Lock organization, caller and member, in this order always, so that two who change each other cannot deadlock."""
    limits.lock(principal.organization_id)
    # A demoted admin is believed for some seconds yet: without looking again they could take their own demotion back.
    confirm(principal, now)
    places = Membership.objects.with_users().filter(organization_id=principal.organization_id)
    membership = places.select_for_update(of=("self",)).get(id=membership_id)
    expect(membership, expected)
    return membership


def _lock_named(organization: Organization, named: dict[str, uuid.UUID]) -> Membership:
    places = Membership.objects.with_users().filter(organization_id=organization.id, **named)
    found = places.select_for_update(of=("self",)).first()
    if found is None:
        raise UnknownReference("The organization has no such member.")
    return found


def _check_transfer(giver: Membership, taker: Membership) -> None:
    if giver.role != Role.OWNER:
        raise TransferRefused("Who would hand the organization on is not its owner.")
    if giver.id == taker.id:
        raise TransferRefused("The organization is this member's already.")
    if not taker.user.is_active:
        raise TransferRefused("This member's account is deactivated.")


def _set_role(membership: Membership, *, role: str, actor: str) -> Membership:
    if membership.role != role:
        _spare_last_owner(membership)
        membership.role = role
        membership.save_change("role")
        _forget_keys(membership)
        note(Action.MEMBERSHIP_CHANGED, membership, actor, role=role)
    return membership


def _remove(membership: Membership, *, actor: str) -> None:
    _spare_last_owner(membership)
    _take_away(membership, actor=actor)


def _take_away(membership: Membership, *, actor: str) -> None:
    membership.generation += 1
    note(Action.MEMBERSHIP_REMOVED, membership, actor)
    _forget_keys(membership)
    membership.delete()


def _forget_keys(membership: Membership) -> None:
    """Have this process read anew, once the change has committed, what the user's keys and tokens may do."""
    transaction.on_commit(partial(forget_user, membership.user_id))
    borne = APIKey.objects.filter(organization_id=membership.organization_id, user_id=membership.user_id)
    for key_id in borne.values_list("key_id", flat=True):
        transaction.on_commit(partial(forget, key_id))


def _spare_last_owner(membership: Membership) -> None:
    others = _owners(membership.organization_id).exclude(id=membership.id)
    if membership.role == Role.OWNER and not others.exists():
        raise LastOwner("This is the organization's last owner.")


def _owners(organization_id: uuid.UUID) -> MembershipQuerySet:
    """Leave out those whose account is deactivated: they can do nothing."""
    return Membership.objects.filter(organization_id=organization_id, role=Role.OWNER, user__is_active=True)
