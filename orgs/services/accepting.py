"""Verbs of whoever holds an invitation's token: look at it, prove who they are, take the place.

They know of no organization before the token has named one, so they work in the system scope.
"""

import hmac
import uuid
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import check_password
from django.db.models import F, Q, Sum

from accounts import lockout
from accounts.models import User
from audit.models import Action, Outcome
from audit.services import record
from orgs import keys, limits, tenancy
from orgs.authentication import confirm
from orgs.keys import Environment
from orgs.models import Invitation, InvitationQuerySet, Membership, Organization
from orgs.permissions import EVERYTHING, Scope, ScopeMissing
from orgs.principals import Principal
from orgs.services.api_keys import MintedKey, mint
from orgs.services.constraints import constraints
from orgs.services.invitations import check_undecided, mark_revoked
from orgs.services.key_policy import lock_policy, named_end, new_end
from orgs.services.key_powers import bounded
from orgs.services.members import add_member
from orgs.services.people import WeakPassword, add_user, new_user
from orgs.services.proving import TooManyAttempts, charge
from orgs.services.recording import note

# Wrong passwords with one invitation, and in a day with all that an address is sent: by one organization, by any. No
# organization alone uses up what is left to those of the others.
MOST_ATTEMPTS = 5
MOST_ATTEMPTS_A_DAY = 20
MOST_ATTEMPTS_A_DAY_ANYWHERE = 100


class InvitationExpired(Exception):
    """Raised for an invitation whose time is over."""


class InvitationForAnother(Exception):
    """Raised when a user's key comes with an invitation to an address that is not theirs."""


class PasswordWrong(Exception):
    """Raised when the invited address has an account, and what was sent does not prove the right to it."""


@dataclass(frozen=True)
class Accepted:
    user: User
    organization: Organization
    membership: Membership
    minted: MintedKey


def look_up(token: str, now: datetime) -> Invitation:
    """Return the open invitation of a token, with its organization; raises as `accept` does of one that is not."""
    with tenancy.system():
        row = _find(token)
        _check_open(row, now)
    return row


def prove_account(token: str, password: str, *, address: str | None, now: datetime) -> uuid.UUID | None:
    """Return the invited user whose password this is; None where the address has no account, or the token is no use.

    Each try is counted before the password is looked at, so that no number of calls at once makes more of them: with
    the invitation, and with the tries to sign in; it is taken back if it does not fail. The last that an invitation
    allows revokes it, if it fails. Raises PasswordWrong, TooManyAttempts.
    """
    with tenancy.system():
        rows = _rows(token).filter(digest=keys.digest(token)).pending(now)
        # The user, then the invitation, then the counts: one order for all who lock several of them.
        seen = rows.first()
        user = User.objects.with_email(seen.email).select_for_update(no_key=True).first() if seen else None
        row = rows.select_for_update(no_key=True, of=("self",)).first()
        if row is None or user is None:
            return None
        _count_attempt(row, now)
        admission = charge(user, address, now=now)
    # Deriving the hash takes a good part of a second, during which nobody has to wait.
    proven = user.is_active and check_password(password, user.password)
    with tenancy.system():
        if proven:
            Invitation.objects.filter(id=row.id, attempts__gt=0).update(attempts=F("attempts") - 1)
            lockout.forgive(admission, now=now)
            return user.id
        lockout.record_wait(admission)
        _note_failure(row.id, now)
    raise PasswordWrong("This address has an account here, with another password.")


def accept(
    token: str,
    *,
    display_name: str,
    password: str | None,
    proven: uuid.UUID | None,
    caller: Principal | None,
    now: datetime,
) -> Accepted:
    """Take the place: as the calling user, as the one whose password was proven, or as a new one with this password.

    Whoever comes with a key gets one that is for the same, ends no later, and has of the scopes `me:*` no more.
    Raises Invitation.DoesNotExist, InvitationUsed, InvitationRevoked, InvitationExpired, InvitationForAnother,
    PasswordWrong, WeakPassword, AlreadyMember, ScopeMissing, KeyRevoked, KeyExpired; EmailTaken where the address signs
    up meanwhile.
    """
    # To take a place elsewhere is the person's own act, as making an organization is.
    if caller is not None and Scope.ME_WRITE not in caller.scopes:
        raise ScopeMissing(f"To accept with a key of the invited user it needs the scope {Scope.ME_WRITE}.")
    row = look_up(token, now)
    with tenancy.system():
        has_account = User.objects.with_email(row.email).exists()
    # Before the transaction, since deriving the hash takes long, unless the gate has opened one.
    newcomer = None if has_account or caller else _newcomer(row, display_name, password)
    with constraints(), tenancy.system():
        row = _lock(token)
        _check_open(row, now)
        if newcomer is not None:
            return _take_place(row, newcomer, add_user(newcomer), now)
        own = confirm(caller, now) if caller is not None else None
        user = _check_caller(row, caller) if caller is not None else _check_proven(row, proven)
        return _take_place(row, user, f"user:{user.id}", now, caller=caller, ends=named_end(own))


