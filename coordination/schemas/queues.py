"""Queues on the wire. Names, times and sizes are checked where they are used: each has an error of its own."""

from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from api.values import INTEGER, Number
from coordination.queue_calls import MAX_ATTEMPTS, MAX_COUNT, MAX_LENGTH, MAX_MESSAGE_BYTES, MAX_REDRIVEN
from coordination.queue_messages import Purgeable
from coordination.queue_messages import Settings as Defaults
from orgs.schemas import In, Out, not_null

Count = Annotated[int, Field(ge=1, le=MAX_COUNT), INTEGER]
Receipt = Annotated[str, Field(max_length=50, description="As the message came with, as it stands.")]
DEFAULT = Defaults()


class QueuedIn(In):
    """One message. It is ready at once, or `delay_seconds` from now: at most 30 days."""

    body: Annotated[Any, Field(description="Any JSON value, of 256 KiB unless the queue has another limit.")]
    delay_seconds: Number = 0


class PushIn(In):
    """Messages in their order, of 4 MiB together: all of them are pushed, or none."""

    messages: Annotated[list[QueuedIn], Field(min_length=1, max_length=MAX_COUNT)]


class PushedOut(Out):
    """The ids of the messages, in their order."""

    ids: list[str]


class PopIn(In):
    """Take `count` messages for `visibility_seconds`, or the queue's own; wait for the first for `wait_seconds`."""

    count: Count = 1
    visibility_seconds: Annotated[
        Number | None, Field(description="Above 0, at most 12 hours."), AfterValidator(not_null)
    ] = None
    wait_seconds: Annotated[Number, Field(description="At most 20.")] = 0


class QueueMessageOut(Out):
    """A message that the caller holds until `visible_at`. `attempts` counts its deliveries, with this one."""

    id: str
    body: Any
    attempts: int
    pushed_at: datetime
    receipt: str
    visible_at: datetime


class PoppedOut(Out):
    """`due_in_seconds` tells when something will be ready by itself; null when nothing is delayed or held."""

    items: list[QueueMessageOut]
    due_in_seconds: float | None


class AckIn(In):
    receipts: Annotated[list[Receipt], Field(min_length=1, max_length=MAX_COUNT)]


class AckedOut(Out):
    """How many messages went, and for each receipt whether its did: it may have gone before."""

    acked: int
    results: list[bool]


class NackIn(In):
    """Give a message back; without `delay_seconds` after 1 s, doubled with each attempt, half of it chance."""

    receipt: Receipt
    delay_seconds: Annotated[
        Number | None, Field(description="At most 30 days; 0 is at once."), AfterValidator(not_null)
    ] = None


class NackedOut(Out):
    """What became of the message; `gone` when the caller did not hold it any more."""

    state: Literal["ready", "delayed", "dead", "gone"]
    visible_at: datetime | None


class ExtendIn(In):
    receipt: Receipt
    visibility_seconds: Annotated[Number, Field(description="From now: above 0, at most 12 hours.")]


class ExtendedOut(Out):
    receipt: str
    visible_at: datetime


class PeekedOut(Out):
    """A message that waits; `attempts` counts the deliveries so far."""

    id: str
    body: Any
    attempts: int
    pushed_at: datetime


class PeekOut(Out):
    items: list[PeekedOut]


class DeadLetterOut(Out):
    """`reason` tells how the last attempt ended: `nacked`, or `expired` where its visibility ran out."""

    id: str
    body: Any
    attempts: int
    pushed_at: datetime
    died_at: datetime
    reason: Literal["expired", "nacked"]
    receipt: str


class RedriveIn(In):
    """Push dead letters again: those named, or the oldest ones."""

    receipts: Annotated[
        list[Receipt] | None, Field(min_length=1, max_length=MAX_REDRIVEN), AfterValidator(not_null)
    ] = None
    limit: Annotated[int, Field(ge=1, le=MAX_REDRIVEN), INTEGER] = MAX_REDRIVEN


class RedrivenOut(Out):
    """How many went back to the queue, and how many dead letters there are left."""

    redriven: int
    left: int


class PurgeIn(In):
    """What to drop: `waiting` is what is ready or delayed, `all` also what is in flight."""

    what: Purgeable


class PurgedOut(Out):
    """How many messages went. Where some that were to go are `left`, send it again."""

    purged: int
    left: int


class QueueSettings(In):
    """All settings of a queue; what is left out is as by default."""

    max_length: Annotated[
        int, Field(ge=1, le=MAX_LENGTH, description="Of messages that are ready, delayed, in flight and dead."), INTEGER
    ] = DEFAULT.max_length
    max_message_bytes: Annotated[int, Field(ge=1, le=MAX_MESSAGE_BYTES), INTEGER] = DEFAULT.max_message_bytes
    max_attempts: Annotated[int, Field(ge=1, le=MAX_ATTEMPTS), INTEGER] = DEFAULT.max_attempts
    visibility_seconds: Annotated[Number, Field(description="Above 0, at most 12 hours.")] = DEFAULT.visibility_seconds


class QueueSettingsOut(Out):
    max_length: int
    max_message_bytes: int
    max_attempts: int
    visibility_seconds: float


class QueueOut(Out):
    """A queue. What is due counts as ready; `oldest_seconds` is the age of the oldest message ready or in flight."""

    name: str
    ready: int
    delayed: int
    in_flight: int
    dead: int
    oldest_seconds: float
    settings: QueueSettingsOut


class QueueNameOut(Out):
    name: str
