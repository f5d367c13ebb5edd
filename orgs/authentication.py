"""API keys as bearer tokens (RFC 6750 §2.1): no database query while a key is warm.

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

from orgs import functions, keys
from orgs.models import APIKey, Membership
from orgs.permissions import ScopeMissing, including, scopes_of_role
from orgs.principals import ActorType, Principal

BELIEVED_SECONDS = 4.0
MOST_KEYS = 20_000
TOUCH_AFTER = timedelta(minutes=1)


class Unauthenticated(Exception):
    """Raised when a call carries no key, or one that is not known."""


class KeyRefused(Exception):
    """Raised for a key that is known but may not be used: wrong secret, expired, revoked, or its bearer is gone."""

    def __init__(self, detail: str, organization_id: uuid.UUID, key_id: uuid.UUID) -> None:
        super().__init__(detail)
        self.organization_id = organization_id
        self.key_id = key_id


class KeyExpired(KeyRefused):
    """Raised for a key past its expiry."""


class KeyRevoked(KeyRefused):
    """Raised for a revoked key, or one whose user was deactivated or has left the organization."""


@dataclass(slots=True)
class KnownKey:
    """A key as last read. `read_at` is monotonic and taken before the query, so belief never outlasts its time."""

    read_at: float
    digest: bytes
    principal: Principal
    expires_at: datetime | None
    revoked: bool
    last_used_at: datetime | None


_known: dict[str, KnownKey] = {}
_lock = Lock()
# How often a key was forgotten; tells a look-up that began before from one that began after.
_forgotten = 0


def authenticate(request: HttpRequest) -> Principal:
    """Return the principal of the request's bearer key; raises Unauthenticated or a KeyRefused."""
    return authenticate_header(request.META.get("HTTP_AUTHORIZATION", ""))


def authenticate_header(header: str) -> Principal:
    """As `authenticate`, from the value of the Authorization header."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "bearer" or not text:
        raise Unauthenticated("Send an API key: Authorization: Bearer hf_…")
    return authenticate_key(text.strip())


def authenticate_key(text: str) -> Principal:
    known = _believed(text) or _look_up(text)
    if known is None:
        raise Unauthenticated("The API key is not known.")
    principal = known.principal
    if not hmac.compare_digest(known.digest, keys.digest(text)):
        if keys.find_key_id(text) is None:
            # Mistyped rather than guessed.
            raise Unauthenticated("The API key is not known.")
        raise KeyRefused("The API key is not known.", principal.organization_id, principal.key_id)
    now = datetime.now(UTC)
    if known.revoked:
        raise KeyRevoked("The API key was revoked.", principal.organization_id, principal.key_id)
    if known.expires_at is not None and known.expires_at <= now:
        raise KeyExpired("The API key has expired.", principal.organization_id, principal.key_id)
    if known.last_used_at is None or now - known.last_used_at > TOUCH_AFTER:
        known.last_used_at = now
        functions.call("SELECT orgs_touch_key(%s)", [principal.key_id])
    return principal


def confirm(principal: Principal, now: datetime) -> APIKey:
    """Lock the caller's key inside the open scope and return it, read anew.

    Raises KeyRevoked, KeyExpired, and ScopeMissing where its user was demoted. For what a revocation must not be outrun
    by, because it outlasts the belief: a key made with this one, a role given with it. The lock has a revocation, or
    the leaving or demotion of the key's user, either be seen here or wait until what is made has committed.
    """
    key = APIKey.objects.select_for_update(no_key=True).get(id=principal.key_id)
    place = _lock_place(key)
    if key.revoked_at is not None or (key.user_id is not None and place is None):
        forget(key.key_id)
        raise KeyRevoked("The API key was revoked.", principal.organization_id, principal.key_id)
    if key.expires_at is not None and key.expires_at <= now:
        raise KeyExpired("The API key has expired.", principal.organization_id, principal.key_id)
    if place is not None and not principal.scopes <= scopes_of_role(place.role):
        forget(key.key_id)
        raise ScopeMissing("The key's user was given a lesser role.")
    return key


def _lock_place(key: APIKey) -> Membership | None:
    """Lock the membership of the key's user; a deactivation alone has no row that the serving role could lock."""
    if key.user_id is None:
        return None
    places = Membership.objects.filter(organization_id=key.organization_id, user_id=key.user_id, user__is_active=True)
    return places.select_for_update(no_key=True, of=("self",)).first()


def forget(key_id: str) -> None:
    """Stop believing what was read of this key; called once its change has committed."""
    global _forgotten  # noqa: PLW0603
    with _lock:
        _forgotten += 1
        _known.pop(key_id, None)


def _believed(text: str) -> KnownKey | None:
    """Return what is still believed of the key that stands where a key's id stands; its digest will tell the rest."""
    known = _known.get(text[keys.ID])
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
    row_id, organization_id, digest, scopes, user_id, agent_id, expires_at, revoked_at, last_used_at, role = row
    granted = including(scopes)
    if user_id is not None:
        actor_type, actor_id = ActorType.USER, user_id
        granted &= scopes_of_role(role or "")
    elif agent_id is not None:
        actor_type, actor_id = ActorType.AGENT, agent_id
    else:
        actor_type, actor_id = ActorType.API_KEY, row_id
    principal = Principal(organization_id, actor_type, actor_id, row_id, granted, role)
    gone = revoked_at is not None or (user_id is not None and role is None)
    return KnownKey(read_at, bytes(digest), principal, expires_at, gone, last_used_at)
