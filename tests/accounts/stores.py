"""What tests of the stores share: an event loop each, and users for them."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

from accounts.stores import SettingsStore, close_stores

T = TypeVar("T")


def run(work: Callable[[], Awaitable[T]]) -> T:
    """Run in an event loop of its own, and leave no connection behind."""

    async def whole() -> T:
        try:
            return await work()
        finally:
            await close_stores()

    return asyncio.run(whole())


def store(user_id: object, settings: Any, **conditions: Any) -> int:
    return run(lambda: SettingsStore(str(user_id)).store(settings, **conditions))


def load(user_id: object) -> dict[str, Any] | None:
    return run(SettingsStore(str(user_id)).load)
