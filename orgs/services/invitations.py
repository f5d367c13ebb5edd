"""Verbs that offer places in an organization: a link that works once, resent or revoked while nobody has taken it."""

import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from audit.models import Action
from orgs import keys, limits, tenancy
from orgs.authentication import confirm
from orgs.models import Invitation, Membership
from orgs.principals import Principal
from orgs.services.constraints import AlreadyMember, constraints
from orgs.services.members import require_power_over
from orgs.services.recording import expect, note

MOST_PENDING = 1_000
MOST_HOURS = 30 * 24


class TooManyInvitations(Exception):
    """Raised when an organization has as many pending invitations as it may."""


class InvitationUsed(Exception):
    """Raised for an invitation that was accepted."""


class InvitationRevoked(Exception):
    """Raised for an invitation that was revoked."""


@dataclass(frozen=True)
class Sent:
    """An invitation with the token that is shown once."""

    row: Invitation
    token: str


def invite(principal: Principal, *, email: str, role: str, hours: int, now: datetime) -> Sent:
    """Offer an address a place in the caller's organization.

    Raises ScopeMissing, AlreadyMember, InvitationExists, TooManyInvitations, KeyRevoked, KeyExpired.
    """
    require_power_over(principal, role)
    made = keys.generate(keys.INVITATION_PREFIX)
    with constraints(), tenancy.organization(principal.organization_id):
        _lock_caller(principal, now)
        _check_offer(principal, email, now)
        _end_expired(principal, email, now)
        row = Invitation.objects.create(
            organization_id=principal.organization_id,
            owner_id=principal.actor_id,
            email=email,
            role=role,
            token_id=made.key_id,
            digest=made.digest,
            expires_at=now + timedelta(hours=hours),
            last_sent_at=now,
        )
        note(Action.INVITATION_CREATED, row, principal.actor, role=role)
    return Sent(row, made.text)


def resend(
    principal: Principal,
    invitation_id: uuid.UUID,
    *,
    life: timedelta | None,
    expected: list[int] | None,
    now: datetime,
) -> Sent:
    """Give an invitation that nobody has taken a new link and a new end; the old link is dead.

    Where no life is given, the new link has that of the one before.

    Raises what `invite` does, and InvitationUsed, InvitationRevoked, PreconditionFailed, Invitation.DoesNotExist.
    """
    made = keys.generate(keys.INVITATION_PREFIX)
    with tenancy.organization(principal.organization_id):
        _lock_caller(principal, now)
        row = _lock(principal, invitation_id, expected)
        check_undecided(row)
        # Whoever is shown the link could take the place themselves.
        require_power_over(principal, row.role)
        _check_offer(principal, row.email, now, but=(row.id,))
        row.token_id, row.digest = made.key_id, made.digest
        row.expires_at = now + (row.expires_at - row.last_sent_at if life is None else life)
        row.last_sent_at = now
        row.sent_count += 1
        row.save_change("token_id", "digest", "expires_at", "last_sent_at", "sent_count")
        note(Action.INVITATION_RESENT, row, principal.actor, role=row.role)
    return Sent(row, made.text)


def revoke(principal: Principal, invitation_id: uuid.UUID, *, expected: list[int] | None, now: datetime) -> None:
    """Let an invitation's link work no more; revoking it again changes nothing.

    Raises InvitationUsed, PreconditionFailed, Invitation.DoesNotExist, ScopeMissing, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        _lock_caller(principal, now)
        row = _lock(principal, invitation_id, expected)
        if row.revoked_at is None:
            check_undecided(row)
            mark_revoked(row, actor=principal.actor, now=now)


def mark_revoked(row: Invitation, *, actor: str, now: datetime) -> None:
    """Revoke a locked invitation that nobody has taken, inside the open scope."""
    row.revoked_at = now
    row.save_change("revoked_at")
    note(Action.INVITATION_REVOKED, row, actor)


def check_undecided(row: Invitation) -> None:
    if row.accepted_at is not None:
        raise InvitationUsed("This invitation was accepted.")
    if row.revoked_at is not None:
        raise InvitationRevoked("This invitation was revoked.")


def _lock_caller(principal: Principal, now: datetime) -> None:
    """Lock the organization, which keeps the number of its invitations exact, and the caller's own rights.

    An organization that is being erased is not found.
    """
    limits.lock(principal.organization_id)
    confirm(principal, now)


def _lock(principal: Principal, invitation_id: uuid.UUID, expected: list[int] | None) -> Invitation:
    rows = Invitation.objects.filter(organization_id=principal.organization_id)
    row = rows.select_for_update(no_key=True).get(id=invitation_id)
    expect(row, expected)
    return row


def _check_offer(principal: Principal, email: str, now: datetime, but: tuple[uuid.UUID, ...] = ()) -> None:
    if Membership.objects.of_address(principal.organization_id, email).exists():
        raise AlreadyMember("This address belongs to a member.")
    pending = Invitation.objects.filter(organization_id=principal.organization_id).pending(now)
    if pending.exclude(id__in=but).count() >= MOST_PENDING:
        raise TooManyInvitations(f"{MOST_PENDING:,} invitations are pending: revoke some first.")


def _end_expired(principal: Principal, email: str, now: datetime) -> None:
    """Make room for a new invitation where time has run out on the one before."""
    rows = Invitation.objects.filter(organization_id=principal.organization_id)
    for row in rows.in_status(Invitation.Status.EXPIRED, now).to(email).select_for_update(no_key=True):
        mark_revoked(row, actor=principal.actor, now=now)
