"""The OpenID Connect issuers whose tokens are taken, as `OIDC_ISSUERS` names them.

Read while the settings are: nothing here may need them.
"""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from api import documents

# Asymmetric ones alone: with a symmetric key whoever can check a token can make one.
ALGORITHMS = (
    "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
)  # fmt: skip
DEFAULT_ALGORITHMS = ("RS256", "ES256", "PS256", "EdDSA")
# Of access tokens (RFC 9068 §2.1), of JWTs of any kind, and of those that do not say.
DEFAULT_TYPES = ("at+jwt", "jwt", "")
MOST_LEEWAY = 300
MOST_NAME = 255
LINKED, EXTERNAL_ID = "linked", "external-id"
KNOWN = ("issuer", "audience", "jwks", "algorithms", "types", "leeway_seconds", "users")
DISCOVERY = "/.well-known/openid-configuration"


class BadIssuers(Exception):
    """Raised for a configuration of issuers that cannot be used; the message says where and why."""


@dataclass(frozen=True)
class Issuer:
    """One issuer, and what a token of it must be. `types` are in lower case, without `application/`."""

    # At most 255 characters, as it is kept with each subject that is linked to a user.
    name: str
    audiences: frozenset[str]
    algorithms: tuple[str, ...] = DEFAULT_ALGORITHMS
    types: frozenset[str] = frozenset(DEFAULT_TYPES)
    leeway_seconds: int = 60
    users: str = LINKED
    # Where its keys are: a file, else an address, else what its own discovery document says.
    key_file: Path | None = None
    key_url: str = ""

    @property
    def discovery_url(self) -> str:
        return self.name.rstrip("/") + DISCOVERY


def parse_issuers(text: str) -> tuple[Issuer, ...]:
    """Return the issuers of a JSON list. Raises BadIssuers."""
    try:
        found = documents.parse(text.encode())
    except documents.InvalidJSON as error:
        raise BadIssuers(f"is not JSON: {str(error).removeprefix('The body ')}") from None
    if not isinstance(found, list):
        raise BadIssuers('must be a JSON list of issuers: [{"issuer": "https://…", "audience": "…"}].')
    issuers = tuple(_issuer(f"[{number}]", given) for number, given in enumerate(found))
    names = [issuer.name for issuer in issuers]
    if len(set(names)) != len(names):
        raise BadIssuers("names the same issuer twice.")
    if sum(issuer.users == EXTERNAL_ID for issuer in issuers) > 1:
        # Each could call a subject what the other calls somebody else.
        raise BadIssuers(f"has several issuers whose users are {EXTERNAL_ID!r}; only one may be.")
    return issuers


def token_type(given: str) -> str:
    """Return a media type as it is compared: in lower case, and without `application/` (RFC 7515 §4.1.9)."""
    return given.lower().removeprefix("application/")


def check_url(url: str) -> str:
    """Return the address when keys may be read from it: https, or http on this machine. Raises BadIssuers."""
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        raise BadIssuers("is not a URL.") from None
    if not host or parts.scheme not in ("http", "https") or not url.isascii() or not url.isprintable() or " " in url:
        raise BadIssuers("is not an https:// URL.")
    if parts.scheme == "http" and not is_loopback(host):
        raise BadIssuers("must begin with https://; http:// is for this machine alone, such as http://127.0.0.1.")
    if "@" in parts.netloc or parts.fragment:
        raise BadIssuers("has a user, a password or a fragment, which no such URL needs.")
    return url


def is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _issuer(place: str, given: Any) -> Issuer:
    if not isinstance(given, dict):
        raise BadIssuers(f"{place} is no JSON object.")
    for name in given:
        if name not in KNOWN:
            raise BadIssuers(f"{place} has the unknown field {name!r}.")
    try:
        name = check_url(_text(given.get("issuer")))
        if len(name) > MOST_NAME:
            raise BadIssuers(f"is longer than {MOST_NAME} characters.")
    except BadIssuers as error:
        raise BadIssuers(f"{place}.issuer {error}") from None
    try:
        key_file, key_url = _keys(given.get("jwks"))
    except BadIssuers as error:
        raise BadIssuers(f"{place}.jwks {error}") from None
    return Issuer(
        name=name,
        audiences=frozenset(_texts(place, given, "audience", ())),
        algorithms=_algorithms(place, given),
        types=_types(place, given),
        leeway_seconds=_leeway(place, given),
        users=_choice(place, given, "users", LINKED, (LINKED, EXTERNAL_ID)),
        key_file=key_file,
        key_url=key_url,
    )


def _text(given: Any) -> str:
    if not isinstance(given, str) or not given:
        raise BadIssuers("must be given, as a text that is not empty.")
    return given


def _texts(place: str, given: Mapping[str, Any], name: str, default: tuple[str, ...]) -> tuple[str, ...]:
    """Return one or several texts, none of them empty."""
    found = given.get(name, list(default))
    found = [found] if isinstance(found, str) else found
    if not isinstance(found, list) or not found or not all(isinstance(text, str) and text for text in found):
        raise BadIssuers(f"{place}.{name} must be a text or a list of texts, none of them empty.")
    return tuple(found)


def _algorithms(place: str, given: Mapping[str, Any]) -> tuple[str, ...]:
    found = _texts(place, given, "algorithms", DEFAULT_ALGORITHMS)
    for algorithm in found:
        if algorithm.lower() == "none" or algorithm.upper().startswith("HS"):
            raise BadIssuers(f"{place}.algorithms has {algorithm!r}, which anybody could sign with who may check it.")
        if algorithm not in ALGORITHMS:
            raise BadIssuers(f"{place}.algorithms has {algorithm!r}; known are {', '.join(ALGORITHMS)}.")
    return found


def _types(place: str, given: Mapping[str, Any]) -> frozenset[str]:
    """Return the types, of which null stands for a token that names none."""
    found = given.get("types", list(DEFAULT_TYPES))
    if not isinstance(found, list) or not found or not all(isinstance(one, str | None) for one in found):
        raise BadIssuers(f'{place}.types must be a list such as ["at+jwt", "JWT", null].')
    return frozenset(token_type(one or "") for one in found)


def _leeway(place: str, given: Mapping[str, Any]) -> int:
    found = given.get("leeway_seconds", 60)
    if type(found) is not int or not 0 <= found <= MOST_LEEWAY:
        raise BadIssuers(f"{place}.leeway_seconds must be a whole number between 0 and {MOST_LEEWAY}.")
    return found


def _choice(place: str, given: Mapping[str, Any], name: str, default: str, allowed: tuple[str, ...]) -> str:
    found = given.get(name, default)
    if found not in allowed:
        raise BadIssuers(f"{place}.{name} must be one of {', '.join(allowed)}.")
    return str(found)


def _keys(given: Any) -> tuple[Path | None, str]:
    """Return the file or the address of a key set; neither for discovery."""
    if given is None:
        return None, ""
    text = _text(given)
    path = text.removeprefix("file://")
    if not path.startswith("/"):
        return None, check_url(text)
    if not Path(path).is_file():
        raise BadIssuers(f"names {path}, which is no file.")
    return Path(path), ""
