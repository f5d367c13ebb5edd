"""What ends waiting calls besides what they wait for: too many of them, Valkey gone, the process ending."""

import time
from pathlib import Path

import pytest

from orgs.models import Organization
from tests.api.live import Server, read_answer, serving
from tests.config.waiting import Heap, process, timed, until, waiting
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller

FRONT = "tests.config.waiting_servers:front"


@pytest.fixture
def heap(organization: Organization) -> Heap:
    return Heap(organization)


@pytest.mark.parametrize("bound", ["WAITING_CALLS", "WAITING_CALLS_PER_ORGANIZATION"])
def test_a_call_too_many_is_put_off(tmp_path: Path, owner: Caller, heap: Heap, bound: str) -> None:
    with serving("front", tmp_path, FRONT, **{bound: "1"}) as server, waiting(server, heap, owner) as call:
        refused, _ = timed(server, heap.asked(owner, 20))
        at_once, _ = timed(server, heap.asked(owner, 0))
        heap.lay("one")
        heap.ring()
        answer = read_answer(call)

    assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "too-many-waits", "1")
    assert (at_once.status, answer.json) == (200, {"found": "one"})


def test_another_organization_may_still_wait(tmp_path: Path, owner: Caller, outsider: Caller, heap: Heap) -> None:
    bound = {"WAITING_CALLS_PER_ORGANIZATION": "1"}
    with serving("front", tmp_path, FRONT, **bound) as server, waiting(server, heap, owner):
        answer, _ = timed(server, heap.asked(outsider, 0.2))

    assert (answer.status, answer.json) == (200, {"found": None})


def test_bodies_of_waiting_calls_are_counted(tmp_path: Path, owner: Caller, heap: Heap) -> None:
    with serving("front", tmp_path, "tests.config.waiting_servers:cramped") as server, waiting(server, heap, owner):
        refused, _ = timed(server, heap.asked(owner, 20))

    assert (refused.status, refused.code) == (503, "too-many-waits")


@pytest.mark.parametrize("signal", ["SIGTERM", "SIGINT"])
def test_the_end_of_the_process_ends_waits(tmp_path: Path, owner: Caller, heap: Heap, signal: str) -> None:
    with serving("front", tmp_path, FRONT) as server, waiting(server, heap, owner) as call:
        main, began = process(server), time.monotonic()
        main.send_signal({"SIGTERM": 15, "SIGINT": 2}[signal])
        answer = read_answer(call)
        main.wait(15)

    assert (answer.status, answer.json) == (200, {"found": None})
    assert time.monotonic() - began < 15


@pytest.fixture
def valkey(tmp_path: Path) -> ValkeyServer:
    return ValkeyServer(tmp_path / "valkey")


def test_valkey_killed_under_a_wait_is_told(
    tmp_path: Path, owner: Caller, organization: Organization, valkey: ValkeyServer
) -> None:
    heap = Heap(organization, valkey.client)
    valkey.start()
    with serving("front", tmp_path, FRONT, REDIS_URL=valkey.url) as server:
        with waiting(server, heap, owner) as call:
            began = time.monotonic()
            valkey.kill()
            refused = read_answer(call)
            seconds = time.monotonic() - began
        valkey.start()
        later = _after(server, heap, owner)
    valkey.kill()

    assert (refused.status, refused.code) == (503, "valkey-unavailable")
    assert seconds < 15
    assert later == {"found": "one"}


def test_valkey_paused_under_a_wait_is_told_at_its_end(
    tmp_path: Path, owner: Caller, organization: Organization, valkey: ValkeyServer
) -> None:
    heap = Heap(organization, valkey.client)
    valkey.start()
    with serving("front", tmp_path, FRONT, REDIS_URL=valkey.url) as server:
        with waiting(server, heap, owner, 1) as call:
            began = time.monotonic()
            valkey.pause()
            refused = read_answer(call)
            seconds = time.monotonic() - began
        valkey.resume()
        later = _after(server, heap, owner)
    valkey.kill()

    assert (refused.status, refused.code) == (503, "valkey-unavailable")
    assert seconds < 15
    assert later == {"found": "one"}


def _after(server: Server, heap: Heap, owner: Caller) -> object:
    """Return what a call that waits is given once Valkey serves again."""
    until(lambda: timed(server, heap.asked(owner, 0))[0].status == 200)
    with waiting(server, heap, owner) as call:
        heap.lay("one")
        heap.ring()
        return read_answer(call).json
