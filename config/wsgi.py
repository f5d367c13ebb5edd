"""The `web` service: everything that answers at once."""

import os

import django
from django.core.handlers.wsgi import WSGIHandler

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")
django.setup(set_prefix=False)

from django.conf import settings  # noqa: E402  (settings come first)

from api.requests import PlainRequest  # noqa: E402
from operations.health import refuse_cluster_start, refuse_unfenced_start  # noqa: E402
from orgs.connections import bound_statements  # noqa: E402


class Application(WSGIHandler):
    request_class = PlainRequest


application = Application()

if settings.DB_STATEMENT_TIMEOUT:
    bound_statements(settings.DB_STATEMENT_TIMEOUT)
refuse_unfenced_start()
refuse_cluster_start()
