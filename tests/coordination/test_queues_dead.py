"""What is delivered too often, and what is dropped."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from coordination.connections import Connection
from coordination.queue_messages import DeadLetter, InvalidReceipt, QueueMissing, ReceiptStale, Settings
from coordination.queues import Queues
from tests.coordination.waiting import until


@pytest.fixture
def queues(connection: Connection, tenant: uuid.UUID) -> Queues:
    found = Queues(connection, tenant)
    found.configure("mail", Settings(max_attempts=2))
    return found


def _fail(queues: Queues, times: int = 2) -> None:
    """Take whatever is ready, and give it back at once, so often."""
    for _ in range(times):
        for message in queues.pop("mail", 100):
            queues.release("mail", message.receipt)


def _letters(queues: Queues) -> list[DeadLetter]:
    return queues.dead("mail", limit=100).letters


def test_a_message_is_dead_after_its_last_attempt(queues: Queues) -> None:
    pushed = queues.push("mail", {"to": "nobody"})
    queues.release("mail", queues.pop("mail")[0].receipt)

    nacked = queues.release("mail", queues.pop("mail")[0].receipt)

    assert nacked.state == "dead"
    assert queues.pop("mail") == []
    [letter] = _letters(queues)
    assert (letter.id, letter.body, letter.attempts, letter.reason) == (pushed, {"to": "nobody"}, 2, "nacked")
    assert letter.pushed_at <= letter.died_at
    assert abs(datetime.now(UTC) - letter.died_at) < timedelta(seconds=10)


def test_a_message_whose_consumers_all_die_is_dead_too(queues: Queues) -> None:
    queues.push("mail", 1)
    for _ in range(2):
        assert queues.pop("mail", wait_seconds=5, visibility_seconds=0.01)

    assert queues.pop("mail", wait_seconds=0.1) == []
    assert [(letter.reason, letter.attempts) for letter in _letters(queues)] == [("expired", 2)]


def test_a_dead_message_cannot_be_acknowledged_any_more(queues: Queues) -> None:
    queues.push("mail", 1)
    _fail(queues, 1)
    [message] = queues.pop("mail")
    queues.release("mail", message.receipt)

    assert queues.ack("mail", message.receipt) == [False]
    with pytest.raises(ReceiptStale):
        queues.extend("mail", message.receipt, 60)
    assert len(_letters(queues)) == 1


def test_a_lower_number_of_attempts_counts_for_what_was_delivered_before(queues: Queues) -> None:
    queues.push("mail", 1)
    _fail(queues, 1)
    queues.configure("mail", Settings(max_attempts=1))

    assert queues.pop("mail") == []
    assert [letter.attempts for letter in _letters(queues)] == [1]


def test_dead_letters_come_in_pages(queues: Queues) -> None:
    ids = queues.push_many("mail", list(range(5)))
    _fail(queues)

    first = queues.dead("mail", limit=3)
    second = queues.dead("mail", after=first.letters[-1].receipt, limit=3)

    assert [letter.id for letter in first.letters + second.letters] == ids
    assert (first.more, second.more) == (True, False)


def test_a_redriven_message_begins_anew(queues: Queues) -> None:
    pushed = queues.push("mail", 1)
    _fail(queues)

    redriven = queues.redrive("mail")

    assert (redriven.redriven, redriven.left) == (1, 0)
    [message] = queues.pop("mail")
    assert (message.id, message.attempts) == (pushed, 1)
    assert _letters(queues) == []


def test_only_the_dead_letters_that_are_named_are_redriven(queues: Queues) -> None:
    queues.push_many("mail", [1, 2, 3])
    _fail(queues)
    named = [letter.receipt for letter in _letters(queues)][1:]

    redriven = queues.redrive("mail", [*named, "1-1", named[0]])

    assert (redriven.redriven, redriven.left) == (2, 1)
    assert [message.body for message in queues.pop("mail", 10)] == [2, 3]


def test_a_redrive_of_many_is_done_in_steps(queues: Queues) -> None:
    queues.push_many("mail", list(range(5)))
    _fail(queues)

    steps = [queues.redrive("mail", limit=2) for _ in range(4)]

    assert [(step.redriven, step.left) for step in steps] == [(2, 3), (2, 1), (1, 0), (0, 0)]
    assert [message.body for message in queues.pop("mail", 10)] == [0, 1, 2, 3, 4]


def test_naming_no_dead_letter_is_not_naming_all(queues: Queues) -> None:
    with pytest.raises(ValueError, match="number of receipts"):
        queues.redrive("mail", [])


@pytest.mark.parametrize("receipt", ["", "-", "+", "1", "1-0:1", "0-0 "])
def test_what_names_no_dead_letter_is_refused(queues: Queues, receipt: str) -> None:
    with pytest.raises(InvalidReceipt):
        queues.redrive("mail", [receipt])


def _one_of_each(queues: Queues) -> str:
    """Have one message dead, one held, two delayed, of which one was given back, and two ready; return the receipt."""
    queues.push_many("mail", [1])
    _fail(queues)
    queues.push_many("mail", [2, 3])
    held, returned = queues.pop("mail", 2)
    queues.nack("mail", returned.receipt, delay_seconds=60)
    queues.push("mail", 4, delay_seconds=60)
    queues.push_many("mail", [5, 6])
    return held.receipt


def _counts(queues: Queues) -> tuple[int, int, int, int]:
    state = queues.state("mail")
    return state.ready, state.delayed, state.in_flight, state.dead


def test_each_message_is_counted_once(queues: Queues) -> None:
    _one_of_each(queues)

    assert _counts(queues) == (2, 2, 1, 1)


def test_what_waits_is_purged_and_what_is_held_is_not(queues: Queues) -> None:
    receipt = _one_of_each(queues)

    purged = queues.purge("mail", "waiting")

    assert (purged.purged, purged.left) == (4, 0)
    assert _counts(queues) == (0, 0, 1, 1)
    assert queues.ack("mail", receipt) == [True]


def test_dead_letters_are_purged_alone(queues: Queues) -> None:
    _one_of_each(queues)

    assert queues.purge("mail", "dead").purged == 1
    assert _counts(queues) == (2, 2, 1, 0)


def test_all_is_purged_but_the_settings(queues: Queues) -> None:
    receipt = _one_of_each(queues)

    assert queues.purge("mail", "all").purged == 6

    assert _counts(queues) == (0, 0, 0, 0)
    assert queues.state("mail").settings == Settings(max_attempts=2)
    assert queues.ack("mail", receipt) == [False]


def test_a_purged_queue_goes_on(queues: Queues) -> None:
    for what in ("waiting", "all"):
        queues.push_many("mail", [1, 2])
        queues.purge("mail", what)
        queues.push("mail", what)

        assert [message.body for message in queues.pop("mail", 10)] == [what]


def test_many_messages_are_purged_in_steps_while_one_is_held(queues: Queues) -> None:
    queues.push("mail", "held")
    [held] = queues.pop("mail")
    for _ in range(12):
        queues.push_many("mail", [0] * 100)

    steps = [queues.purge("mail", "waiting") for _ in range(2)]

    assert [(step.purged, step.left) for step in steps] == [(1000, 200), (200, 0)]
    assert queues.ack("mail", held.receipt) == [True]


def test_what_expired_counts_as_ready(queues: Queues) -> None:
    queues.push("mail", 1)
    queues.pop("mail", visibility_seconds=0.01)

    until(lambda: _counts(queues) == (1, 0, 0, 0))

    assert [one.attempts for one in queues.peek("mail")] == [1]


def test_a_deleted_queue_is_no_longer_there(queues: Queues) -> None:
    _one_of_each(queues)

    queues.delete("mail")

    with pytest.raises(QueueMissing):
        queues.state("mail")
    assert queues.names() == []
    queues.push("mail", "new")
    assert queues.state("mail").settings == Settings()
