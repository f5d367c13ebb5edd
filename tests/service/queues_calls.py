"""How the operations of coordination's queues are called; what is needed for it is made through `scene.owner`."""

from collections.abc import Callable
from typing import Any

from tests.service.call import Call

# Operations by which an outsider who uses the owner's names reaches things of their own, and is answered alike.
NAMESPACED: set[str] = {"configure_queue", "pop_messages", "push_messages"}
QUEUE = {"queue": "mail"}


def _pushed(scene: Any, body: Any = None) -> Call:
    """Call on a queue with a message."""
    assert scene.owner.post("/queues/mail/push", {"messages": [{"body": "hello"}]}).status == 201
    return Call(QUEUE, body)


def _listed(scene: Any) -> Call:
    assert _pushed(scene)
    return Call()


def _receipt(scene: Any) -> str:
    """Take a message as the owner."""
    assert _pushed(scene)
    return str(scene.owner.post("/queues/mail/pop", {}).json["items"][0]["receipt"])


CALLS: dict[str, Callable[[Any], Call]] = {
    "ack_messages": lambda scene: Call(QUEUE, {"receipts": [_receipt(scene)]}),
    "configure_queue": lambda scene: Call(QUEUE, {"max_attempts": 3}),
    "delete_queue": _pushed,
    "extend_message": lambda scene: Call(QUEUE, {"receipt": _receipt(scene), "visibility_seconds": 60}),
    "get_queue": _pushed,
    "list_dead_messages": _pushed,
    "list_queues": _listed,
    "nack_message": lambda scene: Call(QUEUE, {"receipt": _receipt(scene)}),
    "peek_messages": _pushed,
    "pop_messages": lambda scene: _pushed(scene, {}),
    "purge_queue": lambda scene: _pushed(scene, {"what": "all"}),
    "push_messages": lambda scene: Call(QUEUE, {"messages": [{"body": "hello"}]}),
    "redrive_messages": lambda scene: _pushed(scene, {}),
}
