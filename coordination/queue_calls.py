"""The calls of queues, and what they answer. Needs no Django; coordination/queues.py runs them.

Bodies are JSON texts here, kept and given back as they come. Raises InvalidName, InvalidTTL, ValueTooLarge and, for a
number that is out of its bounds, ValueError before anything is sent.
"""

import hashlib
import json
import random
import re
import uuid
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from api.identifiers import new_id
from coordination import keys
from coordination.calls import Call, Script
from coordination.names import ValueTooLarge, check_queue, milliseconds
from coordination.queue_messages import (
    DeadLetter,
    DeadLetters,
    InvalidReceipt,
    Message,
    Nacked,
    Peeked,
    Popped,
    Purgeable,
    Purged,
    PushedOtherwise,
    QueueFull,
    QueueMissing,
    ReceiptStale,
    Redriven,
    Settings,
    State,
    TooManyQueues,
)

MAX_QUEUES = 1000
MAX_COUNT = 100
MAX_REDRIVEN = 100
MAX_LENGTH = 10_000_000
MAX_MESSAGE_BYTES = 1024 * 1024
MAX_ATTEMPTS = 1000
# Of one push; a pop, a peek, a page of dead letters and a redrive end with the message that passes it.
MAX_BATCH_BYTES = 4 * 1024 * 1024
# Of a pop whose answer is kept in PostgreSQL for an Idempotency-Key; it too ends with the message that passes it.
MAX_KEPT_BYTES = 512 * 1024
MAX_DELAY_SECONDS = 30 * 24 * 3600
MAX_VISIBILITY_SECONDS = 12 * 3600
FIRST_BACKOFF_SECONDS, LAST_BACKOFF_SECONDS = 1, 900
# Two numbers of 64 bits and how often the entry has been delivered.
RECEIPT = re.compile(r"(\d{1,19}-\d{1,19}):(\d{1,9})", re.ASCII)
ENTRY = re.compile(r"\d{1,19}-\d{1,19}", re.ASCII)

PUSH, POP, ACK, NACK, EXTEND, STATE, CONFIGURE, PEEK, DEAD, REDRIVE, PURGE, DELETE = (
    Script("queue", f"queue_{verb}")
    for verb in (
        *("push", "pop", "ack", "nack", "extend", "state"),
        *("configure", "peek", "dead", "redrive", "purge", "delete"),
    )
)
NAMES = Script("queue_names")


@dataclass(frozen=True, slots=True)
class Once:
    """What tells a push apart from all but its repetitions, and for how many seconds they push nothing more."""

    mark: str
    seconds: float

    def digest(self, messages: Sequence[tuple[bytes, int]]) -> str:
        """Return what tells these messages apart from others that come under the mark."""
        found = hashlib.sha256(self.mark.encode())
        for raw, delay in messages:
            found.update(f"\n{delay} {len(raw)} ".encode() + raw)
        return found.hexdigest()


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _time(value: Any) -> datetime:
    return datetime.fromtimestamp(int(value) / 1000, UTC)


def _stored(settings: Settings) -> dict[str, int]:
    """Return settings as a script knows them."""
    found: dict[str, Any] = asdict(settings)
    seconds = found.pop("visibility_seconds")
    return {**found, "visibility_ms": _visibility(seconds)}


def _visibility(seconds: float) -> int:
    return milliseconds(seconds, most=MAX_VISIBILITY_SECONDS, what="visibility_seconds")


def _delay(seconds: float) -> int:
    """Return a delay in milliseconds; of all times this one may be none."""
    if isinstance(seconds, int | float | Decimal) and not isinstance(seconds, bool) and seconds == 0:
        return 0
    return milliseconds(seconds, most=MAX_DELAY_SECONDS, what="delay_seconds")


def _repeatable_id(digest: str, index: int) -> str:
    """Return a UUIDv8 (RFC 9562 §5.8): the same for the same push, and in the order of its messages.

    What comes due in the same millisecond is delivered in the order of its ids.
    """
    number = int(digest[:28], 16) << 16 | index
    number = number & ~(0xF << 76) | 8 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 2 << 62))


def check_count(count: int, what: str = "count", most: int = MAX_COUNT) -> int:
    if isinstance(count, bool) or not isinstance(count, int) or not 1 <= count <= most:
        raise ValueError(f"The {what} must be 1 to {most:,}.")
    return count


def check_wait(seconds: float, most: float) -> float:
    """Return for how long a pop may wait, 0 for not at all; raises InvalidTTL."""
    if not isinstance(seconds, bool) and seconds == 0:
        return 0
    return milliseconds(seconds, most=most, what="wait_seconds") / 1000


