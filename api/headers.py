"""Request headers that an operation reads, declared beside it; the OpenAPI document tells of the declared ones."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Header:
    """One request header, as the document describes it."""

    name: str
    description: str
    schema: dict[str, Any] = field(hash=False)


def reads(*headers: Header) -> Callable[[F], F]:
    """Declare the headers that an operation acts on. What the gate does for all operations needs no declaration."""

    def declare(operation: F) -> F:
        operation.headers = headers  # type: ignore[attr-defined]
        return operation

    return declare
