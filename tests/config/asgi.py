"""An ASGI server in miniature: what it was sent, and what it hands to the application."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from config.bridge import Message

Headers = list[tuple[bytes, bytes]]


def scope(method: str = "GET", path: bytes = b"/", headers: Headers | None = None, **changes: Any) -> Message:
    """Return a scope as granian makes them."""
    return {
        "type": "http",
        "http_version": "1.1",
        "server": ("127.0.0.1", "8000"),
        "client": ("192.0.2.7", "50750"),
        "scheme": "http",
        "method": method,
        "root_path": "",
        "path": path.decode(),
        "raw_path": path,
        "query_string": b"",
        "headers": headers or [],
    } | changes


class Sent(list[Message]):
    """The messages that were sent."""

    async def send(self, message: Message) -> None:
        self.append(message)

    @property
    def status(self) -> int:
        return int(self[0]["status"])

    @property
    def headers(self) -> dict[bytes, bytes]:
        return dict(self[0]["headers"])

    @property
    def content(self) -> bytes:
        return b"".join(message["body"] for message in self[1:])


def giving(*messages: Message | bytes) -> Callable[[], Awaitable[Message]]:
    """Return a `receive` that gives these; bytes are a part of a body. After the last it waits for ever."""
    left = list(messages)

    async def receive() -> Message:
        if not left:
            await asyncio.Event().wait()
        message = left.pop(0)
        return {"type": "http.request", "body": message, "more_body": True} if isinstance(message, bytes) else message

    return receive


END: Message = {"type": "http.request", "body": b"", "more_body": False}
GONE: Message = {"type": "http.disconnect"}