def backoff(receipt: str) -> float:
    """Return seconds until a message that was given back is delivered again: doubled each time, half of it chance."""
    _, attempt = _parts(receipt)
    longest: float = min(LAST_BACKOFF_SECONDS, FIRST_BACKOFF_SECONDS * 2 ** min(int(attempt), 20) / 2)
    return longest * (0.5 + random.random() / 2)  # noqa: S311  (no secret)


def _parts(receipt: str) -> tuple[str, str]:
    found = RECEIPT.fullmatch(receipt) if isinstance(receipt, str) else None
    if found is None:
        raise InvalidReceipt("A receipt is what a pop gave with the message, as it stands.")
    return found[1], found[2]


def _refuse(found: list[Any], receipts: Sequence[str] = ()) -> list[Any]:
    """Return what a script answered after its word; raises what the word says."""
    word, *rest = found
    match _text(word):
        case "missing":
            raise QueueMissing("There is no such queue: nothing was pushed to it.")
        case "stale":
            raise ReceiptStale([receipts[index] for index in rest[0]])
        case "limit":
            raise TooManyQueues(f"The organization may have {int(rest[0]):,} queues, and has as many.")
        case "other":
            raise PushedOtherwise("Other messages were pushed with this Idempotency-Key.")
        case "full":
            raise QueueFull(f"The queue has {int(rest[0]):,} messages, and may have {int(rest[1]):,}.")
        case "large":
            raise ValueTooLarge(f"A message has {int(rest[0]):,} bytes of JSON; the queue takes {int(rest[1]):,}.")
    return rest


def _nothing(found: Any) -> None:
    _refuse(found)


