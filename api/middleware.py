"""The one middleware on API paths: request id, origin, log line and metrics."""

import logging
import time
from collections.abc import Callable

from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from api import metrics, waiting
from api.problems import Problem, problem_response
from api.requests import client_address, request_id
from audit.origin import Origin, set_origin

logger = logging.getLogger("holdfast.request")
METHOD_NOT_ALLOWED = Problem(405, "method-not-allowed", "This path does not answer that method.")
METHODS = {"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"}
# Answers that have no content say nothing of its length (RFC 9110 §8.6).
WITHOUT_CONTENT = (204, 304)


class RequestMiddleware:
    """Name the call, let it be answered, write one JSON line and one observation about it."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        started = time.perf_counter()
        origin = Origin(request_id=request_id(request), address=client_address(request))
        set_origin(origin)
        method = request.method
        if method == "HEAD" and request.path.startswith("/api/"):
            # The router knows no HEAD: it is answered as a GET, whose content the server leaves out (RFC 9110 §9.3.2).
            request.method = "GET"
        response = self.get_response(request)
        request.method = method
        if response.status_code == 405 and request.path.startswith("/api/"):
            response = _method_not_allowed(response)
        # What the call's limits left to be told, whatever became of it: a defect's answer is made outside of the API.
        for name, value in request.__dict__.get("rate_limit_fields", ()):
            response.headers[name] = value
        response.headers["X-Request-Id"] = origin.request_id
        response.headers["X-Content-Type-Options"] = "nosniff"
        if response.status_code in WITHOUT_CONTENT:
            response.headers.pop("Content-Length", None)
        elif not response.streaming and "Content-Length" not in response.headers:
            response.headers["Content-Length"] = str(len(response.content))  # type: ignore[attr-defined]
        call = request.META.get(waiting.CALL)
        if call is None:
            self._note(request, response, time.perf_counter() - started)
        else:
            call.began = call.began or started
            if call.pause is None and not call.noted:
                call.noted = True
                self._note(request, response, time.perf_counter() - call.began, call.waited)
        return response

    @staticmethod
    def _note(request: HttpRequest, response: HttpResponseBase, seconds: float, waited: float | None = None) -> None:
        route = request.resolver_match.route if request.resolver_match else "unmatched"
        method = request.method if request.method in METHODS else "OTHER"
        if waited is None:
            metrics.observe(str(method), route, response.status_code, seconds)
        else:
            # The service's work alone: a call that waits as its caller wishes is not slow.
            metrics.observe(str(method), route, response.status_code, seconds - waited)
            metrics.observe_wait(str(method), route, waited)
        if logger.isEnabledFor(logging.INFO):
            # Made directly: `logger.info` would first walk the stack to find out that this line wrote it.
            line = logging.LogRecord(logger.name, logging.INFO, __file__, 0, "request", None, None)
            line.fields = {
                "method": method,
                "path": request.path[:300],
                "status": response.status_code,
                "milliseconds": round(seconds * 1000, 2),
            } | ({} if waited is None else {"waited_milliseconds": round(waited * 1000, 2)})
            logger.handle(line)


def _method_not_allowed(response: HttpResponseBase) -> HttpResponse:
    problem = problem_response(METHOD_NOT_ALLOWED, f"Allowed here: {response.headers.get('Allow', '')}.")
    problem.headers["Allow"] = response.headers.get("Allow", "")
    return problem
