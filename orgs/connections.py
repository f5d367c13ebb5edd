"""Persistent connections that notice a dead server without asking it."""

import select

from django.core.cache import close_caches
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, reset_queries


def keep_connections() -> None:
    """Take Django's own care of connections off each request: four receivers that find nothing to do.

    `drop_dead_connection` does what is needed at the start of a request; Valkey's connections are pooled.
    """
    request_started.disconnect(reset_queries)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)


def drop_dead_connection() -> None:
    """Close this thread's idle connection when the server has hung up on it.

    A server that stops or restarts leaves its goodbye readable on the socket. Looking at the socket costs
    microseconds; Django's own health check costs a round trip on every request.
    """
    own = connections["default"]
    if own.connection is None or own.in_atomic_block:
        return
    if own.errors_occurred:
        own.close_if_unusable_or_obsolete()
        return
    poll = select.poll()
    try:
        poll.register(own.connection.fileno(), select.POLLIN)
    except Exception:  # psycopg raises OperationalError here once the connection is closed
        own.close()
        return
    if poll.poll(0):
        own.close()