class Calls:
    """The calls on the queues of one organization."""

    def __init__(self, organization: keys.Tenant | None) -> None:
        self.organization = organization
        self._defaults = json.dumps(_stored(Settings()))

    def _keys(self, name: str) -> tuple[str, ...]:
        return keys.of_queue(self.organization, check_queue(name))

    def push(
        self, name: str, messages: Sequence[tuple[str | bytes, float]], once: Once | None = None
    ) -> Call[list[str]]:
        """Push texts, each with its delay in seconds; raises ValueTooLarge for more than MAX_BATCH_BYTES in all.

        Where they were pushed under the mark of `once` before, nothing is pushed and the ids are the same.
        """
        check_count(len(messages), "number of messages")
        raws = [(text.encode() if isinstance(text, str) else text, _delay(delay)) for text, delay in messages]
        size = sum(len(raw) for raw, _ in raws)
        if size > MAX_BATCH_BYTES:
            raise ValueTooLarge(f"The messages have {size:,} bytes of JSON; one push takes {MAX_BATCH_BYTES:,}.")
        places = self._keys(name)
        if once is None:
            ids, known = [str(new_id()) for _ in raws], ("", 0)
        else:
            digest = once.digest(raws)
            ids, known = [_repeatable_id(digest, at) for at in range(len(raws))], (digest, int(once.seconds * 1000))
            places += (keys.pushed(self.organization, name, once.mark),)
        arguments: list[str | bytes | int] = [self._defaults, name, MAX_QUEUES, *known]
        for id_, (raw, delay) in zip(ids, raws, strict=True):
            arguments += [id_, delay, raw]

        def read(found: Any) -> list[str]:
            _refuse(found)
            return ids

        return Call(PUSH, places, tuple(arguments), read)

    def pop(
        self, name: str, count: int, visibility_seconds: float | None, most_bytes: int = MAX_BATCH_BYTES
    ) -> Call[Popped]:
        visible = "" if visibility_seconds is None else _visibility(visibility_seconds)
        return Call(POP, self._keys(name), (self._defaults, check_count(count), visible, most_bytes), _read_popped)

    def ack(self, name: str, receipts: Sequence[str]) -> Call[list[bool]]:
        check_count(len(receipts), "number of receipts")
        arguments = tuple(part for receipt in receipts for part in _parts(receipt))
        return Call(ACK, self._keys(name), arguments, lambda found: [one == 1 for one in _refuse(found, receipts)[0]])

    def nack(self, name: str, receipt: str, delay_seconds: float | None) -> Call[Nacked]:
        entry, attempt = _parts(receipt)
        delay = _delay(backoff(receipt) if delay_seconds is None else delay_seconds)

        def read(found: Any) -> Nacked:
            word, visible = (_text(part) for part in _refuse(found, [receipt]))
            state: Any = "gone" if word == "returned" else word
            return Nacked(state, _time(visible) if int(visible) else None)

        return Call(NACK, self._keys(name), (self._defaults, entry, attempt, delay), read)

    def extend(self, name: str, receipt: str, visibility_seconds: float) -> Call[datetime]:
        arguments = (*_parts(receipt), _visibility(visibility_seconds))
        return Call(EXTEND, self._keys(name), arguments, lambda found: _time(_refuse(found, [receipt])[0]))

    def state(self, name: str) -> Call[State]:
        return Call(STATE, self._keys(name), (self._defaults,), _read_state)

    def configure(self, name: str, settings: Settings) -> Call[None]:
        check_count(settings.max_length, "max_length", MAX_LENGTH)
        check_count(settings.max_message_bytes, "max_message_bytes", MAX_MESSAGE_BYTES)
        check_count(settings.max_attempts, "max_attempts", MAX_ATTEMPTS)
        defaults = _stored(Settings())
        given = {field: value for field, value in _stored(settings).items() if value != defaults[field]}
        arguments: list[str | bytes | int] = [name, MAX_QUEUES]
        for field, value in given.items():
            arguments += [field, value]
        return Call(CONFIGURE, self._keys(name), tuple(arguments), _nothing)

    def peek(self, name: str, count: int) -> Call[list[Peeked]]:
        def read(found: Any) -> list[Peeked]:
            return [
                Peeked(_text(id_), _text(body), int(attempts), _time(pushed))
                for _, attempts, id_, pushed, body in _refuse(found)[0]
            ]

        return Call(PEEK, self._keys(name), (check_count(count),), read)

    def dead(self, name: str, after: str, limit: int) -> Call[DeadLetters]:
        if after:
            check_dead(after)
        return Call(DEAD, self._keys(name), (after, check_count(limit, "limit")), _read_dead)

    def redrive(self, name: str, receipts: Sequence[str] | None, limit: int) -> Call[Redriven]:
        check_count(limit, "limit", MAX_REDRIVEN)
        if receipts is not None:
            check_count(len(receipts), "number of receipts", MAX_REDRIVEN)
        arguments: list[str | bytes | int] = [limit, *map(check_dead, receipts or ())]
        return Call(REDRIVE, self._keys(name), tuple(arguments), lambda found: Redriven(*map(int, _refuse(found))))

    def purge(self, name: str, what: Purgeable) -> Call[Purged]:
        return Call(PURGE, self._keys(name), (what,), lambda found: Purged(*map(int, _refuse(found))))

    def delete(self, name: str) -> Call[None]:
        return Call(DELETE, self._keys(name), (name,), _nothing)

    def names(self, after: str, limit: int) -> Call[list[str]]:
        found = keys.queues(self.organization)
        return Call(NAMES, (found,), (after, limit), lambda names: [_text(name) for name in names])


def check_dead(receipt: str) -> str:
    """Return the receipt of a dead letter; raises InvalidReceipt."""
    if not isinstance(receipt, str) or not ENTRY.fullmatch(receipt):
        raise InvalidReceipt("The receipt of a dead letter is what the list of dead letters has for it, as it stands.")
    return receipt


def _read_popped(found: Any) -> Popped:
    given, visible, due = found
    messages = [
        Message(
            id=_text(id_),
            text=_text(body),
            attempts=int(attempts),
            pushed_at=_time(pushed),
            receipt=f"{_text(entry)}:{int(attempts)}",
            visible_at=_time(visible),
        )
        for entry, attempts, id_, pushed, body in given
    ]
    return Popped(messages, int(due) / 1000 if int(due) >= 0 else None)


def _read_state(found: Any) -> State:
    ready, delayed, in_flight, dead, oldest, *settings = (int(one) for one in _refuse(found))
    max_length, max_message_bytes, max_attempts, visibility = settings
    seconds = visibility / 1000
    return State(
        ready,
        delayed,
        in_flight,
        dead,
        oldest / 1000,
        Settings(max_length, max_message_bytes, max_attempts, int(seconds) if seconds.is_integer() else seconds),
    )


def _read_dead(found: Any) -> DeadLetters:
    letters, more = _refuse(found)
    return DeadLetters([_read_letter(*map(_text, letter)) for letter in letters], more == 1)


def _read_letter(entry: str, attempts: str, id_: str, pushed: str, body: str, reason: Any) -> DeadLetter:
    died = _time(entry.partition("-")[0])
    return DeadLetter(id_, body, int(attempts), _time(pushed), died, reason, entry)
