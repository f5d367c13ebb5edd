"""One port for everything: the streams' ASGI application, with Django's WSGI application behind it.

`manage.py up` serves this. In production the ingress sends the streams' paths to `config.asgi` and the rest to
`config.wsgi`, which spares the hop from the loop to a thread.
"""

from collections.abc import Awaitable, Callable

from config.asgi import application as stream  # first: it sets Django up
from config.bodies import Bodies
from config.bridge import Bridge, Message, Receive, Send, environ_from
from config.environment import Environment
from config.limits import body_limit
from config.refusals import refuse
from config.wsgi import application as web
from operations.embedded.launch import tether

# Under `manage.py up`, end with granian's main process: a killed one would leave workers on the shared port.
tether()

STREAM_PATHS = ("/a2a/",)
# Threads that run Django, each with its own database connection.
THREADS = Environment().integer("WEB_THREADS", 8, least=1, most=64)


def make_front(bodies: Bodies, django: Bridge) -> Callable[[Message, Receive, Send], Awaitable[None]]:
    """Return an application that hands each call to the streams or to Django, by its path."""

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(STREAM_PATHS):
            await stream(scope, receive, send)
            return
        try:
            async with bodies.collected(scope, receive, lambda: body_limit(scope["path"])) as (body, size):
                answer = await django.call(environ_from(scope, body, size))
        except Exception as error:
            await refuse(scope, send, error)
        else:
            await answer.send(send)

    return front


application = make_front(Bodies(), Bridge(web, THREADS))
