"""The cache's calls, and what they return. Needs no Django; `coordination.cache` is what programs use.

An entry is one string, itself JSON: `{"fresh_until":1790000000000,"value":…}`, with a time of the server's clock in
milliseconds. It expires by itself once its time to live and what it may be stale are over. Who computes a value has a
lease, a random token under a key of its own with a time limit (docs/decisions/0025).
"""

import json
import secrets
from collections.abc import Collection, Mapping, Sized
from dataclasses import dataclass
from typing import Any

from coordination import keys, names
from coordination.calls import Call, Script

MAX_BATCH = 100
MAX_BATCH_BYTES = 4 * 1024 * 1024
MAX_COMPUTE_SECONDS = MAX_WAIT_SECONDS = 3600
HEAD, MIDDLE, TAIL = b'{"fresh_until":', b',"value":', b"}"

GET, SET, DELETE, TURN, RELEASE = (
    *(Script("cache_time", f"cache_{name}") for name in ("get", "set")),
    Script("cache_delete"),
    Script("cache_time", "cache_turn"),
    Script("cache_release"),
)


class BatchTooLarge(Exception):
    """Raised for more names at once than are taken."""


@dataclass(frozen=True, slots=True)
class Entry:
    """What is stored: JSON text, and for how long it is fresh still (0 seconds once it is stale)."""

    text: bytes
    fresh: bool
    expires_in_seconds: float

    @property
    def value(self) -> Any:
        """The value, read anew each time: numbers with a point or an exponent are floats."""
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Found:
    """The entries that were found, by name, and the names to ask for again, for which one answer had no room."""

    entries: dict[str, Entry]
    left_out: list[str]


@dataclass(frozen=True, slots=True)
class Turn:
    """What there is to take, and who computes: the caller where `granted`, another for `ends_in_seconds` at most."""

    entry: Entry | None
    granted: bool
    ends_in_seconds: float

    @property
    def waits(self) -> bool:
        return self.entry is None and not self.granted


@dataclass(frozen=True, slots=True)
class Life:
    """For how long an entry is fresh, and for how long it is kept, in milliseconds."""

    fresh: int
    kept: int


def life(ttl: float, stale_seconds: float = 0) -> Life:
    """Return both times, of seconds; raises InvalidTTL. What is never stale is kept for as long as it is fresh."""
    fresh = names.milliseconds(ttl)
    never = stale_seconds == 0 and not isinstance(stale_seconds, bool)
    return Life(fresh, fresh + (0 if never else names.milliseconds(stale_seconds, what="time of being stale")))


def new_token() -> str:
    return secrets.token_urlsafe(16)


def get(organization: keys.Tenant | None, resource: str, wanted: Collection[str]) -> Call[Found]:
    """Return what is stored under each name; raises InvalidName, BatchTooLarge."""
    checked = _checked(resource, wanted)
    places = tuple(keys.cache(organization, resource, name) for name in checked)
    return Call(GET, places, (MAX_BATCH_BYTES,), lambda answer: _found(checked, answer))


def put(
    organization: keys.Tenant | None, resource: str, texts: Mapping[str, bytes], life: Life, *, token: str = ""
) -> Call[bool]:
    """Store JSON texts, and return whether they were: not if the lease of `token` is over."""
    if len(texts) > 1 and sum(map(len, texts.values())) > MAX_BATCH_BYTES:
        raise names.ValueTooLarge(f"The values together have more than {MAX_BATCH_BYTES:,} bytes of JSON.")
    places = _pairs(organization, resource, _checked(resource, texts))
    return Call(SET, places, (life.fresh, life.kept, token, *texts.values()), bool)


def delete(organization: keys.Tenant | None, resource: str, unwanted: Collection[str]) -> Call[bool]:
    """Forget what is stored under each name, and refuse what is being computed for it."""
    return Call(DELETE, _pairs(organization, resource, _checked(resource, unwanted)), (), bool)


def turn(
    organization: keys.Tenant | None, resource: str, name: str, *, token: str, compute_seconds: float
) -> Call[Turn]:
    """Return what there is; where that is nothing fresh and nobody computes, the lease is the token's."""
    lease = names.milliseconds(compute_seconds, most=MAX_COMPUTE_SECONDS, what="time to compute")
    return Call(TURN, _pairs(organization, resource, _checked(resource, [name])), (token, lease), _turn)


def release(organization: keys.Tenant | None, resource: str, name: str, *, token: str) -> Call[bool]:
    """Let the lease go without a value, so that a waiter computes; one that is over, or another's, is left alone."""
    return Call(RELEASE, _pairs(organization, resource, _checked(resource, [name])), (token,), bool)


def check_batch(wanted: Sized) -> None:
    """Refuse more names than are taken at once, before anything is done with what they name; raises BatchTooLarge."""
    if len(wanted) > MAX_BATCH:
        raise BatchTooLarge(f"At most {MAX_BATCH} names are taken at once.")


def _checked(resource: str, wanted: Collection[str]) -> list[str]:
    check_batch(wanted)
    names.check_resource(resource)
    # In the order in which they are given, each once.
    return list(dict.fromkeys(names.check_name(name, "name") for name in wanted))


def _pairs(organization: keys.Tenant | None, resource: str, wanted: list[str]) -> tuple[str, ...]:
    makers = (keys.cache, keys.computing)
    return tuple(make(organization, resource, name) for name in wanted for make in makers)


def _found(wanted: list[str], answer: list[Any]) -> Found:
    now, *held = answer
    pairs = list(zip(wanted, held, strict=True))
    entries = {name: _entry(raw, now) for name, raw in pairs if isinstance(raw, bytes)}
    return Found(entries, [name for name, raw in pairs if isinstance(raw, int)])


def _turn(answer: list[Any]) -> Turn:
    now, raw, remaining = answer
    granted = remaining == 0
    entry = None if raw is None or granted else _entry(raw, now)
    return Turn(entry, granted, (remaining or 0) / 1000)


def _entry(raw: bytes, now: int) -> Entry:
    head, _, rest = raw.partition(MIDDLE)
    left = int(head.removeprefix(HEAD)) - now
    return Entry(rest.removesuffix(TAIL), left >= 0, max(0, left) / 1000)


def check_wait(seconds: float, *, most: float = MAX_WAIT_SECONDS) -> float:
    """Return for how long to wait; raises InvalidTTL."""
    if seconds == 0 and not isinstance(seconds, bool):
        return 0
    return names.milliseconds(seconds, most=most, what="time to wait") / 1000