def _rows(token: str) -> InvitationQuerySet:
    """Return the rows of a token's id: one or none, and none without a query where the token is mistyped.

    An organization that is being erased invites nobody any more.
    """
    token_id = keys.find_key_id(token, keys.INVITATION_FORM)
    rows = Invitation.objects.filter(token_id=token_id, organization__closed_at=None)
    return rows if token_id else Invitation.objects.none()


def _find(token: str) -> Invitation:
    """Return a token's invitation, with its organization; raises Invitation.DoesNotExist."""
    return _get(_rows(token).select_related("organization"), token)


def _lock(token: str) -> Invitation:
    """Do the same and lock both, the organization, by whose policy the key will end, first as everybody does.

    Whoever resends or revokes the invitation holds it meanwhile; afterwards a token that was replaced is not found.
    """
    limits.lock(_find(token).organization_id)
    rows = _rows(token).select_related("organization")
    return _get(rows.select_for_update(no_key=True, of=("self",)), token)


def _get(rows: InvitationQuerySet, token: str) -> Invitation:
    row = rows.get()
    if not hmac.compare_digest(bytes(row.digest), keys.digest(token)):
        raise Invitation.DoesNotExist
    return row


def _check_open(row: Invitation, now: datetime) -> None:
    check_undecided(row)
    if row.expires_at <= now:
        raise InvitationExpired("This invitation has expired: ask for another link.")


def _count_attempt(row: Invitation, now: datetime) -> None:
    """Count one try; raises TooManyAttempts. The lock of the user keeps the sum over all of their invitations exact.

    Whoever invites is shown the links, and may make as many as they like: each invitation alone would limit nothing.
    """
    lately = Invitation.objects.to(row.email).filter(last_attempt_at__gt=now - timedelta(days=1))
    of_this_one = Q(organization_id=row.organization_id)
    sums = lately.aggregate(here=Sum("attempts", filter=of_this_one, default=0), anywhere=Sum("attempts", default=0))
    spent = sums["here"] >= MOST_ATTEMPTS_A_DAY or sums["anywhere"] >= MOST_ATTEMPTS_A_DAY_ANYWHERE
    if spent or row.attempts >= MOST_ATTEMPTS:
        raise TooManyAttempts("Too many passwords were tried: come back in a day, or use a key of this account.")
    row.attempts, row.last_attempt_at = row.attempts + 1, now
    row.save(update_fields=["attempts", "last_attempt_at"])


def _note_failure(invitation_id: uuid.UUID, now: datetime) -> None:
    row = Invitation.objects.select_for_update(no_key=True).get(id=invitation_id)
    record(
        Action.INVITATION_REFUSED,
        organization_id=row.organization_id,
        actor="anonymous",
        subject_type="invitation",
        subject_id=row.id,
        outcome=Outcome.REFUSED,
        attempts=row.attempts,
    )
    if row.attempts >= MOST_ATTEMPTS and row.status_at(now) == Invitation.Status.PENDING:
        mark_revoked(row, actor="system", now=now)


def _newcomer(row: Invitation, display_name: str, password: str | None) -> User:
    if password is None:
        raise WeakPassword("Choose a password.")
    return new_user(email=row.email, display_name=display_name, password=password)


def _check_caller(row: Invitation, caller: Principal) -> User:
    user = User.objects.with_email(row.email).filter(id=caller.actor_id, is_active=True).first()
    if user is None:
        raise InvitationForAnother("This invitation is for another address than the calling user's.")
    return user


def _check_proven(row: Invitation, proven: uuid.UUID | None) -> User:
    user = User.objects.with_email(row.email).filter(is_active=True).first()
    if user is None or user.id != proven:
        raise PasswordWrong("This address has an account here: send its password, or call with one of its keys.")
    return user


def _take_place(
    row: Invitation,
    user: User,
    actor: str,
    now: datetime,
    *,
    caller: Principal | None = None,
    ends: datetime | None = None,
) -> Accepted:
    """Make the membership and a first key, and close the locked invitation, inside the open scope.

    The key holds every scope, as that of a sign-up does, and may do what the role allows: a role that is given later
    is felt by it at once, also that of an owner. The calling key and the organization's policy bound it.
    """
    membership = add_member(row.organization, user, role=row.role, actor=actor)
    row.accepted_at, row.accepted_by = now, user
    row.save_change("accepted_at", "accepted_by")
    note(Action.INVITATION_ACCEPTED, row, actor, role=row.role)
    minted = mint(
        row.organization,
        name="First key",
        scopes=EVERYTHING if caller is None else bounded(caller, EVERYTHING),
        environment=Environment.PRODUCTION if caller is None else caller.environment,
        end=new_end(lock_policy(row.organization_id), now, ends),
        actor=actor,
        owner_id=user.id,
        user_id=user.id,
    )
    return Accepted(user, row.organization, membership, minted)
