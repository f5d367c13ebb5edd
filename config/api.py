"""The API's root: routers, manners and errors wired together."""

from typing import Any

from django.http import HttpRequest
from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation
from ninja.parser import Parser
from ninja.renderers import BaseRenderer

from api import documents
from config import errors
from config.openapi import complete
from coordination.api import routers as coordination_routers
from orgs.api import routers as orgs_routers
from orgs.gate import APIKeyBearer, gate
from sessions_store.api import router as sessions_router
from tasks.api import router as tasks_router


class DocumentParser(Parser):
    """Hand ninja the document that the gate has parsed strictly."""

    def parse_body(self, request: HttpRequest) -> Any:
        return request.document  # type: ignore[attr-defined]


class DocumentRenderer(BaseRenderer):
    media_type = "application/json"

    def render(self, request: HttpRequest, data: Any, *, response_status: int) -> str:
        return documents.dumps(data)


class HoldfastAPI(NinjaAPI):
    """The API with its own operation ids, and a document that tells its manners."""

    def get_openapi_operation_id(self, operation: Operation) -> str:
        return str(operation.view_func.__name__)

    def get_openapi_schema(self, **options: Any) -> OpenAPISchema:
        return complete(super().get_openapi_schema(**options), self)


api = HoldfastAPI(
    title="Holdfast",
    version="1",
    description=(
        "The durable state of AI agents. An operation that does not list If-Match here writes what has no ETag: it "
        "refuses one with 412."
    ),
    auth=APIKeyBearer(),
    parser=DocumentParser(),
    renderer=DocumentRenderer(),
)
api.add_decorator(gate, mode="view")
errors.install(api)
# The hot paths come first: routes are tried in order.
api.add_router("", tasks_router)
api.add_router("", sessions_router)
for router in (*orgs_routers, *coordination_routers):
    api.add_router("", router)
