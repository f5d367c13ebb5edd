"""A call that waits, and is refused as it is woken, leaves what it was woken for to the next."""

import time
from collections.abc import Iterator

import pytest

from coordination import keys
from coordination.shared import connection
from orgs.models import Organization
from tests.api.live import Server, document, read_answer, request, serving
from tests.config.waiting import Heap, waiting
from tests.coordination.waiting import until
from tests.factories import Caller, make_key

CALLS = {
    "lock": ("/locks/report/daily/acquire", {"ttl_seconds": 60, "wait_seconds": 20}),
    "queue": ("/queues/mail/pop", {"wait_seconds": 20}),
}


@pytest.fixture(scope="module")
def front(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("refused"), "tests.config.waiting_servers:front") as found:
        yield found


def _listen(organization: Organization, kind: str) -> bool:
    names = {"lock": keys.lock(organization.id, "report", "daily"), "queue": keys.queue(organization.id, "mail")}
    return int(connection.client().pubsub_numsub(names[kind])[0][1]) == 1


def test_the_next_call_in_the_row_is_woken(front: Server, owner: Caller, organization: Organization) -> None:
    heap, revoked = Heap(organization), make_key(organization)
    with waiting(front, heap, Caller(revoked.text)) as first, waiting(front, heap, owner) as second:
        front.send(request("DELETE", f"/api-keys/{revoked.row.id}", owner.key))
        heap.lay("one")
        began = time.monotonic()
        heap.ring()
        answers = read_answer(first), read_answer(second)

    assert (answers[0].status, answers[1].json) == (401, {"found": "one"})
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("kind", CALLS)
def test_what_comes_free_is_the_next_ones(front: Server, owner: Caller, organization: Organization, kind: str) -> None:
    revoked, (target, body) = make_key(organization), CALLS[kind]
    token = owner.post("/locks/report/daily/acquire", {"ttl_seconds": 60}).json["token"]
    with front.connect() as first, front.connect() as second:
        first.sendall(request("POST", target, revoked.text, document(**body)))
        until(lambda: _listen(organization, kind))
        second.sendall(request("POST", target, owner.key, document(**body)))
        # Sent after it, answered after it has begun.
        front.send(request("GET", "/me", owner.key))
        front.send(request("DELETE", f"/api-keys/{revoked.row.id}", owner.key))
        began = time.monotonic()
        owner.post("/locks/report/daily/release", {"token": token})
        owner.post("/queues/mail/push", {"messages": [{"body": 1}]})
        answers = read_answer(first), read_answer(second)

    assert [answer.status for answer in answers] == [401, 200]
    assert time.monotonic() - began < 10
