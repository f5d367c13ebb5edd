"""An operation as the OpenAPI document has it, and one call of it."""

import uuid
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from django.test import Client

from api import documents
from config.api import api
from tests import factories
from tests.factories import API, Answer, Caller

# Parameters of paths that are names of coordination; where anything may be so named, nothing is found by another case.
NAMES = ("resource", "name", "queue")


@dataclass(frozen=True)
class Operation:
    """An operation as the OpenAPI document has it."""

    name: str
    method: str
    path: str
    scope: str | None

    @property
    def names(self) -> bool:
        """Does its path name something by a text of the caller's own?"""
        return any(f"{{{name}}}" in self.path for name in NAMES)

    @property
    def ids(self) -> bool:
        """Does its path name something?"""
        return "{" in self.path

    @property
    def lists(self) -> bool:
        return self.method == "GET" and self.name.startswith("list_") and not self.ids


@cache
def operations() -> dict[str, Operation]:
    paths = api.get_openapi_schema(path_prefix=f"{API}/")["paths"]
    return {
        described["operationId"]: Operation(
            described["operationId"], method.upper(), path.removeprefix(API), described.get("x-required-scope")
        )
        for path, methods in paths.items()
        for method, described in methods.items()
    }


@dataclass(frozen=True)
class Call:
    """Path parameters, query, body and headers of one call."""

    ids: dict[str, str] = field(default_factory=dict)
    body: Any = None
    query: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def by(self, caller: Caller, operation: Operation) -> Answer:
        return caller.call(operation.method, self._path(operation), self.body, **self.headers)

    def by_nobody(self, operation: Operation) -> Answer:
        """Send the call without any Authorization header."""
        raw = b"" if self.body is None else documents.dumps(self.body).encode()
        client = Client(raise_request_exception=False)
        client.handler = factories.HANDLER
        url = f"{API}{self._path(operation)}"
        response = client.generic(operation.method, url, raw, content_type="application/json")
        return Answer(response.status_code, dict(response.headers), response.content)

    def with_other_ids(self) -> "Call":
        """Return the call with identifiers that nothing has."""
        nothing = {name: "none" if name == "artifact_id" else str(uuid.uuid4()) for name in self.ids}
        return Call(nothing, self.body, self.query, self.headers)

    def _path(self, operation: Operation) -> str:
        return operation.path.format_map(self.ids) + self.query
