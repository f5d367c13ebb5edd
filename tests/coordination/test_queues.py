"""What each method of a queue promises, one at a time."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest

from coordination import keys
from coordination.connections import Connection
from coordination.queue_calls import backoff
from coordination.queue_messages import (
    Message,
    QueueMissing,
    ReceiptStale,
    Settings,
)
from coordination.queues import Queues
from tests.coordination.waiting import until

HOSTILE = ["{a}:b", "queue-dead:mail", ":", "\U0001f600", "a b", "%s{0}", "'; --", "x" * 200]


@pytest.fixture
def queues(connection: Connection, tenant: uuid.UUID) -> Queues:
    return Queues(connection, tenant)


def _pop(queues: Queues, *, visibility_seconds: float | None = None) -> Message:
    [message] = queues.pop("mail", wait_seconds=5, visibility_seconds=visibility_seconds)
    return message


def test_messages_come_in_the_order_in_which_they_were_pushed(queues: Queues) -> None:
    ids = [queues.push("mail", {"number": number}) for number in range(3)] + queues.push_many("mail", [3, 4])

    messages = queues.pop("mail", 10)

    assert [message.id for message in messages] == ids
    assert [message.body for message in messages] == [{"number": 0}, {"number": 1}, {"number": 2}, 3, 4]


def test_a_message_tells_when_it_was_pushed_and_until_when_it_is_held(queues: Queues) -> None:
    queues.push("mail", "hello")

    message = _pop(queues, visibility_seconds=60)

    assert message.attempts == 1
    assert abs(datetime.now(UTC) - message.pushed_at) < timedelta(seconds=10)
    assert message.visible_at - message.pushed_at >= timedelta(seconds=60)


@pytest.mark.parametrize(
    "body", [None, True, 0, "", "ä\u2028😀\n", 2**70, -0.0, 1e308, [], {"a": {"b": [1, None]}}], ids=repr
)
def test_every_json_value_comes_back(queues: Queues, body: object) -> None:
    queues.push("mail", body)

    assert _pop(queues).body == body


def test_a_message_that_is_held_comes_to_nobody_else(queues: Queues) -> None:
    queues.push("mail", 1)
    _pop(queues)

    assert queues.pop("mail") == []


def test_a_message_comes_to_another_when_its_visibility_is_over(queues: Queues) -> None:
    queues.push("mail", 1)
    first = _pop(queues, visibility_seconds=0.05)

    second = _pop(queues)

    assert (second.id, second.attempts) == (first.id, 2)


def test_a_longer_visibility_keeps_a_message(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues, visibility_seconds=0.2)

    held_until = queues.extend("mail", message.receipt, 60)

    assert held_until > message.visible_at
    assert queues.pop("mail", wait_seconds=0.4) == []


def test_a_shorter_visibility_gives_a_message_to_who_waits(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues, visibility_seconds=60)

    queues.extend("mail", message.receipt, 0.05)

    assert _pop(queues).attempts == 2


def test_what_is_acknowledged_is_gone(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues, visibility_seconds=0.05)

    assert queues.ack("mail", message.receipt) == [True]
    assert queues.pop("mail", wait_seconds=0.2) == []
    assert queues.state("mail").in_flight == 0


def test_an_acknowledgement_may_be_repeated(queues: Queues) -> None:
    queues.push_many("mail", [1, 2])
    first, second = (message.receipt for message in queues.pop("mail", 2))
    queues.ack("mail", first)

    assert queues.ack("mail", first, second, second) == [False, True, False]


def test_a_message_whose_visibility_is_over_is_acknowledged_as_long_as_nobody_has_it(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues, visibility_seconds=0.01)
    until(lambda: queues.state("mail").ready == 1)

    assert queues.ack("mail", message.receipt) == [True]


@pytest.mark.parametrize("verb", ["ack", "nack", "extend", "release"])
def test_the_receipt_of_a_message_that_went_to_another_is_refused(queues: Queues, verb: str) -> None:
    queues.push("mail", 1)
    stale = _pop(queues, visibility_seconds=0.01).receipt
    held = _pop(queues).receipt
    arguments = (60,) if verb == "extend" else ()

    with pytest.raises(ReceiptStale) as refused:
        getattr(queues, verb)("mail", stale, *arguments)

    assert refused.value.receipts == (stale,)
    assert queues.ack("mail", held) == [True]


def test_none_is_acknowledged_where_one_receipt_is_stale(queues: Queues) -> None:
    queues.push_many("mail", [1, 2])
    stale = _pop(queues, visibility_seconds=0.01).receipt
    until(lambda: queues.state("mail").ready == 2)
    held = [message.receipt for message in queues.pop("mail", 2)]

    with pytest.raises(ReceiptStale):
        queues.ack("mail", held[0], stale)

    assert queues.ack("mail", *held) == [True, True]


def test_a_message_that_was_given_back_cannot_be_acknowledged(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues)
    queues.nack("mail", message.receipt, delay_seconds=60)

    with pytest.raises(ReceiptStale):
        queues.ack("mail", message.receipt)
    with pytest.raises(ReceiptStale):
        queues.extend("mail", message.receipt, 60)
    assert queues.state("mail").delayed == 1


def test_a_message_that_is_given_back_comes_again(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues)

    nacked = queues.release("mail", message.receipt)

    assert nacked.state == "ready"
    assert _pop(queues).attempts == 2


def test_a_message_that_is_given_back_with_a_delay_comes_after_it(queues: Queues) -> None:
    queues.push("mail", 1)

    nacked = queues.nack("mail", _pop(queues).receipt, delay_seconds=0.2)

    assert nacked.state == "delayed"
    assert queues.pop("mail") == []
    assert _pop(queues).pushed_at < nacked.visible_at  # type: ignore[operator]


def test_to_give_back_may_be_repeated(queues: Queues) -> None:
    queues.push("mail", 1)
    message = _pop(queues)
    queues.nack("mail", message.receipt)

    assert queues.nack("mail", message.receipt).state == "gone"
    assert queues.state("mail").delayed == 1


@pytest.mark.parametrize(("attempt", "longest"), [(1, 1), (2, 2), (5, 16), (11, 900), (999_999_999, 900)])
def test_the_backoff_doubles_up_to_a_quarter_of_an_hour(attempt: int, longest: float) -> None:
    waits = [backoff(f"1-0:{attempt}") for _ in range(200)]

    assert all(longest / 2 <= wait <= longest for wait in waits)
    assert max(waits) - min(waits) > longest / 4


def test_a_delayed_message_comes_when_it_is_due(queues: Queues) -> None:
    queues.push("mail", "later", delay_seconds=0.2)
    queues.push("mail", "now")

    assert [message.body for message in queues.pop("mail", 10)] == ["now"]
    assert _pop(queues).body == "later"


def test_delayed_messages_come_by_when_they_are_due(queues: Queues) -> None:
    for seconds in (0.03, 0.01, 0.02):
        queues.push("mail", seconds, delay_seconds=seconds)
    until(lambda: queues.state("mail").ready == 3)

    assert [message.body for message in queues.pop("mail", 10)] == [0.01, 0.02, 0.03]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_any_name_is_a_queue_of_its_own(queues: Queues, name: str) -> None:
    for other in {*HOSTILE, "mail"} - {name}:
        queues.push(other, other)
    queues.push(name, "mine")

    assert [message.body for message in queues.pop(name, 10)] == ["mine"]
    assert queues.names() == sorted([*HOSTILE, "mail"], key=str.encode)


def test_organizations_have_queues_of_their_own(queues: Queues, connection: Connection) -> None:
    stranger = Queues(connection, uuid.uuid4())
    queues.push("mail", 1)

    assert stranger.pop("mail") == []
    assert stranger.names() == []
    with pytest.raises(QueueMissing):
        stranger.state("mail")


@pytest.mark.parametrize(
    ("verb", "arguments"),
    [
        ("ack", ("1-0:1",)), ("nack", ("1-0:1",)), ("extend", ("1-0:1", 1)), ("state", ()), ("peek", ()),
        ("dead", ()), ("redrive", ()), ("purge", ("all",)), ("delete", ()),
    ],
)  # fmt: skip
def test_a_queue_that_is_not_there_is_missing(queues: Queues, verb: str, arguments: tuple[object, ...]) -> None:
    with pytest.raises(QueueMissing):
        getattr(queues, verb)("mail", *arguments)


def test_the_state_tells_how_old_the_oldest_message_is(queues: Queues) -> None:
    queues.push("mail", 1)

    until(lambda: queues.state("mail").oldest_seconds >= 0.05)

    assert queues.state("mail").oldest_seconds < 60


def test_a_delayed_message_that_is_due_may_be_the_oldest(queues: Queues) -> None:
    queues.push("mail", "due", delay_seconds=0.05)
    until(lambda: queues.state("mail").ready == 1)
    queues.push("mail", "new")

    assert queues.state("mail").oldest_seconds >= 0.05


def test_a_delayed_message_is_not_old_before_it_is_due(queues: Queues) -> None:
    queues.push("mail", "later", delay_seconds=0.2)
    until(lambda: queues.state("mail").delayed == 0 or queues.state("mail").oldest_seconds > 0)

    assert queues.state("mail").oldest_seconds >= 0.2


def test_names_are_given_in_pages(queues: Queues) -> None:
    for name in "cab":
        queues.push(name, 1)

    assert queues.names(limit=2) == ["a", "b"]
    assert queues.names(after="b") == ["c"]


def test_a_look_takes_nothing(queues: Queues) -> None:
    queues.push_many("mail", [1, 2, 3])
    queues.push("mail", 4, delay_seconds=60)
    queues.release("mail", _pop(queues).receipt)

    looks = [[(one.body, one.attempts) for one in queues.peek("mail")] for _ in range(2)]

    assert looks == [[(1, 1), (2, 0), (3, 0)]] * 2
    assert [message.body for message in queues.pop("mail", 10)] == [1, 2, 3]


def test_settings_are_replaced_as_a_whole(queues: Queues) -> None:
    queues.configure("mail", Settings(max_length=7, visibility_seconds=2.5))
    before = queues.state("mail").settings

    queues.configure("mail", Settings(max_attempts=2))

    assert before == Settings(max_length=7, visibility_seconds=2.5)
    assert queues.state("mail").settings == Settings(max_attempts=2)


def test_the_visibility_of_the_queue_counts_where_the_pop_has_none(queues: Queues) -> None:
    queues.configure("mail", Settings(visibility_seconds=0.05))
    queues.push("mail", 1)

    _pop(queues)

    assert _pop(queues).attempts == 2


def test_a_deleted_queue_is_gone_with_all_it_had(queues: Queues, connection: Connection, tenant: uuid.UUID) -> None:
    queues.configure("mail", Settings(max_attempts=1))
    queues.push_many("mail", [1, 2, 3])
    queues.push("mail", 4, delay_seconds=60)
    queues.nack("mail", _pop(queues).receipt)
    _pop(queues)

    queues.delete("mail")

    assert connection.client().exists(*keys.of_queue(tenant, "mail")) == 0
