"""Valkey killed, paused and flushed while queues are in use: what was answered is there."""

import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
import redis

from coordination import keys
from coordination.connections import Connection, Unavailable
from coordination.queue_messages import QueueMissing, Settings
from coordination.queues import Queues
from tests.coordination.servers import ValkeyServer
from tests.coordination.waiting import until

ROUNDS = 5


@pytest.fixture
def queues(valkey: ValkeyServer, tenant: uuid.UUID) -> Queues:
    client = redis.Redis.from_url(valkey.url, socket_timeout=1, socket_connect_timeout=1, protocol=2)
    return Queues(Connection(lambda: client), tenant)


def _drain(queues: Queues) -> list[str]:
    """Take and acknowledge all that is ready, and return the ids."""
    found = []
    while messages := queues.pop("mail", 100):
        queues.ack("mail", *[message.receipt for message in messages])
        found += [message.id for message in messages]
    return found


def _outage(valkey: ValkeyServer) -> Callable[[], None]:
    """Kill the server, and return what starts it again."""
    valkey.kill()
    return valkey.start


def _answers(queues: Queues) -> bool:
    try:
        queues.names()
    except Unavailable:
        return False
    return True


class Work:
    """What producers and consumers know of their messages."""

    def __init__(self, queues: Queues) -> None:
        self.queues = queues
        self.stop = threading.Event()
        self.pushed: list[str] = []
        # What an acknowledgement was sent of, and what one was answered of.
        self.tried: set[str] = set()
        self.acked: set[str] = set()
        self.again: set[str] = set()

    def push(self) -> None:
        self.pushed += self.queues.push_many("mail", ["x" * 100] * 3)

    def take(self) -> None:
        for message in self.queues.pop("mail", 2, visibility_seconds=0.5):
            if message.id in self.acked:
                self.again.add(message.id)
            self.tried.add(message.id)
            if self.queues.ack("mail", message.receipt) == [True]:
                self.acked.add(message.id)

    def run(self, act: Callable[[], None]) -> None:
        while not self.stop.is_set():
            try:
                act()
            except Unavailable:
                self.stop.wait(0.02)


def test_whatever_was_answered_is_there_after_valkey_was_killed_again_and_again(
    valkey: ValkeyServer, queues: Queues
) -> None:
    queues.configure("mail", Settings(max_attempts=1000))
    work = Work(queues)

    for _ in range(ROUNDS):
        work.stop.clear()
        with ThreadPoolExecutor(4) as threads:
            running = [threads.submit(work.run, act) for act in (work.push, work.push, work.push, work.take)]
            enough = len(work.pushed) + 60
            until(lambda enough=enough: len(work.pushed) > enough)  # type: ignore[misc]
            valkey.kill()
            work.stop.set()
            for one in running:
                one.result()
        valkey.start()
        until(lambda: _answers(queues))

    found: set[str] = set()

    def nothing_is_left() -> bool:
        found.update(_drain(queues))
        state = queues.state("mail")
        return state.in_flight + state.ready == 0

    until(nothing_is_left)
    # Of what an acknowledgement was sent of, and no answer came, nobody knows. All else is known.
    assert set(work.pushed) - found <= work.tried
    assert len(set(work.pushed) - found - work.acked) <= ROUNDS
    assert work.again | (found & work.acked) == set()


def test_a_push_that_was_answered_survives_a_kill_right_after_it(valkey: ValkeyServer, queues: Queues) -> None:
    answered = []
    for number in range(ROUNDS):
        answered.append(queues.push("mail", number))
        valkey.kill()
        valkey.start()
        until(lambda: _answers(queues))

    assert _drain(queues) == answered


def test_what_is_held_dead_delayed_and_set_survives_a_kill(valkey: ValkeyServer, queues: Queues) -> None:
    queues.configure("mail", Settings(max_attempts=2))
    queues.push_many("mail", [1, 2])
    for _ in range(2):
        queues.release("mail", queues.pop("mail")[0].receipt)
    [held] = queues.pop("mail", visibility_seconds=60)
    queues.push("mail", 3, delay_seconds=60)
    before = queues.state("mail")

    _outage(valkey)()
    until(lambda: _answers(queues))

    after = queues.state("mail")
    assert (after.ready, after.delayed, after.in_flight, after.dead) == (0, 1, 1, 1)
    assert after.settings == before.settings
    assert [letter.attempts for letter in queues.dead("mail").letters] == [2]
    assert queues.ack("mail", held.receipt) == [True]


def test_what_came_due_while_valkey_was_down_is_delivered_after(valkey: ValkeyServer, queues: Queues) -> None:
    delayed = queues.push("mail", "delayed", delay_seconds=0.3)
    held = queues.push("mail", "held")
    queues.pop("mail", visibility_seconds=0.3)
    start, down = _outage(valkey), time.monotonic()

    until(lambda: time.monotonic() > down + 0.5)
    start()
    until(lambda: _answers(queues))

    assert {message.id: message.attempts for message in queues.pop("mail", 10)} == {delayed: 1, held: 2}


