"""One port for everything: the streams' ASGI application, with Django's WSGI application behind it.

`manage.py up` serves this. In production the ingress sends the streams' paths to `config.asgi` and the rest to
`config.wsgi`, which spares the hop from the loop to a thread.
"""

from django.conf import settings

from config.asgi import STREAM_PATHS, live  # first: it sets Django up
from config.asgi import application as stream
from config.bodies import Bodies
from config.bridge import Bridge, Message, Receive, Send
from config.refusals import say_alive
from config.web import ASGIApplication, Web
from config.wsgi import application as web
from operations.embedded.launch import tether

# Under `manage.py up`, end with granian's main process: a killed one would leave workers on the shared port.
tether()


def make_front(bodies: Bodies, django: Bridge) -> ASGIApplication:
    """Return an application that hands each call to the streams or to Django, by its path."""
    answer = Web(bodies, django)

    async def front(scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(receive, send, answer.waits)
        elif scope["type"] != "http" or scope["path"].startswith(STREAM_PATHS):
            await stream(scope, receive, send)
        elif scope["path"] == "/live" and scope["method"] in ("GET", "HEAD"):
            # Without a thread: they may all be waiting for the database.
            await say_alive(scope, send)
        else:
            await answer(scope, receive, send)

    return front


application = make_front(Bodies(), Bridge(web, settings.WEB_THREADS))
