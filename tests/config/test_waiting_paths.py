"""Which paths the streams' service takes of Django's, and that the proxy's list has them all."""

import re
from collections.abc import Iterator

import pytest
from django.urls import resolve

from config.limits import may_wait, waiting_routes
from orgs.models import Organization
from tests.api.live import Server, read_answer, request, serving
from tests.config.waiting import Heap, timed, waiting
from tests.factories import Caller
from tests.orgs.servers import CHECKOUT

PAGE = CHECKOUT / "docs" / "how-to" / "run-in-production.md"


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving("front", tmp_path_factory.mktemp("stream"), "tests.config.waiting_servers:stream") as found:
        yield found


def test_the_streams_service_serves_calls_that_wait(stream: Server, owner: Caller, organization: Organization) -> None:
    heap = Heap(organization)

    with waiting(stream, heap, owner) as call:
        heap.lay("one")
        heap.ring()
        answer = read_answer(call)

    assert answer.json == {"found": "one"}


def test_the_streams_service_has_no_other_path(stream: Server, owner: Caller) -> None:
    answer, _ = timed(stream, request("GET", "/me", owner.key))

    assert (answer.status, answer.code) == (404, "not-found")


def test_the_proxys_list_has_the_paths_of_all_operations_that_wait() -> None:
    listed = re.findall(r"^- `(/\S+)`$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)

    paths = {"/" + route.replace("<", "{").replace(">", "}") for route in waiting_routes()}
    assert set(listed) == {"/a2a/", *paths}


def test_a_path_that_waits_is_known_by_its_route() -> None:
    paths = ["/" + re.sub(r"<[^>]+>", "x", route) for route in waiting_routes()]

    assert [path for path in paths if not may_wait(path)] == []
    assert {resolve(path).route for path in paths} == waiting_routes()


@pytest.mark.parametrize("path", ["/api/v1/me", "/nothing", "/", "/api/v1/tasks/%00"])
def test_another_path_does_not_wait(path: str) -> None:
    assert not may_wait(path)
