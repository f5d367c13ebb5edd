"""The `stream` service: what waits or streams (`/a2a/`, event streams), and the operations that may wait.

No stream is mounted yet: all but those operations is not found.
"""

import os
from collections.abc import Callable

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  (settings come first)

from config.bodies import Bodies  # noqa: E402
from config.bridge import Bridge, Message, Receive, Send  # noqa: E402
from config.limits import may_wait  # noqa: E402
from config.refusals import not_found, say_alive  # noqa: E402
from config.waits import Waits  # noqa: E402
from config.web import ASGIApplication, Web  # noqa: E402
from config.wsgi import application as web  # noqa: E402

STREAM_PATHS = ("/a2a/",)


def make_stream(answer: Web, waits_here: Callable[[str], bool] = may_wait) -> ASGIApplication:
    """Return an application for the streams, and for the paths of operations that may wait, which Django answers."""

    async def stream(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send, answer.waits)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["path"] == "/live" and scope["method"] in ("GET", "HEAD"):
            await say_alive(scope, send)
        elif waits_here(scope["path"]):
            await answer(scope, receive, send)
        else:
            await not_found(scope, send)

    return stream


async def live(receive: Receive, send: Send, waits: Waits) -> None:
    """Answer the lifespan protocol (ASGI 3.0)."""
    with waits.ended_by_signals():
        while (message := await receive())["type"] != "lifespan.shutdown":
            await send({"type": f"{message['type']}.complete"})
    waits.end()
    await send({"type": "lifespan.shutdown.complete"})


application = make_stream(Web(Bodies(), Bridge(web, settings.WEB_THREADS)))
