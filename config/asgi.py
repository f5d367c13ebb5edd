"""The `stream` service: what waits or streams (`/a2a/`, event streams). No route is mounted yet: all is not found."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from config.bridge import Message, Receive, Send  # noqa: E402  (settings come first)
from config.refusals import not_found  # noqa: E402


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Answer one ASGI connection (ASGI 3.0)."""
    if scope["type"] == "lifespan":
        await _live(receive, send)
    elif scope["type"] == "websocket":
        await send({"type": "websocket.close"})
    else:
        await not_found(scope, send)


async def _live(receive: Receive, send: Send) -> None:
    while (message := await receive())["type"] != "lifespan.shutdown":
        await send({"type": f"{message['type']}.complete"})
    await send({"type": "lifespan.shutdown.complete"})
