"""Calls that wait behind the one port: woken, ended, refused, and free of threads meanwhile."""

import time
import uuid
from collections.abc import Iterator

import pytest

from orgs.models import Organization
from tests.api.live import PATIENCE, THREADS, Server, read_answer, request, serving
from tests.config.waiting import Heap, asking, process, timed, until, waiting
from tests.factories import Caller

LIVE = b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n"
MANY = 200


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("waits"), "tests.config.waiting_servers:front") as found:
        yield found


@pytest.fixture
def heap(organization: Organization) -> Heap:
    return Heap(organization)


def test_what_is_there_is_answered_at_once(server: Server, owner: Caller, heap: Heap) -> None:
    heap.lay("one")

    answer, seconds = timed(server, heap.asked(owner, 20))

    assert (answer.status, answer.json, heap.tries) == (200, {"found": "one"}, 1)
    assert seconds < 10


def test_nothing_is_answered_at_once_without_a_wait(server: Server, owner: Caller, heap: Heap) -> None:
    answer, _ = timed(server, heap.asked(owner, 0))

    assert (answer.json, heap.tries) == ({"found": None}, 1)


def test_a_ring_wakes_a_call(server: Server, owner: Caller, heap: Heap) -> None:
    with waiting(server, heap, owner) as call:
        heap.lay("one")
        began = time.monotonic()
        heap.ring()
        answer = read_answer(call)

    assert answer.json == {"found": "one"}
    assert time.monotonic() - began < 10


def test_a_ring_wakes_one_of_several_calls(server: Server, owner: Caller, heap: Heap) -> None:
    with waiting(server, heap, owner) as first, waiting(server, heap, owner) as second:
        before = heap.tries
        heap.lay("one")
        heap.ring()
        found = read_answer(first).json
        tries = heap.tries - before
        heap.lay("two")
        heap.ring()
        then = read_answer(second).json

    assert (found, tries, then) == ({"found": "one"}, 1, {"found": "two"})


def test_a_wait_ends_with_its_time(server: Server, owner: Caller, heap: Heap) -> None:
    answer, seconds = timed(server, heap.asked(owner, 0.5))

    assert (answer.status, answer.json) == (200, {"found": None})
    assert 0.5 <= seconds < PATIENCE / 4
    # At first, once it listens, at the end: it does not poll.
    assert heap.tries == 3


def test_what_is_due_by_itself_needs_no_ring(server: Server, owner: Caller, heap: Heap) -> None:
    with waiting(server, heap, owner, look_again_in=0.3) as call:
        heap.lay("due")
        answer = read_answer(call)

    assert answer.json == {"found": "due"}


@pytest.mark.parametrize("seconds", [-1, -0.001, 20.001, 1e308])
def test_a_wait_that_cannot_be_is_refused(server: Server, owner: Caller, heap: Heap, seconds: float) -> None:
    heap.lay("one")

    answer, _ = timed(server, heap.asked(owner, seconds))

    assert (answer.status, answer.code, heap.tries) == (400, "invalid-wait", 0)


def test_many_waiting_calls_hold_no_thread_and_all_are_woken(server: Server, owner: Caller, heap: Heap) -> None:
    worker = process(server).children()[0]
    with asking(server, LIVE * 1, 3 * THREADS) as warm:
        [read_answer(one) for one in warm]
    with asking(server, request("GET", "/me", owner.key), 3 * THREADS) as warm:
        [read_answer(one) for one in warm]
    before = worker.num_threads()

    with asking(server, heap.asked(owner, 20), MANY) as calls:
        until(lambda: heap.tries == 2 * MANY)
        threads = worker.num_threads()
        meanwhile = [timed(server, raw) for raw in (LIVE, request("GET", "/me", owner.key), heap.asked(owner, 0))]
        listeners = heap.listeners
        heap.lay(*(str(number) for number in range(MANY)))
        heap.ring(MANY)
        found = [read_answer(call).json["found"] for call in calls]

    assert [answer.status for answer, _ in meanwhile] == [200, 200, 200]
    assert max(seconds for _, seconds in meanwhile) < 5
    assert listeners == 1
    assert threads <= before + 1
    assert sorted(found, key=int) == [str(number) for number in range(MANY)]


def test_many_who_are_woken_at_once_take_two_threads(
    server: Server, owner: Caller, outsider: Caller, heap: Heap
) -> None:
    with asking(server, heap.asked(owner, 20), MANY) as calls:
        until(lambda: heap.tries == 2 * MANY)
        heap.forget_most_at_once()
        heap.lay(*(str(number) for number in range(MANY)))
        heap.ring(MANY)
        meanwhile = [timed(server, request("GET", "/me", outsider.key))[0].status for _ in range(10)]
        found = {read_answer(call).status for call in calls}

    assert (meanwhile, found) == ([200] * 10, {200})
    assert 1 <= heap.most_at_once <= 2


