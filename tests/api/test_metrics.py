import re
import uuid

import pytest
from django.test import Client
from django.urls import resolve

from tests.api.wire import send
from tests.factories import API, Caller


def _scrape() -> str:
    response = Client().get("/metrics")
    assert response.headers["Content-Type"].startswith("text/plain; version=")
    return response.content.decode()


def _count(method: str, route: str, status: int) -> float:
    labels = f'method="{method}",route="{route}",status="{status}"'
    found = re.search(rf"^holdfast_http_requests_total{{{re.escape(labels)}}} (\S+)$", _scrape(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_a_request_is_counted_by_the_pattern_of_its_route(owner: Caller) -> None:
    task_id = uuid.uuid4()
    route = resolve(f"{API}/tasks/{task_id}").route
    before = _count("GET", route, 404)

    owner.get(f"/tasks/{task_id}")

    assert _count("GET", route, 404) == before + 1
    assert str(task_id) not in route + _scrape()


def test_unknown_paths_share_one_series(owner: Caller) -> None:
    before = _count("GET", "unmatched", 404)

    owner.get(f"/{uuid.uuid4()}")
    owner.get("/%00")

    assert _count("GET", "unmatched", 404) == before + 2


@pytest.mark.parametrize("method", ["FOO", "PROPFIND", "X" * 100])
def test_methods_that_nobody_knows_share_one_series(method: str) -> None:
    before = _count("OTHER", "api/v1/me", 405)

    send(method, "/me")

    assert _count("OTHER", "api/v1/me", 405) == before + 1
    assert f'method="{method}"' not in _scrape()


def test_the_time_of_a_request_is_observed(owner: Caller) -> None:
    owner.get("/me")

    assert 'holdfast_http_request_seconds_count{method="GET",route="api/v1/me"}' in _scrape()
