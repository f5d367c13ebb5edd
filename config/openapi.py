"""What the OpenAPI document says beyond paths and bodies: errors, conditional headers, idempotency, scopes."""

from typing import Any

from ninja import NinjaAPI
from ninja.openapi.schema import OpenAPISchema
from ninja.operation import Operation

from api.etags import IF_MATCH, IF_NONE_MATCH
from api.headers import Header
from api.idempotency import KEY
from orgs.bearers import NAME
from orgs.schemas import ProblemOut

IDEMPOTENCY_KEY = Header(
    "Idempotency-Key",
    "Makes the call safe to repeat: the same key and body give the same answer, a day long unless the operator says "
    "otherwise.",
    {"type": "string", "pattern": f"^{KEY.pattern}$"},
)
ORGANIZATION = Header(
    "Holdfast-Org",
    "The organization that the call is for, by its id or its slug. A user of several who comes with a token must name "
    "one; an API key belongs to one and is refused for any other.",
    {"type": "string", "pattern": f"^{NAME.pattern}$"},
)
TOKEN = {
    "type": "http",
    "scheme": "bearer",
    "bearerFormat": "JWT",
    "description": "An access token of an OpenID Connect issuer that the operator has configured; it acts as the user "
    "to whom its subject belongs, with the scopes of their role.",
}
TAGS = {"type": "string", "example": '"3"'}
ETAG = {"ETag": {"description": "The subject's generation, for If-Match and If-None-Match.", "schema": TAGS}}
SPARED = {"description": "Not modified: the copy that If-None-Match names is the current one.", "headers": ETAG}
KNOWN_COPY = Header("If-None-Match", "Answer 304 when the subject still has this ETag.", TAGS)
# draft-ietf-httpapi-ratelimit-headers: structured fields, a list of limits.
RATES = {
    "RateLimit-Policy": {
        "description": "The limits that the call counts for: `q` calls in any `w` seconds.",
        "schema": {"type": "string", "example": '"default";q=6000;w=60'},
    },
    "RateLimit": {
        "description": "Of each, the `r` calls that are left and the `t` seconds until nothing is spent.",
        "schema": {"type": "string", "example": '"default";r=50;t=30'},
    },
}
RATE_HEADERS = {name: {"$ref": f"#/components/headers/{name}"} for name in RATES}
RETRY_AFTER = {"description": "Whole seconds after which the call may be sent again.", "schema": {"type": "integer"}}
ONLY_NEW = {"type": "string", "const": "*"}
CREATE = Header("If-None-Match", "Create only what is not there yet. Every create is so, also without it.", ONLY_NEW)
CHANGE = Header("If-None-Match", "Write only when the ETag is none of these; * is refused, the subject is there.", TAGS)


def operations(api: NinjaAPI) -> dict[str, Operation]:
    """Return the API's operations by operation id."""
    views = [view for router in api._get_bound_routers() for view in router.path_operations.values()]
    found = [operation for view in views for operation in view.operations]
    return {api.get_openapi_operation_id(operation): operation for operation in found}


def complete(schema: OpenAPISchema, api: NinjaAPI) -> OpenAPISchema:
    """Add to the generated document what the gate does for every operation."""
    by_id = operations(api)
    schema["components"]["schemas"]["ProblemOut"] = ProblemOut.model_json_schema()
    schema["components"]["securitySchemes"]["TokenBearer"] = TOKEN
    schema["components"]["headers"] = RATES
    problem = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}
    for path in schema["paths"].values():
        for method, described in path.items():
            name = described["operationId"]
            if "security" in described:
                described["security"].append({"TokenBearer": []})
            read = _headers(method, by_id[name], described, schema)
            _describe_body(described.get("requestBody"))
            described.setdefault("parameters", []).extend(_parameter(header) for header in read)
            answers = _answers(by_id[name], described, schema, spares=KNOWN_COPY in read)
            described["responses"] = answers | {"default": {"description": "A problem (RFC 9457)", "content": problem}}
            if "security" in described or hasattr(by_id[name].view_func, "limited_by"):
                _describe_limits(described["responses"], problem)
            scope = getattr(by_id[name].view_func, "required_scope", None)
            if scope is not None:
                described["x-required-scope"] = str(scope)
    return schema


def _describe_limits(answers: dict[str, dict[str, Any]], problem: dict[str, Any]) -> None:
    """Say that every answer tells what is left of the limits, and how a call beyond them is refused."""
    answers["429"] = {
        "description": "Beyond a rate limit: `rate-limited`; or another limit of attempts.",
        "content": problem,
        "headers": {"Retry-After": RETRY_AFTER},
    }
    for status, answer in answers.items():
        answers[status] = answer | {"headers": answer.get("headers", {}) | RATE_HEADERS}


def _describe_body(body: dict[str, Any] | None) -> None:
    """Name the schema alone of a body that may be left out: its fields say what holds in their stead."""
    for media in body["content"].values() if body else ():
        if "default" in media["schema"]:
            [media["schema"]] = media["schema"]["allOf"]


def _headers(method: str, operation: Operation, described: dict[str, Any], schema: OpenAPISchema) -> list[Header]:
    declared: tuple[Header, ...] = getattr(operation.view_func, "headers", ())
    found = [*declared, *([ORGANIZATION] if "security" in described else [])]
    if method == "post":
        found += [] if hasattr(operation.view_func, "only_reads") else [IDEMPOTENCY_KEY]
        found += [CREATE] if 201 in described["responses"] else []
    elif method == "get":
        spares = not hasattr(operation.view_func, "always_sent") and _is_tagged(operation, described, schema)
        found += [KNOWN_COPY] if spares else []
    elif IF_MATCH in declared and IF_NONE_MATCH not in declared:
        found.append(CHANGE)
    return found


def _answers(
    operation: Operation, described: dict[str, Any], schema: OpenAPISchema, *, spares: bool
) -> dict[str, dict[str, Any]]:
    """Return the answers by status, with their ETag where they have one, and 304 where a copy may be spared."""
    found = {str(status): answer for status, answer in described["responses"].items()}
    if _is_tagged(operation, described, schema):
        for status, answer in found.items():
            if status.startswith("2"):
                answer["headers"] = answer.get("headers", {}) | ETAG
    return found | ({"304": SPARED} if spares else {})


def _is_tagged(operation: Operation, described: dict[str, Any], schema: OpenAPISchema) -> bool:
    """Does the answer show one subject, whose generation is the ETag?"""
    shown = [answer.get("content", {}) for status, answer in described["responses"].items() if int(status) < 300]
    if not any("application/json" in content for content in shown):
        return False
    reference = shown[0]["application/json"]["schema"].get("$ref")
    if reference is None:
        # A document of the caller's own, whose generation stands in the ETag alone.
        return True
    if hasattr(operation.view_func, "tells_tag"):
        return True
    if hasattr(operation.view_func, "always_sent") or IF_MATCH in getattr(operation.view_func, "headers", ()):
        return True
    return "generation" in schema["components"]["schemas"][reference.rpartition("/")[2]]["properties"]


def _parameter(header: Header) -> dict[str, Any]:
    about = {"in": "header", "name": header.name, "required": False}
    return about | {"description": header.description, "schema": header.schema}
