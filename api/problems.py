"""Errors on the wire: RFC 9457 problem details with a stable `code`."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from django.http import HttpResponse

from api import documents
from audit.origin import current_origin


@dataclass(frozen=True)
class Problem:
    """One row of the table: what an exception becomes."""

    status: int
    code: str
    title: str
    # What WWW-Authenticate names beside a 401: nothing where the call came with nothing (RFC 6750 §3.1). It is no part
    # of what the code means.
    bearer_error: str = field(default="invalid_token", compare=False)


def problem_response(problem: Problem, detail: str = "", extensions: Mapping[str, Any] | None = None) -> HttpResponse:
    """Return the problem as `application/problem+json`; `code` is what programs branch on."""
    body: dict[str, Any] = {
        "type": f"urn:holdfast:problem:{problem.code}",
        "title": problem.title,
        "status": problem.status,
        "code": problem.code,
        "detail": detail or problem.title,
        "request_id": current_origin().request_id,
        **(extensions or {}),
    }
    response = HttpResponse(documents.dumps(body), status=problem.status, content_type="application/problem+json")
    if problem.status == 401:
        error = f', error="{problem.bearer_error}"' if problem.bearer_error else ""
        response["WWW-Authenticate"] = f'Bearer realm="holdfast"{error}'
    if problem.status == 503:
        response["Retry-After"] = "1"
    return response
