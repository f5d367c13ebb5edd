"""The service's servers with an operation that waits: one port, streams, and plain WSGI."""

import os

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  (settings come first)

settings.ROOT_URLCONF = "tests.config.waiting_urls"

from config.asgi import make_stream  # noqa: E402
from config.bodies import Bodies  # noqa: E402
from config.bridge import Bridge  # noqa: E402
from config.front import make_front  # noqa: E402
from config.web import Web  # noqa: E402
from config.wsgi import application as web  # noqa: E402
from tests.api.live import THREADS  # noqa: E402

front = make_front(Bodies(), Bridge(web, THREADS))
stream = make_stream(Web(Bodies(), Bridge(web, THREADS)), lambda path: "/waiting/" in path)
wsgi = web
# It has room for the body of one call that waits.
cramped = make_front(Bodies(held_at_most=30), Bridge(web, THREADS))
