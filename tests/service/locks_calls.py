"""How the operations of coordination's locks are called; what is needed for it is made through `scene.owner`."""

from collections.abc import Callable
from typing import Any

from tests.service.call import Call

# Operations by which an outsider who uses the owner's names reaches things of their own, and is answered alike.
NAMESPACED: set[str] = set()
CALLS: dict[str, Callable[[Any], Call]] = {}