def test_callers_who_hang_up_leave_their_turns(server: Server, owner: Caller, heap: Heap) -> None:
    for _ in range(3):
        with asking(server, heap.asked(owner, 20), 20):
            until(lambda: heap.listeners == 1)
            heap.ring(20)
        until(lambda: heap.listeners == 0)

    with waiting(server, heap, owner) as call:
        heap.lay(*(str(number) for number in range(200)))
        heap.ring()
        answer = read_answer(call)

    assert answer.status == 200


def test_a_caller_who_hangs_up_ends_the_wait(server: Server, owner: Caller, heap: Heap) -> None:
    name = uuid.uuid4().hex
    with waiting(server, heap, owner, headers={"X-Request-Id": name}):
        pass

    line = server.noted(name)
    until(lambda: heap.listeners == 0)
    heap.lay("stays")
    heap.ring()
    later, _ = timed(server, heap.asked(owner, 0))

    assert (line["status"], line["actor"][:7]) == (499, "api-key")
    assert line["milliseconds"] < 15_000
    assert later.json == {"found": "stays"}


def test_a_key_revoked_meanwhile_is_refused(server: Server, owner: Caller, member: Caller, heap: Heap) -> None:
    key = owner.post("/api-keys", {"name": "short", "scopes": ["queues:write"]}).json
    with waiting(server, heap, Caller(key["key"]), look_again_in=0.2) as call:
        owner.call("DELETE", f"/api-keys/{key['id']}")
        answer = read_answer(call)

    assert (answer.status, answer.code) == (401, "api-key-revoked")


def test_a_call_is_noted_and_counted_once(server: Server, owner: Caller, heap: Heap) -> None:
    name = uuid.uuid4().hex

    answer, _ = timed(server, heap.asked(owner, 0.5, {"X-Request-Id": name}))

    line = server.noted(name)
    lines = [line for line in server.log.read_text(encoding="utf-8").splitlines() if name in line]
    assert (answer.headers["X-Request-Id"], len(lines), line["status"]) == (name, 1, 200)
    assert line["milliseconds"] >= 500
    assert 400 < line["waited_milliseconds"] <= line["milliseconds"]


def test_a_wait_is_no_part_of_the_time_to_answer(server: Server, owner: Caller, heap: Heap) -> None:
    def sums() -> dict[str, float]:
        text = server.send(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").raw.decode()
        rows = [row.rsplit(" ", 1) for row in text.splitlines() if "waiting/<name>/take" in row and "_seconds_" in row]
        return {row.partition("{")[0]: float(value) for row, value in rows if "_bucket" not in row}

    timed(server, heap.asked(owner, 0.01))
    before = sums()
    timed(server, heap.asked(owner, 2))
    change = {name: value - before[name] for name, value in sums().items()}

    assert change["holdfast_http_request_seconds_count"] == change["holdfast_http_wait_seconds_count"] == 1
    assert change["holdfast_http_wait_seconds_sum"] > 1
    assert change["holdfast_http_request_seconds_sum"] < 1


def test_an_idempotency_key_keeps_the_answer_and_no_try(server: Server, owner: Caller, heap: Heap) -> None:
    headers = {"Idempotency-Key": uuid.uuid4().hex}
    with waiting(server, heap, owner, headers=headers) as call:
        heap.lay("one", "two")
        heap.ring()
        first = read_answer(call)

    again = server.send(heap.asked(owner, 20, headers))

    assert (first.json, again.json) == ({"found": "one"}, {"found": "one"})
    assert ("Idempotency-Replayed" in first.headers, again.headers["Idempotency-Replayed"]) == (False, "true")


def test_a_body_comes_whole_to_each_try(server: Server, owner: Caller, heap: Heap) -> None:
    with waiting(server, heap, owner, ballast="x" * 50_000) as call:
        heap.lay("one")
        heap.ring()
        answer = read_answer(call)

    assert answer.json == {"found": "one"}


def test_a_stranger_does_not_wait(server: Server, heap: Heap) -> None:
    answer, _ = timed(server, heap.asked(Caller("hf_nonsense"), 20))

    assert answer.status == 401


def test_no_header_makes_a_call_one_that_waits(owner: Caller, heap: Heap, web: Server) -> None:
    headers = {"holdfast.patient": "1", "Holdfast-Patient": "1"}

    _, seconds = timed(web, heap.asked(owner, 20, headers))

    assert 1 <= seconds < 15


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("web", tmp_path_factory.mktemp("web"), "tests.config.waiting_servers:wsgi") as found:
        yield found


def test_without_a_front_a_thread_waits_a_second(web: Server, owner: Caller, heap: Heap) -> None:
    name = uuid.uuid4().hex

    answer, seconds = timed(web, heap.asked(owner, 20, {"X-Request-Id": name}))

    assert (answer.status, answer.json) == (200, {"found": None})
    assert 1 <= seconds < 15
    assert 800 < web.noted(name)["waited_milliseconds"] < 1500


def test_without_a_front_a_ring_wakes_too(web: Server, owner: Caller, heap: Heap) -> None:
    with asking(web, heap.asked(owner, 20), 1) as (call,):
        until(lambda: heap.tries >= 2)
        heap.lay("one")
        heap.ring()
        answer = read_answer(call)

    assert answer.json == {"found": "one"}
