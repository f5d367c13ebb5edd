"""One port for everything: the streams' ASGI application, with Django's WSGI application behind it.

`manage.py up` serves this. In production the ingress sends the streams' paths to `config.asgi` and the rest to
`config.wsgi`, which spares the hop through a2wsgi.
"""

from typing import Any, cast

from a2wsgi import WSGIMiddleware

from config.asgi import Message, Receive, Send
from config.asgi import application as stream
from config.environment import Environment
from config.wsgi import application as web
from operations.embedded.launch import tether

# Under `manage.py up`, end with granian's main process: a killed one would leave workers on the shared port.
tether()

STREAM_PATHS = ("/a2a/",)
# Threads that run Django, each with its own database connection.
THREADS = Environment().integer("WEB_THREADS", 8, least=1, most=64)

_web: Any = WSGIMiddleware(cast(Any, web), workers=THREADS)


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Hand the call to the streams or to Django, by its path."""
    if scope["type"] != "http" or scope["path"].startswith(STREAM_PATHS):
        await stream(scope, receive, send)
        return

    # a2wsgi passes `receive` to asyncio, which wants a coroutine function; granian's is none.
    async def plain_receive() -> Message:
        return await receive()

    await _web(scope, plain_receive, send)
