"""Prometheus metrics of the HTTP surface; several processes share them through PROMETHEUS_MULTIPROC_DIR."""

import os
from functools import cache

from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Counter, Histogram, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector

REQUESTS = Counter("holdfast_http_requests_total", "Requests answered.", ["method", "route", "status"])
SECONDS = Histogram(
    "holdfast_http_request_seconds",
    "Time to answer a request.",
    ["method", "route"],
    buckets=(0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
)
WAITED = Histogram(
    "holdfast_http_wait_seconds",
    "Time that calls waited because they asked to; it is no part of the time to answer.",
    ["method", "route"],
    buckets=(0.1, 0.5, 1, 2, 5, 10, 20),
)


@cache
def _series(method: str, route: str, status: int) -> tuple[Counter, Histogram]:
    return REQUESTS.labels(method, route, str(status)), SECONDS.labels(method, route)


def observe(method: str, route: str, status: int, seconds: float) -> None:
    """Count one answered request. `route` is the pattern, never the path: ids would make endless series."""
    requests, durations = _series(method, route, status)
    requests.inc()
    durations.observe(seconds)


def observe_wait(method: str, route: str, seconds: float) -> None:
    """Note how long a call waited that found nothing at first."""
    WAITED.labels(method, route).observe(seconds)


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer a Prometheus scrape."""
    registry = REGISTRY
    if os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    return HttpResponse(generate_latest(registry), content_type=CONTENT_TYPE_LATEST)
