"""The public keys of an issuer, read from its JWK Set (RFC 7517), and which of them fit a token."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jwcrypto import jwk
from jwcrypto.common import JWException

from api import documents

logger = logging.getLogger("holdfast.oidc")

LEAST_RSA_BITS = 2048
MOST_KEYS = 100
# The key type of each algorithm, and the curves that go with it (RFC 7518 §3.1, RFC 8037 §3.1, RFC 9864 §2.2).
FAMILIES: dict[str, tuple[str, tuple[str, ...]]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", ())),
    "ES256": ("EC", ("P-256",)),
    "ES384": ("EC", ("P-384",)),
    "ES512": ("EC", ("P-521",)),
    "EdDSA": ("OKP", ("Ed25519", "Ed448")),
    "Ed25519": ("OKP", ("Ed25519",)),
}
# The two names of one algorithm.
SYNONYMS = {"Ed25519": "EdDSA", "Ed448": "EdDSA"}
# What is read of a key: its public half, and not what would lead to another (x5u, x5c).
PUBLIC = {"RSA": ("kty", "n", "e"), "EC": ("kty", "crv", "x", "y"), "OKP": ("kty", "crv", "x")}


class KeySetUnreadable(Exception):
    """Raised for what is no JWK Set."""


@dataclass(frozen=True)
class Key:
    """A public key for checking signatures. `algorithm` is empty where the issuer lets it serve any that fits."""

    id: str | None
    kind: str
    curve: str
    algorithm: str
    jwk: Any

    def fits(self, algorithm: str) -> bool:
        kind, curves = FAMILIES[algorithm]
        return (
            self.kind == kind
            and (not curves or self.curve in curves)
            and (not self.algorithm or _plain(self.algorithm) == _plain(algorithm))
        )


@dataclass(frozen=True)
class KeySet:
    keys: tuple[Key, ...]

    def find(self, algorithm: str, key_id: str | None) -> list[Key]:
        """Return the keys of this id that fit; for a token that names none the only one that does, if there is one."""
        fitting = [key for key in self.keys if key.fits(algorithm)]
        if key_id is None:
            return fitting if len(fitting) == 1 else []
        return [key for key in fitting if key.id == key_id]


def read_key_set(raw: bytes) -> KeySet:
    """Return the keys of a JWK Set that can check a signature; others are passed over. Raises KeySetUnreadable."""
    try:
        document = documents.parse(raw)
    except (documents.InvalidJSON, documents.TooManyValues):
        raise KeySetUnreadable("it is not strict JSON") from None
    found = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(found, list):
        raise KeySetUnreadable("it is no JWK Set: it has no list of keys")
    return KeySet(tuple(_usable(found[:MOST_KEYS])))


def _usable(found: Iterable[Any]) -> Iterable[Key]:
    for given in found:
        key = _key(given) if isinstance(given, dict) else None
        if key is not None:
            yield key


def _key(given: dict[str, Any]) -> Key | None:
    """Return the key, or None for one that is secret, weak, broken, unknown, or meant for something else."""
    kind, key_id, algorithm = given.get("kty"), given.get("kid"), given.get("alg", "")
    if not (isinstance(kind, str) and isinstance(key_id, str | None) and isinstance(algorithm, str)):
        return None
    if kind not in PUBLIC:
        return None
    operations = given.get("key_ops", ["verify"])
    if given.get("use", "sig") != "sig" or not isinstance(operations, list) or "verify" not in operations:
        return None
    try:
        made = jwk.JWK(**{name: given[name] for name in PUBLIC[kind]})
        public = made.get_op_key("verify")
    except (JWException, KeyError, TypeError, ValueError):
        logger.warning("a key of an issuer is broken", extra={"kid": key_id})
        return None
    if kind == "RSA" and public.key_size < LEAST_RSA_BITS:
        logger.warning("a key of an issuer is too weak", extra={"kid": key_id, "bits": public.key_size})
        return None
    return Key(key_id, kind, str(given.get("crv", "")), algorithm, made)


def _plain(algorithm: str) -> str:
    return SYNONYMS.get(algorithm, algorithm)
