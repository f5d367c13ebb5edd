"""One port for everything: the streams' ASGI application, with Django's WSGI application behind it.

`manage.py up` serves this. In production the ingress sends the streams' paths to `config.asgi` and the rest to
`config.wsgi`, which spares the hop from the loop to a thread.
"""

import asyncio
from collections.abc import Awaitable, Callable
from io import BytesIO

from django.conf import settings

from config.asgi import application as stream  # first: it sets Django up
from config.bodies import STILL_SENT, Bodies
from config.bridge import Bridge, Message, Receive, Send, environ_from
from config.limits import body_limit
from config.refusals import refuse, say_alive
from config.wsgi import application as web
from operations.embedded.launch import tether
from orgs.authentication import REFUSALS, authenticate_header
from orgs.connections import drop_dead_connection

# Under `manage.py up`, end with granian's main process: a killed one would leave workers on the shared port.
tether()

STREAM_PATHS = ("/a2a/",)


def make_front(bodies: Bodies, django: Bridge) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return an application that hands each call to the streams or to Django, by its path."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(STREAM_PATHS):
            await stream(scope, receive, send)
            return
        if scope["path"] == "/live" and scope["method"] in ("GET", "HEAD"):
            # Without a thread: they may all be waiting for the database.
            await say_alive(scope, send)
            return
        begun = False
        try:
            async with bodies.collected(
                scope, receive, limit=lambda: body_limit(scope["path"]), admit=lambda: _admit(django, scope)
            ) as body:
                answer = await django.call(environ_from(scope, body.stream, body.size))
                bodies.keep(answer, body)
                begun = True
                await bodies.send(answer, send)
        except REFUSALS:
            # Django says why and notes it, before it looks at the body.
            await (await django.call(environ_from(scope, BytesIO(), 0))).send(send)
            await bodies.drain(receive)
        except Exception as error:
            if begun:
                raise
            await refuse(scope, send, error)
            if isinstance(error, STILL_SENT):
                await bodies.drain(receive)

    return front


async def _admit(django: Bridge, scope: Message) -> str:
    """Return the organization of the caller's key or token; raises one of REFUSALS.

    In a thread: a key is looked up in the database, and the keys of a token's issuer may have to be read first.
    """
    authorization, named = _header(scope, b"authorization"), _header(scope, b"holdfast-org")
    return await asyncio.get_running_loop().run_in_executor(django.threads, _organization, authorization, named)


def _header(scope: Message, wanted: bytes) -> str | None:
    """Return a header as Django will see it: sent several times it is joined."""
    found = [value.decode("latin-1") for name, value in scope["headers"] if name == wanted]
    return ",".join(found) if found else None


def _organization(authorization: str | None, named: str | None) -> str:
    drop_dead_connection()
    return authenticate_header(authorization or "", named).organization


application = make_front(Bodies(), Bridge(web, settings.WEB_THREADS))