@pytest.mark.parametrize("verb", ["push", "pop", "ack", "nack", "extend", "state"])
def test_while_valkey_is_paused_every_call_ends_in_time(valkey: ValkeyServer, queues: Queues, verb: str) -> None:
    queues.push("mail", 1)
    receipt = queues.pop("mail")[0].receipt
    calls: dict[str, Callable[[], object]] = {
        "push": lambda: queues.push("mail", 2),
        "pop": lambda: queues.pop("mail", wait_seconds=20),
        "ack": lambda: queues.ack("mail", receipt),
        "nack": lambda: queues.nack("mail", receipt),
        "extend": lambda: queues.extend("mail", receipt, 60),
        "state": lambda: queues.state("mail"),
    }
    valkey.pause()
    begun = time.monotonic()

    with pytest.raises(Unavailable):
        calls[verb]()

    assert time.monotonic() - begun < 3
    valkey.resume()


def test_a_message_whose_pop_nobody_heard_of_comes_again(valkey: ValkeyServer, queues: Queues) -> None:
    # The server knows the script by then: a first call would be told to send it again.
    queues.pop("mail")
    queues.configure("mail", Settings(visibility_seconds=0.2))
    pushed = queues.push("mail", 1)
    valkey.pause()
    with pytest.raises(Unavailable):
        queues.pop("mail")

    valkey.resume()
    until(lambda: _answers(queues))

    [message] = queues.pop("mail", wait_seconds=10)
    assert (message.id, message.attempts) == (pushed, 2)


def test_a_push_that_nobody_heard_of_may_have_happened_and_takes_nothing_away(
    valkey: ValkeyServer, queues: Queues
) -> None:
    queues.push("mail", "before")
    valkey.pause()
    with pytest.raises(Unavailable):
        queues.push("mail", "unknown")

    valkey.resume()
    until(lambda: _answers(queues))
    queues.push("mail", "after")

    bodies = [message.body for message in queues.pop("mail", 10)]
    assert [body for body in bodies if body != "unknown"] == ["before", "after"]
    assert bodies.count("unknown") <= 1


def test_who_waits_while_valkey_dies_is_told(valkey: ValkeyServer, queues: Queues) -> None:
    queues.push("mail", 1)
    queues.pop("mail")
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(queues.pop, "mail", wait_seconds=20)
        until(lambda: bool(valkey.client().pubsub_channels()))

        valkey.kill()

        with pytest.raises(Unavailable):
            waiting.result(timeout=10)


def test_a_flush_takes_everything_and_nothing_fails_over_it(valkey: ValkeyServer, queues: Queues) -> None:
    queues.push_many("mail", [1, 2])
    receipt = queues.pop("mail")[0].receipt

    valkey.flush()

    assert queues.pop("mail") == []
    assert queues.names() == []
    with pytest.raises(QueueMissing):
        queues.ack("mail", receipt)
    queues.push("mail", "new")
    assert queues.ack("mail", receipt) == [False]
    assert [message.body for message in queues.pop("mail", 10)] == ["new"]


def test_without_room_nothing_is_pushed_and_what_is_there_can_be_done(valkey: ValkeyServer, queues: Queues) -> None:
    queues.configure("mail", Settings(max_attempts=2))
    queues.push_many("mail", [1, 2, 3])
    with valkey.client() as client:
        client.config_set("maxmemory", 1)

    with pytest.raises(Unavailable):
        queues.push("mail", 4)

    first, second, third = queues.pop("mail", 3)
    assert queues.ack("mail", first.receipt) == [True]
    assert queues.release("mail", second.receipt).state == "ready"
    assert queues.nack("mail", third.receipt).state == "delayed"
    assert queues.release("mail", queues.pop("mail")[0].receipt).state == "dead"
    assert queues.redrive("mail").redriven == 1
    assert queues.purge("mail", "all").purged == 2


def test_very_many_delayed_messages_that_are_due_at_once_are_moved_a_few_at_a_time(
    valkey: ValkeyServer, queues: Queues, tenant: uuid.UUID
) -> None:
    queues.configure("mail", Settings(max_length=1_000_000))
    queues.push("mail", 0, delay_seconds=0.001)
    key = keys.of_queue(tenant, "mail")[1]
    with valkey.client() as client:
        client.config_set("appendfsync", "everysec")
        for begin in range(0, 200_000, 10_000):
            members = {f"{uuid.uuid4()} 1700000000000 {number}": 1 for number in range(begin, begin + 10_000)}
            client.zadd(key, members)

    seconds = []
    for _ in range(20):
        begun = time.monotonic()
        queues.pop("mail", 100)
        seconds.append(time.monotonic() - begun)

    assert queues.state("mail").in_flight == 2000
    assert sorted(seconds)[10] < 0.1, seconds
