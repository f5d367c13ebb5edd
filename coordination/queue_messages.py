"""What queues give and refuse. Needs no Django."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

Purgeable = Literal["waiting", "dead", "all"]


class QueueMissing(Exception):
    """Raised when nothing was ever pushed to a queue, and it was not configured, or it was deleted since."""


class QueueFull(Exception):
    """Raised when a push would make a queue longer than its max_length; nothing of it was pushed."""


class TooManyQueues(Exception):
    """Raised when an organization has as many queues as it may have."""


class PushedOtherwise(Exception):
    """Raised when other messages were pushed under the same mark; nothing of these was."""


class InvalidReceipt(Exception):
    """Raised for a text that is no receipt."""


class ReceiptStale(Exception):
    """Raised when a message has gone to another, or back to the queue, since the receipt was given.

    `receipts` are those to which it happened; nothing was done with the others of the call either.
    """

    def __init__(self, receipts: Sequence[str]) -> None:
        super().__init__(f"Its message went to another, or back to the queue: {', '.join(receipts)}.")
        self.receipts = tuple(receipts)


@dataclass(frozen=True, slots=True)
class Settings:
    """What a queue is bounded by. `max_length` counts messages that are ready, delayed, in flight and dead."""

    max_length: int = 100_000
    max_message_bytes: int = 256 * 1024
    max_attempts: int = 5
    visibility_seconds: float = 30


@dataclass(frozen=True, slots=True)
class Message:
    """A message as a pop gives it. `attempts` counts deliveries, this one too; `text` is the body's JSON as pushed."""

    id: str
    text: str
    attempts: int
    pushed_at: datetime
    receipt: str
    visible_at: datetime

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Peeked:
    """A message that waits; `attempts` counts the deliveries so far."""

    id: str
    text: str
    attempts: int
    pushed_at: datetime

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class Popped:
    """What one pop gave, and in how many seconds something is due by itself; None when nothing is."""

    messages: list[Message]
    due_in: float | None


@dataclass(frozen=True, slots=True)
class Nacked:
    """What became of a message: ready, delayed until `visible_at`, dead, or `gone` when it was no longer held."""

    state: Literal["ready", "delayed", "dead", "gone"]
    visible_at: datetime | None


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that was delivered too often: given back the last time (`nacked`), or its visibility ran out."""

    id: str
    text: str
    attempts: int
    pushed_at: datetime
    died_at: datetime
    reason: Literal["expired", "nacked"]
    receipt: str

    @property
    def body(self) -> Any:
        return json.loads(self.text)


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """A page of dead letters; `more` tells whether there are others after the last."""

    letters: list[DeadLetter]
    more: bool


@dataclass(frozen=True, slots=True)
class Redriven:
    """How many dead letters went back to the queue, and how many there are left."""

    redriven: int
    left: int


@dataclass(frozen=True, slots=True)
class Purged:
    """How many messages went, and how many that were to go are left for another call."""

    purged: int
    left: int


@dataclass(frozen=True, slots=True)
class State:
    """How many messages a queue has, how old the oldest is that is ready or in flight, and its settings.

    What is due counts as ready: delayed messages, and those whose visibility ran out.
    """

    ready: int
    delayed: int
    in_flight: int
    dead: int
    oldest_seconds: float
    settings: Settings
