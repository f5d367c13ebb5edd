"""Receipts of erasures: JSON that only a holder of SECRET_KEY can have made.

An HMAC rather than a public key's signature: the one who verifies is the operator, who has the key already, and nothing
new has to be kept, rotated or lost. A third party asks the operator, whose own copy of the receipt is compared too.
"""

import hashlib
import hmac
import json
from typing import Any

from django.conf import settings

PURPOSE = b"holdfast receipts of erasures\n"


def sign(facts: dict[str, Any]) -> dict[str, Any]:
    """Return the facts with their signature under SECRET_KEY."""
    return {**facts, "signature": _digest(settings.SECRET_KEY, facts)}


def is_genuine(receipt: dict[str, Any]) -> bool:
    """Was the receipt signed under SECRET_KEY, or one of its predecessors, and not changed since?"""
    facts = {name: value for name, value in receipt.items() if name != "signature"}
    given = str(receipt.get("signature", "")).encode()
    secrets = [settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS]
    return any(hmac.compare_digest(_digest(secret, facts).encode(), given) for secret in secrets)


def _digest(secret: str, facts: dict[str, Any]) -> str:
    key = hashlib.sha256(PURPOSE + secret.encode()).digest()
    text = json.dumps(facts, sort_keys=True, separators=(",", ":"))
    return hmac.new(key, text.encode(), hashlib.sha256).hexdigest()
