"""How large a body each path takes, for the front, which collects bodies before it knows the operation."""

from functools import cache

from django.urls import Resolver404, resolve

from api.requests import DEFAULT_BODY_LIMIT
from config.api import api
from config.bodies import UNCOUNTED_BYTES


def body_limit(path: str) -> int:
    """Return the largest body that any operation of this path takes; the gate holds each to its own.

    Outside of the API there are forms only, which are small.
    """
    try:
        route = resolve(path).route
    except Resolver404:
        return UNCOUNTED_BYTES
    return _limits().get(route, UNCOUNTED_BYTES)


@cache
def _limits() -> dict[str, int]:
    """Return by route what operations declare."""
    views = [found for router in api._get_bound_routers() for found in router.path_operations.items()]
    return {
        f"api/v1{path}".replace("{", "<").replace("}", ">"): max(
            getattr(operation.view_func, "body_limit", DEFAULT_BODY_LIMIT) for operation in view.operations
        )
        for path, view in views
    }
