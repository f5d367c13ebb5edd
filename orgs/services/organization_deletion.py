"""Verbs that ask for the end of an organization, and take that back."""

import uuid
from datetime import datetime, timedelta

from audit.models import Action
from orgs import limits, tenancy
from orgs.authentication import confirm as confirm_caller
from orgs.models import Organization
from orgs.principals import Principal
from orgs.services.members import LastOwner, has_owner
from orgs.services.recording import expect, note


class ConfirmationMissing(Exception):
    """Raised when a deletion is asked for without the organization's slug, which shows that no slip of a path did."""


def request_deletion(principal: Principal, *, confirm: str, expected: list[int] | None, now: datetime) -> Organization:
    """Have the caller's organization deleted after its delay.

    Raises ConfirmationMissing, PreconditionFailed, ScopeMissing, KeyRevoked, KeyExpired.
    """
    with tenancy.organization(principal.organization_id):
        found = limits.lock(principal.organization_id)
        confirm_caller(principal, now)
        expect(found, expected)
        if confirm != found.slug:
            raise ConfirmationMissing("Send confirm=<slug>, the slug of the organization that is to be deleted.")
        return mark_for_deletion(found.id, actor=principal.actor, now=now)


def mark_for_deletion(organization_id: uuid.UUID, *, actor: str, now: datetime) -> Organization:
    """Do the same inside the open scope. A second request changes nothing: the first one's time stands."""
    found = limits.lock(organization_id)
    if found.deletes_at is None:
        found.deletes_at = now + timedelta(days=found.deletion_delay_days)
        found.save_change("deletes_at")
        note(Action.ORGANIZATION_DELETION_REQUESTED, found, actor, deletes_at=found.deletes_at.isoformat())
    return found


def restore(principal: Principal, *, expected: list[int] | None, now: datetime) -> Organization:
    """Cancel the deletion of the caller's organization; raises what a request of it does, and LastOwner."""
    with tenancy.organization(principal.organization_id):
        found = limits.lock(principal.organization_id)
        confirm_caller(principal, now)
        expect(found, expected)
        return cancel_deletion(principal.organization_id, actor=principal.actor)


def cancel_deletion(organization_id: uuid.UUID, *, actor: str) -> Organization:
    """Do the same inside the open scope. Where none was asked for, nothing changes.

    Of this and the job that finds the organization due, the first to lock it wins: once it is closed it is not found.
    Raises LastOwner where its last owner was erased meanwhile: an operator names another first.
    """
    found = limits.lock(organization_id)
    if found.deletes_at is not None:
        if not has_owner(organization_id):
            raise LastOwner(f"The organization {found.slug} has no active owner any more: an operator names one first.")
        found.deletes_at = None
        found.save_change("deletes_at")
        note(Action.ORGANIZATION_DELETION_CANCELLED, found, actor)
    return found
