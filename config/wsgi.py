"""The `web` service: everything that answers at once."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from api.requests import PlainRequest  # noqa: E402  (settings come first)
from operations.health import refuse_unfenced_start  # noqa: E402


class Application(WSGIHandler):
    request_class = PlainRequest


application = Application()


refuse_unfenced_start()
