"""Queues that were deleted and made anew, whose messages fail again and again, and that somebody else meddled with."""

import logging
import uuid
from collections.abc import Callable

import pytest

from coordination import keys
from coordination.connections import Connection, KeyMisused
from coordination.queue_messages import Settings
from coordination.queues import Queues
from coordination.shared import connection as shared
from orgs.models import Organization
from tests.factories import Caller

LIVES = 200
CALLS: dict[str, tuple[str, str, object]] = {
    "pop": ("POST", "/queues/mail/pop", {}),
    "peek": ("GET", "/queues/mail/peek", None),
    "push": ("POST", "/queues/mail/push", {"messages": [{"body": 1}]}),
    "state": ("GET", "/queues/mail", None),
    "acquire": ("POST", "/locks/report/daily/acquire", {"ttl_seconds": 60}),
}


@pytest.fixture
def queues(connection: Connection, tenant: uuid.UUID) -> Queues:
    return Queues(connection, tenant)


def test_no_receipt_of_a_deleted_queue_is_good_for_the_next_one(queues: Queues) -> None:
    receipts = []

    for _ in range(LIVES):
        queues.push("mail", 1)
        receipts += [message.receipt for message in queues.pop("mail")]
        queues.delete("mail")

    assert len(set(receipts)) == LIVES


def test_no_receipt_of_purged_dead_letters_names_a_later_one(queues: Queues) -> None:
    queues.configure("mail", Settings(max_attempts=1))
    receipts = []

    for _ in range(LIVES):
        queues.push("mail", 1)
        queues.release("mail", queues.pop("mail")[0].receipt)
        receipts += [letter.receipt for letter in queues.dead("mail").letters]
        queues.purge("mail", "dead")

    assert len(set(receipts)) == LIVES


@pytest.mark.parametrize("count", [1, 3])
def test_messages_that_fail_at_once_keep_no_new_one_waiting(queues: Queues, count: int) -> None:
    queues.configure("mail", Settings(max_attempts=1000))
    queues.push_many("mail", ["failing"] * 10)
    for message in queues.pop("mail", 10):
        queues.release("mail", message.receipt)
    queues.push_many("mail", ["new"] * 3)

    taken: list[object] = []
    while len(taken) < 6:
        for message in queues.pop("mail", count):
            taken.append(message.body)
            if message.body == "failing":
                queues.release("mail", message.receipt)

    assert taken == ["failing", "new"] * 3


def test_new_messages_keep_none_waiting_that_comes_again(queues: Queues) -> None:
    queues.push_many("mail", ["again", "new", "new", "new"])
    queues.release("mail", queues.pop("mail")[0].receipt)
    queues.push_many("mail", ["new"] * 10)

    taken = [message.body for message in queues.pop("mail", 2)]

    assert "again" in taken


def test_peek_shows_the_order_in_which_pops_take(queues: Queues) -> None:
    queues.push_many("mail", list(range(10)))
    for message in queues.pop("mail", 4):
        queues.release("mail", message.receipt)
    queues.pop("mail")

    shown = [message.id for message in queues.peek("mail")]

    assert shown == [message.id for _ in range(9) for message in queues.pop("mail")]


@pytest.mark.parametrize(
    "call",
    [lambda queues: queues.pop("mail", 2), lambda queues: queues.peek("mail")],
    ids=["pop", "peek"],
)
def test_all_comes_again_where_the_group_was_destroyed(
    queues: Queues, connection: Connection, tenant: uuid.UUID, call: Callable[[Queues], list[object]]
) -> None:
    queues.push_many("mail", [1, 2])
    queues.pop("mail")
    connection.client().xgroup_destroy(keys.queue(tenant, "mail"), "workers")

    found = call(queues)

    assert len(found) == 2
    assert queues.state("mail").ready + queues.state("mail").in_flight == 2


@pytest.mark.parametrize("name", CALLS)
def test_a_key_of_another_type_is_told_and_logged(
    owner: Caller, organization: Organization, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    shared.client().set(keys.queue(organization.id, "mail"), "another program's")
    shared.client().rpush(keys.lock(organization.id, "report", "daily"), "another program's")

    with caplog.at_level(logging.ERROR):
        answer = owner.call(*CALLS[name])

    assert (answer.status, answer.code) == (503, "valkey-key-misused")
    assert "a key in Valkey is of another type" in caplog.messages


def test_in_python_it_is_unavailable(queues: Queues, connection: Connection, tenant: uuid.UUID) -> None:
    connection.client().set(keys.queue(tenant, "mail"), "another program's")

    with pytest.raises(KeyMisused):
        queues.pop("mail")
