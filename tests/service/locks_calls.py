"""How the operations of coordination's locks are called; what is needed for it is made through `scene.owner`."""

from collections.abc import Callable
from typing import Any

from tests.service.call import Call

# Operations by which an outsider who uses the owner's names reaches things of their own, and is answered alike.
NAMESPACED: set[str] = {"acquire_lock", "extend_lock", "release_lock"}
LOCK = {"resource": "report", "name": "2026"}
# The same each time, so that a lock which a call has left held is its own.
TOKEN = "the-token-of-every-call"


def _held(scene: Any, body: Any = None) -> Call:
    """Call on a lock that the owner holds."""
    made = scene.owner.post("/locks/report/2026/acquire", {"ttl_seconds": 60, "token": TOKEN})
    assert made.status == 200, made
    return Call(LOCK, body)


CALLS: dict[str, Callable[[Any], Call]] = {
    "acquire_lock": lambda scene: Call(LOCK, {"ttl_seconds": 60, "token": TOKEN}),
    "break_lock": _held,
    "extend_lock": lambda scene: _held(scene, {"token": TOKEN, "ttl_seconds": 60}),
    "get_lock": _held,
    "release_lock": lambda scene: _held(scene, {"token": TOKEN}),
}
