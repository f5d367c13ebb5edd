"""Small texts that the database keeps without being able to read them: encrypted under SECRET_KEY (A256GCM)."""

import hashlib
import json

from django.conf import settings
from jwcrypto import jwe, jwk
from jwcrypto.common import JWException, base64url_encode


def encrypt(plain: str, *, purpose: str) -> str:
    """Return the text under a key made from SECRET_KEY and the purpose: what is kept for one opens for no other."""
    token = jwe.JWE(plain.encode(), protected=json.dumps({"alg": "dir", "enc": "A256GCM"}))
    token.add_recipient(_keys(purpose)[0])
    return str(token.serialize(compact=True))


def decrypt(kept: str, *, purpose: str) -> str | None:
    """Return the text, also when an older SECRET_KEY of the fallbacks encrypted it; None where none of them did."""
    for key in _keys(purpose):
        token = jwe.JWE(algs=["dir", "A256GCM"])
        try:
            token.deserialize(kept, key=key)
        except JWException:
            continue
        return bytes(token.payload).decode()
    return None


def _keys(purpose: str) -> list[jwk.JWK]:
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    digests = [hashlib.sha256(f"holdfast {purpose}\n{secret}".encode()).digest() for secret in secrets]
    return [jwk.JWK(kty="oct", k=base64url_encode(digest)) for digest in digests]
