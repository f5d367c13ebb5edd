"""API keys as bearer tokens (RFC 6750 §2.1): no database query while a key is warm. `bearers` knows the other tokens.

A looked-up key is believed for four seconds, so a key revoked anywhere is refused everywhere within five; the
process that revokes it forgets it at once.
"""

import hmac
import time
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Lock

from django.http import HttpRequest

from accounts.oidc import tokens
from orgs import bearers, functions, keys, tenancy
from orgs.bearers import Named, UserUnknown
from orgs.models import APIKey, Membership, Organization
from orgs.permissions import ScopeMissing, including, scopes_of_role
from orgs.principals import ActorType, Principal

BELIEVED_SECONDS = 4.0
MOST_KEYS = 20_000
REVOKED = "The API key was revoked."
ORPHANED = "Its user has left the organization, or was deactivated."
TOUCH_AFTER = timedelta(minutes=1)


class Unauthenticated(Exception):
    """Raised when a call carries no key."""


class KeyUnknown(Unauthenticated):
    """Raised when a call carries a key that is not known."""


class KeyRefused(Exception):
    """Raised for a key that is known but may not be used: wrong secret, expired, revoked, or its bearer is gone."""

    def __init__(self, detail: str, organization_id: uuid.UUID, key_id: uuid.UUID | None) -> None:
        super().__init__(detail)
        self.organization_id = organization_id
        self.key_id = key_id


class KeyExpired(KeyRefused):
    """Raised for a key past its expiry."""


class KeyRevoked(KeyRefused):
    """Raised for a revoked key, or one whose user was deactivated or has left the organization."""


class OrganizationMismatch(KeyRefused):
    """Raised for a key of another organization than the one that the call names."""


# Why a caller may not pass, or not just now.
REFUSALS = (Unauthenticated, KeyRefused, *bearers.REFUSALS)


@dataclass(slots=True)
class KnownKey:
    """A key as last read. `read_at` is monotonic and taken before the query, so belief never outlasts its time."""

    read_at: float
    digest: bytes
    principal: Principal
    expires_at: datetime | None
    # Why it is refused, whenever it expires.
    ended: str | None
    last_used_at: datetime | None


_known: dict[str, KnownKey] = {}
_lock = Lock()
# How often a key was forgotten; tells a look-up that began before from one that began after.
_forgotten = 0


def authenticate(request: HttpRequest) -> Principal:
    """Return the principal of the request's bearer key or token; raises one of REFUSALS, InvalidHeader."""
    return authenticate_header(request.META.get("HTTP_AUTHORIZATION", ""), request.META.get("HTTP_HOLDFAST_ORG"))


