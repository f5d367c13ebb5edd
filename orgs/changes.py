"""What changes here is told to the event log, which stands above this app and registers itself."""

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Change:
    """One new generation of one subject; written to the log in the same transaction."""

    organization_id: uuid.UUID
    subject_type: str
    subject_id: uuid.UUID
    generation: int
    event_type: str
    owner_id: uuid.UUID
    actor: str
    facts: dict[str, Any] = field(default_factory=dict)


_listeners: list[Callable[[Change], None]] = []


def on_change(listener: Callable[[Change], None]) -> None:
    """Have `listener` called inside the transaction of every change."""
    _listeners.append(listener)


def announce(change: Change) -> None:
    for listener in _listeners:
        listener(change)
