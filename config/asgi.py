"""The `stream` service: what waits or streams (`/a2a/`, event streams). No route is mounted yet: all is not found."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

NOT_FOUND = (
    b'{"type":"urn:holdfast:problem:not-found","title":"There is no such thing here.","status":404,'
    b'"code":"not-found","detail":"This path does not exist."}'
)
HEADERS = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(NOT_FOUND)).encode())]


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one ASGI connection (ASGI 3.0)."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await send({"type": "http.response.start", "status": 404, "headers": HEADERS})
        await send({"type": "http.response.body", "body": NOT_FOUND})


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