def authenticate_header(header: str, organization: str | None = None) -> Principal:
    """As `authenticate`, from the values of the headers Authorization and Holdfast-Org."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("Send an API key: Authorization: Bearer hf_…")
    text = text.strip()
    if not text.startswith(keys.OF_KEYS) and tokens.configured():
        return bearers.authenticate_token(text, bearers.read_name(organization), now=datetime.now(UTC))
    principal = authenticate_key(text)
    if organization is not None:
        _check_organization(principal, bearers.read_name(organization))
    return principal


def _check_organization(principal: Principal, named: Named) -> None:
    if named.id == principal.organization_id:
        return
    with tenancy.organization(principal.organization_id):
        if Organization.objects.filter(id=principal.organization_id, slug=named.slug).exists():
            return
    raise OrganizationMismatch(
        "The API key belongs to another organization than the one that Holdfast-Org names.",
        principal.organization_id,
        principal.key_id,
    )


def authenticate_key(text: str) -> Principal:
    known = _believed(text) or _look_up(text)
    if known is None:
        raise KeyUnknown("The API key is not known.")
    principal = known.principal
    if not hmac.compare_digest(known.digest, keys.digest(text)):
        if keys.find_key_id(text) is None:
            # Mistyped rather than guessed.
            raise KeyUnknown("The API key is not known.")
        raise KeyRefused("The API key is not known.", principal.organization_id, principal.key_id)
    now = datetime.now(UTC)
    if known.ended is not None:
        raise KeyRevoked(known.ended, principal.organization_id, principal.key_id)
    if known.expires_at is not None and known.expires_at <= now:
        raise KeyExpired("The API key has expired.", principal.organization_id, principal.key_id)
    if known.last_used_at is None or now - known.last_used_at > TOUCH_AFTER:
        known.last_used_at = now
        functions.call("SELECT orgs_touch_key(%s)", [principal.key_id])
    return principal


def confirm(principal: Principal, now: datetime) -> APIKey | None:
    """Lock the caller's key inside the open scope and return it, read anew.

    Raises KeyRevoked, KeyExpired, and ScopeMissing where its user was demoted. For what a revocation must not be outrun
    by, because it outlasts the belief: a key made with this one, a role given with it. The lock has a revocation, or
    the leaving or demotion of the key's user, either be seen here or wait until what is made has committed.
    Of a user who came with a token the place in the organization is locked, and None returned; raises UserUnknown,
    ScopeMissing.
    """
    if principal.key_id is None:
        _confirm_user(principal)
        return None
    key = APIKey.objects.select_for_update(no_key=True).filter(id=principal.key_id).first()
    if key is None:
        raise KeyRevoked(REVOKED, principal.organization_id, principal.key_id)
    place = find_place(key.organization_id, key.user_id) if key.user_id else None
    ended = _end_of(revoked=key.revoked_at is not None, orphaned=key.user_id is not None and place is None)
    if ended is not None:
        forget(key.key_id)
        raise KeyRevoked(ended, principal.organization_id, principal.key_id)
    if key.expires_at is not None and key.expires_at <= now:
        forget(key.key_id)
        raise KeyExpired("The API key has expired.", principal.organization_id, principal.key_id)
    if place is not None and not principal.scopes <= scopes_of_role(place.role):
        forget(key.key_id)
        raise ScopeMissing("The key's user was given a lesser role.")
    return key


def _confirm_user(principal: Principal) -> None:
    place = find_place(principal.organization_id, principal.actor_id)
    if place is not None and place.role == principal.role:
        return
    bearers.forget_user(principal.actor_id)
    if place is None:
        raise UserUnknown("The token's user was deactivated, or has left the organization.")
    raise ScopeMissing("The role of the token's user has changed; try again.")


def find_place(organization_id: uuid.UUID, user_id: uuid.UUID) -> Membership | None:
    """Lock an active user's membership inside the open scope; a deactivation alone has no row that could be locked."""
    places = Membership.objects.filter(organization_id=organization_id, user_id=user_id, user__is_active=True)
    return places.select_for_update(no_key=True, of=("self",)).first()


def forget(key_id: str) -> None:
    """Stop believing what was read of this key; called once its change has committed."""
    global _forgotten  # noqa: PLW0603
    with _lock:
        _forgotten += 1
        _known.pop(key_id, None)


def _believed(text: str) -> KnownKey | None:
    """Return what is still believed of the key that stands where a key's id stands; its digest will tell the rest."""
    known = _known.get(keys.claimed_id(text))
    return known if known is not None and time.monotonic() - known.read_at < BELIEVED_SECONDS else None


def _look_up(text: str) -> KnownKey | None:
    key_id = keys.find_key_id(text)
    if key_id is None:
        return None
    read_at, forgotten = time.monotonic(), _forgotten
    row = functions.find("SELECT * FROM orgs_find_key(%s)", [key_id])
    if row is None:
        return None
    known = _read(row, read_at)
    with _lock:
        if forgotten != _forgotten:
            # What was read may be from before the change: good for this call, which began before it, and no other.
            return known
        if len(_known) >= MOST_KEYS:
            _known.clear()
        _known[key_id] = known
    return known


def _read(row: tuple, read_at: float) -> KnownKey:  # type: ignore[type-arg]
    row_id, organization_id, digest, scopes, user_id, agent_id, expires_at, revoked_at, last_used_at, role, kind = row
    granted = including(scopes)
    if user_id is not None:
        actor_type, actor_id = ActorType.USER, user_id
        granted &= scopes_of_role(role or "")
    elif agent_id is not None:
        actor_type, actor_id = ActorType.AGENT, agent_id
    else:
        actor_type, actor_id = ActorType.API_KEY, row_id
    principal = Principal(organization_id, actor_type, actor_id, row_id, granted, role, kind)
    ended = _end_of(revoked=revoked_at is not None, orphaned=user_id is not None and role is None)
    return KnownKey(read_at, bytes(digest), principal, expires_at, ended, last_used_at)


def _end_of(*, revoked: bool, orphaned: bool) -> str | None:
    """Say why a key works no more, or return None. Who reads it holds the key: its digest was compared before."""
    if revoked:
        return REVOKED
    return ORPHANED if orphaned else None
