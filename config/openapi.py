"""What the OpenAPI document says beyond paths and bodies: errors, conditional headers, idempotency, scopes."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from api.idempotency import KEY
from orgs.schemas import ProblemOut
from tasks.leases import HEADER

ETAG_NAME = {"type": "string", "example": '"3"'}


def _header(name: str, description: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"in": "header", "name": name, "required": False, "description": description, "schema": schema}


IF_MATCH = _header("If-Match", "Write only when the subject's ETag is one of these.", ETAG_NAME)
IF_NONE_MATCH = _header("If-None-Match", "Answer 304 when the subject still has this ETag.", ETAG_NAME)
IDEMPOTENCY_KEY = _header(
    "Idempotency-Key",
    "Makes the call safe to repeat: within 24 hours the same key and body give the same answer.",
    {"type": "string", "pattern": f"^{KEY.pattern}$"},
)
LEASE_TOKEN = _header(HEADER, "The fencing token of the lease that the write is made under.", {"type": "integer"})
# Operations whose If-Match and lease header the services read.
CONDITIONAL = {"replace_state", "merge_state", "delete_session", "change_state", "change_agent", "rename_organization"}
CONDITIONAL |= {"append_message", "append_artifact"}
CACHEABLE = {"get_task", "get_session"}
LEASED = {"append_message", "append_artifact", "change_state", "extend_lease"}


def operations(api: NinjaAPI) -> dict[str, Operation]:
    """Return the API's operations by operation id."""
    views = [view for router in api._get_bound_routers() for view in router.path_operations.values()]
    found = [operation for view in views for operation in view.operations]
    return {api.get_openapi_operation_id(operation): operation for operation in found}


def complete(schema: OpenAPISchema, api: NinjaAPI) -> OpenAPISchema:
    """Add to the generated document what the gate does for every operation."""
    by_id = operations(api)
    schema["components"]["schemas"]["ProblemOut"] = ProblemOut.model_json_schema()
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    for path in schema["paths"].values():
        for method, described in path.items():
            name = described["operationId"]
            answers = {str(status): answer for status, answer in described["responses"].items()}
            described["responses"] = answers | {"default": {"description": "A problem (RFC 9457)", "content": problem}}
            described.setdefault("parameters", []).extend(_headers(method, name))
            scope = getattr(by_id[name].view_func, "required_scope", None)
            if scope is not None:
                described["x-required-scope"] = str(scope)
    return schema


def _headers(method: str, name: str) -> list[dict[str, Any]]:
    found = [IDEMPOTENCY_KEY] if method == "post" else []
    found += [IF_MATCH] if name in CONDITIONAL else []
    found += [IF_NONE_MATCH] if name in CACHEABLE else []
    return found + ([LEASE_TOKEN] if name in LEASED else [])
