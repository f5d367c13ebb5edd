"""Pops over HTTP that wait, behind the front and in a thread."""

import time
import uuid
from collections.abc import Iterator

import pytest

from coordination import keys
from coordination.queue_messages import Settings
from coordination.queues import Queues
from coordination.shared import connection
from orgs.models import Organization
from tests.api.live import Server, document, read_answer, request, serving
from tests.coordination.waiting import until
from tests.factories import Answer, Caller


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("front")) as found:
        yield found


@pytest.fixture
def queues(organization: Organization) -> Queues:
    return Queues(connection, organization.id)


def _asked(caller: Caller, **fields: object) -> bytes:
    return request("POST", "/queues/mail/pop", caller.key, document(**fields))


def _listeners(organization: uuid.UUID) -> int:
    return int(connection.client().pubsub_numsub(keys.queue(organization, "mail"))[0][1])


def _bodies(answer: Answer) -> list[object]:
    assert answer.status == 200, answer
    return [item["body"] for item in answer.json["items"]]


def test_a_pop_waits_for_the_first_push_to_a_queue(
    front: Server, owner: Caller, organization: Organization, queues: Queues
) -> None:
    with front.connect() as call:
        call.sendall(_asked(owner, wait_seconds=20))
        until(lambda: _listeners(organization.id) == 1)
        began = time.monotonic()
        queues.push("mail", "first")
        answer = read_answer(call)

    assert _bodies(answer) == ["first"]
    assert time.monotonic() - began < 5


def test_a_pop_waits_for_what_comes_due(front: Server, owner: Caller, queues: Queues) -> None:
    queues.push("mail", "later", delay_seconds=0.5)
    began = time.monotonic()

    with front.connect() as call:
        call.sendall(_asked(owner, wait_seconds=20))
        answer = read_answer(call)

    assert _bodies(answer) == ["later"]
    assert time.monotonic() - began < 8


def test_a_pop_waits_for_what_a_dead_consumer_held(front: Server, owner: Caller, queues: Queues) -> None:
    queues.configure("mail", Settings(visibility_seconds=0.5))
    queues.push("mail", "held")
    queues.pop("mail")

    with front.connect() as call:
        call.sendall(_asked(owner, wait_seconds=20))
        answer = read_answer(call)

    assert [item["attempts"] for item in answer.json["items"]] == [2]


def test_each_of_many_pops_that_wait_gets_one_message(
    front: Server, owner: Caller, organization: Organization, queues: Queues
) -> None:
    calls = [front.connect() for _ in range(10)]
    for call in calls:
        call.sendall(_asked(owner, wait_seconds=20))
    until(lambda: _listeners(organization.id) == 1)
    for number in range(10):
        queues.push("mail", number)

    answers = [read_answer(call) for call in calls]

    for call in calls:
        call.close()
    assert sorted(str(body) for answer in answers for body in _bodies(answer)) == [str(number) for number in range(10)]


def test_a_pop_waits_in_a_thread_where_no_front_does(owner: Caller, queues: Queues) -> None:
    queues.push("mail", "later", delay_seconds=0.3)

    assert _bodies(owner.post("/queues/mail/pop", {"wait_seconds": 20})) == ["later"]


def test_a_pop_that_waits_in_vain_is_answered_empty(owner: Caller) -> None:
    answer = owner.post("/queues/mail/pop", {"wait_seconds": 0.2})

    assert answer.json == {"items": [], "due_in_seconds": None}


@pytest.mark.parametrize("seconds", [-1, 20.1, 1000])
def test_a_wait_out_of_bounds_is_refused_and_takes_nothing(owner: Caller, queues: Queues, seconds: float) -> None:
    queues.push("mail", 1)

    answer = owner.post("/queues/mail/pop", {"wait_seconds": seconds})

    assert (answer.status, answer.code) == (400, "invalid-wait")
    assert queues.state("mail").ready == 1
