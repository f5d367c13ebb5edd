"""What a queue refuses, and how much it takes."""

import uuid
from typing import Any

import pytest

from coordination import keys
from coordination.connections import Connection
from coordination.names import InvalidName, InvalidTTL, InvalidValue, ValueTooLarge
from coordination.queue_calls import MAX_BATCH_BYTES
from coordination.queue_messages import (
    InvalidReceipt,
    Message,
    QueueFull,
    Settings,
    TooManyQueues,
)
from coordination.queues import Queues


@pytest.fixture
def queues(connection: Connection, tenant: uuid.UUID) -> Queues:
    return Queues(connection, tenant)


def _pop(queues: Queues, *, visibility_seconds: float | None = None) -> Message:
    [message] = queues.pop("mail", wait_seconds=5, visibility_seconds=visibility_seconds)
    return message


@pytest.mark.parametrize("name", ["", "\x00", "a\nb", "\u2028", "\ud800", "a/b", "x" * 201], ids=ascii)
def test_a_name_that_none_may_have_is_refused(queues: Queues, name: str) -> None:
    with pytest.raises(InvalidName):
        queues.push(name, 1)
    with pytest.raises(InvalidName):
        queues.pop(name)


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf"), 30 * 24 * 3600 + 1, True, "5"], ids=str)
def test_a_delay_out_of_bounds_is_refused(queues: Queues, seconds: float) -> None:
    with pytest.raises(InvalidTTL, match="delay_seconds"):
        queues.push("mail", 1, delay_seconds=seconds)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), 12 * 3600 + 1])
def test_a_visibility_out_of_bounds_is_refused(queues: Queues, seconds: float) -> None:
    with pytest.raises(InvalidTTL, match="visibility_seconds"):
        queues.pop("mail", visibility_seconds=seconds)
    with pytest.raises(InvalidTTL, match="visibility_seconds"):
        queues.configure("mail", Settings(visibility_seconds=seconds))


def test_a_wait_below_zero_is_refused(queues: Queues) -> None:
    with pytest.raises(InvalidTTL, match="wait_seconds"):
        queues.pop("mail", wait_seconds=-1)


@pytest.mark.parametrize("count", [0, 101, -1, True, 1.5])
def test_a_count_out_of_bounds_is_refused(queues: Queues, count: int) -> None:
    with pytest.raises(ValueError, match="count must be 1 to 100"):
        queues.pop("mail", count)


@pytest.mark.parametrize("receipt", ["", "1-0", "1-0:", "a", "1-0:1\n", "9" * 20 + "-0:1", "1-0:1 ", "١-0:1"])
def test_what_is_no_receipt_is_refused(queues: Queues, receipt: str) -> None:
    queues.push("mail", 1)

    with pytest.raises(InvalidReceipt):
        queues.ack("mail", receipt)


@pytest.mark.parametrize("value", [float("nan"), {1: 2}], ids=["NaN", "keys"])
def test_what_is_not_json_is_refused(queues: Queues, value: Any) -> None:
    with pytest.raises(InvalidValue):
        queues.push("mail", value)


def test_a_message_is_as_large_as_the_queue_takes(queues: Queues) -> None:
    queues.configure("mail", Settings(max_message_bytes=10))
    queues.push("mail", "x" * 8)

    with pytest.raises(ValueTooLarge):
        queues.push_many("mail", [1, "x" * 9])

    assert queues.state("mail").ready == 1


def test_more_bytes_than_one_push_takes_are_refused(queues: Queues) -> None:
    bodies = ["x" * 200_000] * (MAX_BATCH_BYTES // 200_000)
    queues.push_many("mail", bodies)

    with pytest.raises(ValueTooLarge):
        queues.push_many("mail", [*bodies, "x" * 200_000])


def test_a_pop_ends_with_the_message_that_passes_4_mebibytes(queues: Queues) -> None:
    for _ in range(2):
        queues.push_many("mail", ["x" * 250_000] * 16)

    assert [len(queues.pop("mail", 100)) for _ in range(2)] == [17, 15]


def test_a_full_queue_takes_no_more(queues: Queues) -> None:
    queues.configure("mail", Settings(max_length=3, max_attempts=1))
    queues.push_many("mail", [1, 2])
    queues.push("mail", 3, delay_seconds=60)
    queues.nack("mail", _pop(queues).receipt)
    _pop(queues)

    with pytest.raises(QueueFull):
        queues.push("mail", 4)

    state = queues.state("mail")
    assert (state.ready, state.delayed, state.in_flight, state.dead) == (0, 1, 1, 1)


def test_of_a_push_that_does_not_fit_nothing_is_pushed(queues: Queues) -> None:
    queues.configure("mail", Settings(max_length=3))

    with pytest.raises(QueueFull):
        queues.push_many("mail", [1, 2, 3, 4])

    assert queues.state("mail").ready == 0


def test_there_are_as_many_queues_as_there_may_be(queues: Queues, connection: Connection, tenant: uuid.UUID) -> None:
    # As if they had been made: a thousand calls take their time.
    connection.client().zadd(keys.queues(tenant), {f"queue-{number}": 0 for number in range(999)})
    queues.push("mail", 1)

    with pytest.raises(TooManyQueues):
        queues.push("more", 1)
    with pytest.raises(TooManyQueues):
        queues.configure("more", Settings())
    queues.push("mail", 2)
