"""Many consumers and producers at once, in threads and in processes; and one that is killed at work."""

import subprocess
import sys
import threading
import uuid
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.conf import settings

from coordination import keys
from coordination.connections import Connection
from coordination.queue_messages import QueueFull, ReceiptStale, Settings, TooManyQueues
from coordination.queues import Queues
from tests.coordination.consumer import consume
from tests.coordination.waiting import until

CHECKOUT = Path(__file__).resolve().parents[2]
MESSAGES = 2000


@pytest.fixture
def queues(connection: Connection, tenant: uuid.UUID) -> Queues:
    return Queues(connection, tenant)


def _consumer(tenant: uuid.UUID, *options: str) -> "subprocess.Popen[str]":
    command = [sys.executable, "-m", "tests.coordination.consumer", settings.REDIS_URL, str(tenant), "mail", *options]
    return subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True)


def _refusals(refused: type[Exception], attempts: list[Callable[[], object]]) -> int:
    """Make all attempts at once, and return how many were refused."""
    together = threading.Barrier(len(attempts))

    def attempt(act: Callable[[], object]) -> int:
        together.wait()
        try:
            act()
        except refused:
            return 1
        return 0

    with ThreadPoolExecutor(len(attempts)) as threads:
        return sum(threads.map(attempt, attempts))


def test_each_of_2000_messages_comes_to_one_of_eight_consumers_once(queues: Queues, tenant: uuid.UUID) -> None:
    consumers = [_consumer(tenant) for _ in range(2)]
    taken: list[str] = []
    pushed: list[str] = []

    def produce() -> None:
        for _ in range(MESSAGES // 100):
            pushed.extend(queues.push_many("mail", [1] * 50))

    with ThreadPoolExecutor(8) as threads:
        producers = [threads.submit(produce) for _ in range(2)]
        consuming = [threads.submit(consume, queues, "mail", taken.append) for _ in range(6)]
        for done in (*producers, *consuming):
            done.result()
    for consumer in consumers:
        taken += consumer.communicate(timeout=60)[0].splitlines()

    assert Counter(line.split()[0] for line in taken) == Counter(pushed)
    assert len(pushed) == MESSAGES
    assert {line.split()[1] for line in taken} == {"1"}


def test_one_consumer_gets_all_in_the_order_of_pushing_while_they_are_pushed(queues: Queues) -> None:
    taken: list[str] = []
    with ThreadPoolExecutor(2) as threads:
        pushing = threads.submit(lambda: [queues.push("mail", number) for number in range(500)])
        consuming = threads.submit(consume, queues, "mail", taken.append)
        pushing.result()
        consuming.result()

    assert [int(line.split()[2]) for line in taken] == list(range(500))


def test_what_a_killed_consumer_was_at_comes_to_another(queues: Queues, tenant: uuid.UUID) -> None:
    pushed = queues.push_many("mail", [1, 2, 3])
    victim = _consumer(tenant, "hold")
    assert victim.stdout is not None
    first = victim.stdout.readline()

    victim.kill()
    victim.wait()
    victim.stdout.close()
    taken: dict[str, int] = {}

    def all_came() -> bool:
        taken.update({message.id: message.attempts for message in queues.pop("mail", 10)})
        return len(taken) == 3

    until(all_came)

    assert first.split()[:2] == [pushed[0], "1"]
    assert taken == dict.fromkeys(pushed, 2)


def test_of_two_who_hold_the_receipts_of_one_message_the_later_one_settles_it(queues: Queues) -> None:
    queues.push("mail", 1)
    [early] = queues.pop("mail", visibility_seconds=0.01)
    [late] = queues.pop("mail", wait_seconds=5)

    refused = _refusals(
        ReceiptStale, [lambda: queues.nack("mail", early.receipt), lambda: queues.extend("mail", late.receipt, 60)]
    )

    assert refused == 1
    assert queues.ack("mail", late.receipt) == [True]


def test_one_message_is_acknowledged_once_however_many_try(queues: Queues) -> None:
    queues.push("mail", 1)
    [message] = queues.pop("mail")

    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda _: queues.ack("mail", message.receipt), range(8)))

    assert sum(found[0] for found in results) == 1


def test_eight_producers_never_overfill_a_queue(queues: Queues) -> None:
    queues.configure("mail", Settings(max_length=20))

    refused = _refusals(QueueFull, [lambda: queues.push_many("mail", [1, 2, 3])] * 8)

    assert refused == 2
    assert queues.state("mail").ready == 18


def test_eight_first_pushes_never_make_more_queues_than_there_may_be(
    queues: Queues, connection: Connection, tenant: uuid.UUID
) -> None:
    connection.client().zadd(keys.queues(tenant), {f"queue-{number}": 0 for number in range(997)})

    refused = _refusals(TooManyQueues, [lambda name=f"new-{number}": queues.push(name, 1) for number in range(8)])  # type: ignore[misc]

    assert refused == 5


def test_after_10000_messages_next_to_nothing_is_left(
    queues: Queues, connection: Connection, tenant: uuid.UUID
) -> None:
    for _ in range(100):
        queues.push_many("mail", ["x" * 100] * 100)
        queues.ack("mail", *[message.receipt for message in queues.pop("mail", 100)])

    client = connection.client()
    used = {key: client.memory_usage(key) or 0 for key in keys.of_queue(tenant, "mail")}
    [group] = client.xinfo_groups(keys.queue(tenant, "mail"))
    assert (client.xlen(keys.queue(tenant, "mail")), group["pending"], group["consumers"]) == (0, 0, 1)
    assert sum(used.values()) < 4096, used
