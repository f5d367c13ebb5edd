"""How the operations of coordination's rate limits are called; what is needed for it is made through `scene.owner`."""

from collections.abc import Callable
from typing import Any

from tests.service.call import Call

LIMIT = {"resource": "model", "name": "gpt:large"}


def _checked(scene: Any) -> Call:
    """Name a limit that something is spent of."""
    path = f"/rate-limits/{LIMIT['resource']}/{LIMIT['name']}/check"
    assert scene.owner.post(path, {"max_requests": 1000, "window_seconds": 3600}).json["allowed"]
    return Call(LIMIT)


def _peek(scene: Any) -> Call:
    return Call(_checked(scene).ids, query="?max_requests=1000&window_seconds=3600")


# Operations by which an outsider who uses the owner's names reaches things of their own, and is answered alike.
NAMESPACED: set[str] = {"check_rate_limit", "peek_rate_limit", "reset_rate_limit"}
CALLS: dict[str, Callable[[Any], Call]] = {
    "check_rate_limit": lambda scene: Call(LIMIT, {"max_requests": 1000, "window_seconds": 3600}),
    "peek_rate_limit": _peek,
    "reset_rate_limit": _checked,
}
