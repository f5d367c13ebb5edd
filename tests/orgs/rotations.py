"""Rotations of keys, as tests ask for them."""

from datetime import datetime
from typing import Any

from orgs.services.api_keys import MintedKey
from tests.factories import Answer, Caller

OWN = "/me/api-key/rotate"


def rotate(caller: Caller, key: MintedKey, **fields: Any) -> Answer:
    return caller.post(f"/api-keys/{key.row.id}/rotate", fields)


def instant(text: str) -> datetime:
    return datetime.fromisoformat(text)
