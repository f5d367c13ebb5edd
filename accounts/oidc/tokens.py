"""Checking a bearer token of an OpenID Connect issuer (RFC 7515, RFC 7519, RFC 8725, RFC 9068 §4).

The signature comes before the claims: whoever cannot sign learns nothing of what would have been wrong. Only the
issuer's name is read before, since it tells whose keys to look at.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from functools import cache
from threading import Semaphore
from typing import Any

from django.conf import settings
from jwcrypto import jws
from jwcrypto.common import JWException, base64url_decode, base64url_encode

from accounts.oidc.issuers import Issuer, token_type
from accounts.oidc.key_sets import Keys, keys_of
from accounts.oidc.keys import Key
from api import documents

MOST_BYTES = 16 * 1024
MOST_TEXT = 255
# From iat to exp, and from now where there is no iat: a token cannot be taken back, so it must end by itself.
MOST_SECONDS = 24 * 3600
# The year 5138; what lies beyond is no time.
LAST_TIME = 100_000_000_000
COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)")
# Would have the token name the keys that it is checked with.
KEY_HEADERS = ("jku", "jwk", "x5u")
# Only what is no access token says these: ID tokens (OpenID Connect Core 1.0 §3.3.2.11), logout tokens (§2.4 of its
# Back-Channel Logout).
OTHER_TOKENS = {"at_hash": "an ID token", "c_hash": "an ID token", "events": "a logout token"}


class TokenInvalid(Exception):
    """Raised for a token that is malformed, not signed by its issuer, or not an access token."""


class TokenIssuerUnknown(Exception):
    """Raised for a token of an issuer that is not configured."""


class TokenAudienceWrong(Exception):
    """Raised for a token that its issuer made for another service."""


class TokenExpired(Exception):
    """Raised for a token past its `exp`."""


class TokenNotYetValid(Exception):
    """Raised for a token before its `nbf`, or made in the future; the clocks may differ."""


@dataclass(frozen=True)
class Verified:
    """What a token proves: this issuer calls its bearer by this subject."""

    issuer: Issuer
    subject: str
    # The last moment at which it is taken, the leeway included.
    good_until: datetime


class Verifier:
    """Checks tokens of the configured issuers, and keeps the issuers' keys."""

    def __init__(self, issuers: Mapping[Issuer, Keys]) -> None:
        self._issuers = {issuer.name: (issuer, keys) for issuer, keys in issuers.items()}

    @classmethod
    def of(cls, issuers: tuple[Issuer, ...]) -> "Verifier":
        # Slow issuers, all together, are left half of the threads that answer calls.
        patient = Semaphore(max(1, settings.WEB_THREADS // 2))
        return cls({issuer: keys_of(issuer, patient) for issuer in issuers})

    def __bool__(self) -> bool:
        """Tell whether tokens are taken at all."""
        return bool(self._issuers)

    def verify(self, text: str, *, now: datetime) -> Verified:
        """Return what the token proves.

        Raises TokenInvalid, TokenIssuerUnknown, TokenAudienceWrong, TokenExpired, TokenNotYetValid; KeysUnavailable.
        """
        header, claims = _open(text)
        name = claims.get("iss")
        if not isinstance(name, str) or name not in self._issuers:
            raise TokenIssuerUnknown("The token's issuer is none whose tokens are taken here.")
        issuer, keys = self._issuers[name]
        algorithm, key_id = _check_header(header, issuer)
        if not is_signed(text, algorithm, keys.find(algorithm, key_id)):
            raise TokenInvalid("The token is not signed with a key of its issuer that fits its algorithm and kid.")
        return _check_claims(claims, issuer, now.timestamp())


@cache
def configured() -> Verifier:
    """Return the one verifier of this process, for the issuers of the settings."""
    return Verifier.of(settings.OIDC_ISSUERS)


def is_signed(text: str, algorithm: str, keys: list[Key]) -> bool:
    """Tell whether one of these keys made the signature of a compact JWS."""
    return any(_is_signed(text, algorithm, key) for key in keys)


def _is_signed(text: str, algorithm: str, key: Key) -> bool:
    token = jws.JWS()
    token.allowed_algs = [algorithm]
    try:
        token.deserialize(text)
        token.verify(key.jwk, algorithm)
    except JWException:
        return False
    return True


def _open(text: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return header and claims of a compact JWS, unchecked."""
    if len(text) > MOST_BYTES:
        raise TokenInvalid(f"The token is larger than {MOST_BYTES} bytes.")
    match = COMPACT.fullmatch(text)
    if match is None:
        raise TokenInvalid("The token is no signed JWT: three parts in base64url with dots between.")
    return _part(match[1], "header"), _part(match[2], "payload")


def _part(text: str, name: str) -> dict[str, Any]:
    try:
        raw = base64url_decode(text)
        # A decoder forgives what stands in the last character's spare bits: two texts for one token.
        if base64url_encode(raw) != text:
            raise ValueError
        found = documents.parse(raw, max_depth=16)
    except ValueError:
        raise TokenInvalid(f"The token's {name} is not base64url.") from None
    except (documents.InvalidJSON, documents.TooManyValues):
        raise TokenInvalid(f"The token's {name} is not strict JSON.") from None
    if not isinstance(found, dict):
        raise TokenInvalid(f"The token's {name} is no JSON object.")
    return found


def _check_header(header: dict[str, Any], issuer: Issuer) -> tuple[str, str | None]:
    """Return the algorithm and the id of the key."""
    for name in KEY_HEADERS:
        if name in header:
            raise TokenInvalid(f"The token's header has {name}: only the keys that its issuer publishes are believed.")
    for name in ("crit", "b64"):
        if name in header:
            raise TokenInvalid(f"The token's header has {name}, which is not understood here.")
    algorithm = header.get("alg")
    if not isinstance(algorithm, str) or algorithm not in issuer.algorithms:
        raise TokenInvalid(f"The token's algorithm is none of {', '.join(issuer.algorithms)}.")
    found = header.get("typ", "")
    if not isinstance(found, str) or token_type(found) not in issuer.types:
        raise TokenInvalid("The token's type (typ) is none that is taken from its issuer.")
    key_id = header.get("kid")
    if key_id is not None and (not isinstance(key_id, str) or len(key_id) > MOST_TEXT):
        raise TokenInvalid(f"The token's kid is no text of at most {MOST_TEXT} characters.")
    return algorithm, key_id


def _check_claims(claims: dict[str, Any], issuer: Issuer, now: float) -> Verified:
    for name, kind in OTHER_TOKENS.items():
        if name in claims:
            raise TokenInvalid(f"This is {kind}; send the access token.")
    audience = claims.get("aud")
    named = [audience] if isinstance(audience, str) else audience
    if not isinstance(named, list) or not any(isinstance(one, str) and one in issuer.audiences for one in named):
        raise TokenAudienceWrong("The token is not for this service: its aud is none that is configured here.")
    ends = _check_times(claims, issuer.leeway_seconds, now)
    subject = claims.get("sub")
    if not isinstance(subject, str) or not 0 < len(subject) <= MOST_TEXT:
        raise TokenInvalid(f"The token's sub is no text of 1 to {MOST_TEXT} characters.")
    return Verified(issuer, subject, datetime.fromtimestamp(ends + issuer.leeway_seconds, UTC))


def _check_times(claims: dict[str, Any], leeway: int, now: float) -> float:
    """Return when the token ends."""
    ends, begins, made = (_time(claims, name) for name in ("exp", "nbf", "iat"))
    if ends is None:
        raise TokenInvalid("The token has no exp.")
    if now >= ends + leeway:
        raise TokenExpired("The token has expired.")
    if begins is not None and now < begins - leeway:
        raise TokenNotYetValid("The token is not valid yet (nbf). Do the clocks differ?")
    if made is not None and now < made - leeway:
        raise TokenNotYetValid("The token was made in the future (iat). Do the clocks differ?")
    if ends - (now if made is None else made) > MOST_SECONDS + (leeway if made is None else 0):
        raise TokenInvalid(f"The token is valid for more than {MOST_SECONDS // 3600} hours.")
    return ends


def _time(claims: dict[str, Any], name: str) -> float | None:
    """Return a NumericDate (RFC 7519 §2)."""
    if name not in claims:
        return None
    found = claims[name]
    # To Python a boolean is an integer.
    if isinstance(found, bool) or not isinstance(found, int | Decimal) or not 0 <= found <= LAST_TIME:
        raise TokenInvalid(f"The token's {name} is no time.")
    return float(found)
