"""The form of an API key, `<prefix>_<id>_<secret><checksum>`, and of an invitation's token, the same behind `hfi_`.

The prefix names the environment: `hf_` production, `hfs_` staging, `hfd_` development, `hft_` test. `id` (12
characters) finds the row, `secret` (32, about 190 bits) proves the right to it, `checksum` (6) is the CRC-32 of all
before it in base 62, so that a mistyped key never costs a query and a secret scanner can tell a real key from a
lookalike: `hf[sdti]?_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}`. docs/reference/key-format.md is written for those.
"""

import hashlib
import re
import secrets
import string
import zlib
from dataclasses import dataclass

from django.db.models import TextChoices


class Environment(TextChoices):
    """What a key is for. Its text says it, so that people and scanners see it; nothing changes it."""

    PRODUCTION = "production"
    STAGING = "staging"
    DEVELOPMENT = "development"
    TEST = "test"


ALPHABET = string.digits + string.ascii_uppercase + string.ascii_lowercase
ID_LENGTH, SECRET_LENGTH, CHECKSUM_LENGTH = 12, 32, 6
PREFIXES: dict[str, str] = {
    Environment.PRODUCTION: "hf_",
    Environment.STAGING: "hfs_",
    Environment.DEVELOPMENT: "hfd_",
    Environment.TEST: "hft_",
}
INVITATION_PREFIX = "hfi_"
# What tells a key from a token of an identity provider.
OF_KEYS = tuple(PREFIXES.values())
REST = rf"([0-9A-Za-z]{{{ID_LENGTH}}})_[0-9A-Za-z]{{{SECRET_LENGTH + CHECKSUM_LENGTH}}}"
FORM = re.compile(rf"(hf[sdt]?_){REST}")
INVITATION_FORM = re.compile(rf"({INVITATION_PREFIX}){REST}")


@dataclass(frozen=True)
class NewKey:
    """A key or a token as it is shown once. `digest` is what is stored."""

    key_id: str
    text: str

    @property
    def digest(self) -> bytes:
        return digest(self.text)


def generate(prefix: str = PREFIXES[Environment.PRODUCTION]) -> NewKey:
    key_id, secret = _random(ID_LENGTH), _random(SECRET_LENGTH)
    body = f"{prefix}{key_id}_{secret}"
    return NewKey(key_id, body + checksum(body))


def find_key_id(text: str, form: re.Pattern[str] = FORM) -> str | None:
    """Return the id inside a well-formed key (or token) whose checksum is right, else None."""
    match = form.fullmatch(text)
    if match is None or checksum(text[:-CHECKSUM_LENGTH]) != text[-CHECKSUM_LENGTH:]:
        return None
    return match[2]


def claimed_id(text: str) -> str:
    """Return what stands where a key's id stands, whatever the text is: for keys that are known already."""
    return text[3:15] if text[2:3] == "_" else text[4:16]


def digest(text: str) -> bytes:
    """Return the SHA-256 of a key; a slow hash would add nothing to 190 random bits."""
    return hashlib.sha256(text.encode()).digest()


def checksum(body: str) -> str:
    number, characters = zlib.crc32(body.encode()), []
    for _ in range(CHECKSUM_LENGTH):
        number, rest = divmod(number, 62)
        characters.append(ALPHABET[rest])
    return "".join(reversed(characters))


def _random(length: int) -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(length))
