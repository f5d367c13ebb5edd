"""Verbs that erase a person: everywhere, in batches, to be carried on after any interruption, and with a receipt."""

import uuid
from datetime import datetime, timedelta

from django.conf import settings
from django.contrib.auth.hashers import check_password

from accounts import lockout
from accounts.erasing import begin_erasure, end_erasure, is_quiet, keep_out
from accounts.holdings import Holding, holdings
from accounts.models import Erasure, User
from orgs import tenancy
from orgs.connections import limit_statements
from orgs.models import Membership
from orgs.person_erasing import leave_organizations
from orgs.principals import Principal, require_user
from orgs.services.proving import charge

STATEMENT_TIMEOUT = "60s"
# A key is believed for 4 s after its user is deactivated, and a body that then begins may take 5 minutes to come.
LAST_BODY = timedelta(seconds=5 + 300)


class ConfirmationRefused(Exception):
    """Raised when the address or the password that confirm an erasure are not the user's."""


def settle_time() -> timedelta:
    """Return how long after the deactivation the last call that was still admitted has ended."""
    # Its transaction may idle for two timeouts before its last statement, which takes one.
    return LAST_BODY + 3 * timedelta(seconds=settings.DB_STATEMENT_TIMEOUT)


def confirm_erasure(
    principal: Principal, *, email: str, password: str | None, address: str | None, now: datetime
) -> uuid.UUID:
    """Return the caller's id, once they confirmed with their address and, if they have one, their password.

    Each try of a password is counted before it is looked at, with the tries to sign in. A refusal does not tell which
    of the two was wrong. Raises UserRequired, TooManyAttempts, ConfirmationRefused.
    """
    user_id = require_user(principal)
    with tenancy.system():
        user = User.objects.get(id=user_id)
        admission = charge(user, address, now=now) if user.has_usable_password() else None
    confirmed = user.email.lower() == email.strip().lower()
    if admission is not None:
        # Derived also where the address is another: the time that it takes tells nothing.
        confirmed = check_password(password or "", user.password) and confirmed
        with tenancy.system():
            if confirmed:
                lockout.forgive(admission, now=now)
            else:
                lockout.record_wait(admission)
    if not confirmed:
        raise ConfirmationRefused("This is not the user's address, or not the password to it.")
    return user_id


def erase_myself(principal: Principal, *, proven: uuid.UUID | None, now: datetime) -> Erasure:
    """Begin to erase the caller, who has confirmed it.

    Raises UserRequired, ConfirmationRefused, LastOwner, LastOperator.
    """
    user_id = require_user(principal)
    if proven != user_id:
        raise ConfirmationRefused("This is not confirmed by the user.")
    return request_erasure(user_id, by=principal.actor, now=now)


def request_erasure(user_id: uuid.UUID, *, by: str, now: datetime) -> Erasure:
    """Begin to erase a user: from the commit on nobody new is let in as them, and they belong to no organization.

    Asked for again, it changes nothing. Raises User.DoesNotExist, LastOwner, LastOperator.
    """
    with tenancy.system():
        erasure = begin_erasure(user_id, by=by, now=now)
        erasure.count({"memberships": leave_organizations(user_id, actor=by)})
    return erasure


def carry_on(erasure_id: uuid.UUID, *, now: datetime) -> Erasure:
    """Erase all that is there in batches, and end the erasure once nothing is left and nothing can come any more.

    Safe to be killed between any two statements, and to run twice at once: each batch holds the erasure's lock.
    """
    for holding in holdings():
        while _erase_batch(erasure_id, holding, now=now):
            pass
    with tenancy.system():
        erasure = Erasure.objects.select_for_update().get(id=erasure_id)
        quiet = erasure.finished_at is None and is_quiet(erasure, settle=settle_time(), now=now)
        # A place stays whose organization would lose its last owner: the user must not take it along.
        if quiet and not Membership.objects.filter(user_id=erasure.user_id).exists():
            end_erasure(erasure, now=now)
    return erasure


def _erase_batch(erasure_id: uuid.UUID, holding: Holding, *, now: datetime) -> bool:
    """Erase one batch with its count, and tell whether there may be more."""
    if holding.erase is None:
        return False
    with tenancy.system():
        limit_statements(STATEMENT_TIMEOUT)
        erasure = Erasure.objects.select_for_update().get(id=erasure_id)
        if erasure.finished_at is not None:
            return False
        keep_out(erasure, now=now)
        erased = holding.erase(erasure.user_id, erasure.requested_by)
        erasure.count(erased)
    return any(erased.values())
