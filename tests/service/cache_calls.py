"""How the operations of coordination's cache are called; what is needed for it is made through `scene.owner`."""

from collections.abc import Callable
from typing import Any

from tests.service.call import Call

# Operations by which an outsider who uses the owner's names reaches things of their own, and is answered alike.
NAMESPACED: set[str] = {
    "delete_cached",
    "delete_many_cached",
    "get_many_cached",
    "give_up_cached",
    "set_cached",
    "set_many_cached",
    "take_turn_cached",
}
PATH = "/cache/report/daily"
NAMED = {"resource": "report", "name": "daily"}
RESOURCE = {"resource": "report"}


def _stored(scene: Any, call: Call) -> Call:
    assert scene.owner.put(PATH, {"value": {"a": 1}, "ttl_seconds": 600}).json["stored"]
    return call


def _give_up(scene: Any) -> Call:
    token = scene.owner.post(f"{PATH}/compute", {"compute_seconds": 600}).json["token"]
    return Call(NAMED, {"token": token})


CALLS: dict[str, Callable[[Any], Call]] = {
    "delete_cached": lambda scene: _stored(scene, Call(NAMED)),
    "delete_many_cached": lambda scene: _stored(scene, Call(RESOURCE, {"names": ["daily"]})),
    "get_cached": lambda scene: _stored(scene, Call(NAMED)),
    "get_many_cached": lambda scene: _stored(scene, Call(RESOURCE, {"names": ["daily"]})),
    "give_up_cached": _give_up,
    "set_cached": lambda scene: _stored(scene, Call(NAMED, {"value": 2, "ttl_seconds": 600})),
    "set_many_cached": lambda scene: _stored(scene, Call(RESOURCE, {"values": {"daily": 2}, "ttl_seconds": 600})),
    "take_turn_cached": lambda scene: _stored(scene, Call(NAMED, {"compute_seconds": 600})),
}
