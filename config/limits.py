"""What paths tell before the operation is known: how large a body each takes, and whether a call may wait."""

from functools import cache

from django.urls import Resolver404, resolve
from ninja.operation import PathView

from api.requests import DEFAULT_BODY_LIMIT, BodyLimit
from config.api import api
from config.bodies import SMALL


def body_limit(path: str) -> BodyLimit:
    """Return the largest body that any operation of this path takes; the gate holds each to its own.

    Outside of the API there are forms only, which are small.
    """
    try:
        route = resolve(path).route
    except Resolver404:
        return SMALL
    return _limits().get(route, SMALL)


def may_wait(path: str) -> bool:
    """Tell whether an operation of this path may wait."""
    try:
        return resolve(path).route in waiting_routes()
    except Resolver404:
        return False


@cache
def waiting_routes() -> frozenset[str]:
    """Return the routes of the operations that declare that they may wait."""
    return frozenset(
        route for route, view in _views().items() if any(hasattr(one.view_func, "waits") for one in view.operations)
    )


@cache
def _limits() -> dict[str, BodyLimit]:
    """Return by route what operations declare."""
    return {
        route: max(
            (getattr(operation.view_func, "body_limit", DEFAULT_BODY_LIMIT) for operation in view.operations),
            key=lambda limit: limit.size,
        )
        for route, view in _views().items()
    }


def _views() -> dict[str, PathView]:
    views = [found for router in api._get_bound_routers() for found in router.path_operations.items()]
    return {f"api/v1{path}".replace("{", "<").replace("}", ">"): view for path, view in views}
