"""The limits that there are. Needs no Django."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Limit:
    """A limit by its name. `setting` is the number of calls that it allows in a window, 0 where it is switched off.

    `counted` is what it counts together. `without_valkey` is what holds while Valkey is gone: `local`, each process
    counts by itself; `closed`, nothing that it limits is done.
    """

    name: str
    counted: Literal["key", "organization", "address"]
    setting: str
    without_valkey: Literal["local", "closed"]
    about: str


DEFAULT = Limit("default", "key", "RATE_LIMIT_KEY", "local", "every call with an API key or a token")
ORGANIZATION = Limit("organization", "organization", "RATE_LIMIT_ORGANIZATION", "local", "the same, of all its keys")
SIGN_IN = Limit(
    "sign-in",
    "address",
    "RATE_LIMIT_SIGN_IN",
    "closed",
    "sign-up, invitations looked up or accepted, erasures asked for, tries to sign in to the console",
)
SECRETS = Limit("secrets", "key", "RATE_LIMIT_SECRETS", "closed", "reads of secrets")
TABLE = {limit.name: limit for limit in (DEFAULT, ORGANIZATION, SIGN_IN, SECRETS)}
# What holds for every call that comes with a key or a token.
OF_CALLERS = (DEFAULT, ORGANIZATION)


@dataclass(frozen=True, slots=True)
class Quota:
    """A limit as it holds for a call: so many under this key of Valkey."""

    limit: Limit
    key: str
    most: int


@dataclass(frozen=True, slots=True)
class Standing:
    """How a quota stands: what remains, and the seconds until one more fits and until nothing is spent."""

    name: str
    most: int
    remaining: int
    delay: float
    reset: float
