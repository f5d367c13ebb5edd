"""Users who come with a token of an OpenID Connect issuer: who they are here, and in which organization.

As with keys, what was read is believed for four seconds, so that a user who was deactivated, has left or was demoted
anywhere is so everywhere within five; the process that changed it forgets at once.
"""

import hashlib
import re
import time
import uuid
from dataclasses import dataclass
from datetime import datetime
from threading import Lock

from accounts.oidc import tokens
from accounts.oidc.issuers import EXTERNAL_ID
from accounts.oidc.key_sets import KeysUnavailable
from accounts.oidc.tokens import Verified
from api.requests import InvalidHeader
from orgs import functions
from orgs.permissions import scopes_of_role
from orgs.principals import ActorType, Principal

BELIEVED_SECONDS = 4.0
MOST_TOKENS = 20_000
# An id or a slug; without a comma, by which servers join a header that is sent twice.
NAME = re.compile(r"[0-9A-Za-z-]{1,63}")
ID = re.compile(r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}")


class UserUnknown(Exception):
    """Raised for a sound token whose subject is no user of this service, or one who was deactivated.

    `organization_id` and `user_id` are given where a user was deactivated who has a place in the organization.
    """

    def __init__(self, detail: str, organization_id: uuid.UUID | None = None, user_id: uuid.UUID | None = None) -> None:
        super().__init__(detail)
        self.organization_id, self.user_id = organization_id, user_id


class OrganizationRequired(Exception):
    """Raised when a user of several organizations, or of none, does not say for which one they call."""


class NotAMember(Exception):
    """Raised when a call names an organization in which the user has no place, be it there or not."""


# Why a bearer of a token may not pass, or not just now.
REFUSALS = (
    tokens.TokenInvalid,
    tokens.TokenIssuerUnknown,
    tokens.TokenAudienceWrong,
    tokens.TokenExpired,
    tokens.TokenNotYetValid,
    KeysUnavailable,
    UserUnknown,
    OrganizationRequired,
    NotAMember,
)


@dataclass(frozen=True)
class Named:
    """The organization that `Holdfast-Org` names: by its id, or by its slug; by neither where it is not sent."""

    id: uuid.UUID | None = None
    slug: str | None = None

    def __bool__(self) -> bool:
        return self.id is not None or self.slug is not None


@dataclass(frozen=True, slots=True)
class _Known:
    """A token's bearer as last read. `read_at` is monotonic, and taken before anything was looked at."""

    read_at: float
    good_until: datetime
    principal: Principal


_known: dict[tuple[bytes, Named], _Known] = {}
_lock = Lock()
# How often a user was forgotten; tells a look-up that began before from one that began after.
_forgotten = 0


def read_name(header: str | None) -> Named:
    """Return what `Holdfast-Org` names. Raises InvalidHeader."""
    if header is None:
        return Named()
    if not NAME.fullmatch(header):
        raise InvalidHeader("Holdfast-Org must be sent once, as the id or the slug of an organization.")
    # A slug may look like an id, too: so written it is one.
    return Named(id=uuid.UUID(header)) if ID.fullmatch(header) else Named(slug=header)


def authenticate_token(text: str, named: Named, *, now: datetime) -> Principal:
    """Return the user whose token this is, in the organization that is named or in their only one.

    Raises one of REFUSALS.
    """
    digest = hashlib.sha256(text.encode()).digest()
    known = _known.get((digest, named))
    read_at, forgotten = time.monotonic(), _forgotten
    if known is not None and read_at - known.read_at < BELIEVED_SECONDS and now < known.good_until:
        return known.principal
    verified = tokens.configured().verify(text, now=now)
    principal = _find(verified, named)
    with _lock:
        # What was read may be from before a change: good for this call, which began before it, and no other.
        if forgotten == _forgotten:
            if len(_known) >= MOST_TOKENS:
                _known.clear()
            _known[digest, named] = _Known(read_at, verified.good_until, principal)
    return principal


def forget_user(user_id: uuid.UUID) -> None:
    """Stop believing what was read of a user; called once its change has committed."""
    global _forgotten  # noqa: PLW0603
    with _lock:
        _forgotten += 1
        for key in [key for key, known in _known.items() if known.principal.actor_id == user_id]:
            del _known[key]


def _find(verified: Verified, named: Named) -> Principal:
    issuer = verified.issuer
    found = functions.rows_of(
        "SELECT * FROM orgs_find_bearer(%s, %s, %s, %s, %s)",
        [issuer.name, verified.subject, issuer.users == EXTERNAL_ID, named.id, named.slug],
    )
    if not found:
        raise UserUnknown("The token's subject is no user of this service.")
    user_id, active, organization_id, role = found[0]
    if not active:
        only = organization_id if len(found) == 1 else None
        raise UserUnknown("The token's user was deactivated.", only, user_id)
    if organization_id is None and named:
        raise NotAMember("Holdfast-Org names no organization that the token's user belongs to.")
    if organization_id is None:
        raise OrganizationRequired("The token's user belongs to no organization.")
    if len(found) > 1:
        raise OrganizationRequired("The token's user belongs to several organizations; name one with Holdfast-Org.")
    return Principal(organization_id, ActorType.USER, user_id, None, scopes_of_role(role), role)
