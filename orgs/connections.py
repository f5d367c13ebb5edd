"""Persistent connections that notice a dead server without asking it."""

import os
import threading
from typing import Any

from django.core.cache import close_caches
from django.core.handlers.base import reset_urlconf
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, connections, reset_queries
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created

from api.pools import hung_up

_held = threading.local()


def keep_connections() -> None:
    """Take Django's own care of connections off each request: receivers that find nothing to do.

    `drop_dead_connection` does what is needed at the start of a request; Valkey's connections are pooled. And there is
    one URL configuration, which nothing changes for the length of a request.
    """
    request_started.disconnect(reset_queries)
    request_started.disconnect(close_old_connections)
    request_finished.disconnect(close_old_connections)
    request_finished.disconnect(close_caches)
    request_finished.disconnect(reset_urlconf)
    connection_created.connect(_close_with_thread)


class _Held:
    """A connection that is closed when its thread ends.

    Django's wrapper is part of a reference cycle, so by itself the connection of an ended thread stays open until the
    collector comes round to it. granian ends idle threads: each busy minute after some quiet ones left as many
    connections behind as there are threads, until the server had no more to give.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self._process = os.getpid()

    def __del__(self) -> None:
        # In a forked process the socket is still the parent's.
        if os.getpid() == self._process:
            self._connection.close()


def _close_with_thread(connection: BaseDatabaseWrapper, **kwargs: Any) -> None:
    setattr(_held, connection.alias, _Held(connection.connection))


def bound_statements(seconds: int) -> None:
    """Have the connections of this process, made from now on, give up a statement after so many seconds.

    A lock is waited for a sixth of that: nothing here holds one for long, and who waits holds a thread. A transaction
    may idle twice as long. For processes that serve: migrations
    and backups take their time. Told when a connection is made, so nothing of it stays behind in a pooler's.
    """
    limits = {
        "statement_timeout": seconds,
        "lock_timeout": seconds / 6,
        "idle_in_transaction_session_timeout": seconds * 2,
    }
    options = connections.settings["default"]["OPTIONS"]
    told = " ".join(f"-c {name}={int(limit * 1000)}" for name, limit in limits.items())
    options["options"] = f"{told} {options.get('options', '')}".strip()


def limit_statements(timeout: str = "60s") -> None:
    """Have PostgreSQL cancel any statement of this transaction that takes too long, also one that waits for a lock."""
    with connections["default"].cursor() as cursor:
        cursor.execute("SELECT set_config('statement_timeout', %s, true)", [timeout])


def drop_dead_connection() -> None:
    """Close this thread's idle connection when the server has hung up on it.

    Looking at the socket costs microseconds; Django's own health check costs a round trip on every request.
    """
    own = connections["default"]
    if own.connection is None or own.in_atomic_block:
        return
    if own.errors_occurred:
        own.close_if_unusable_or_obsolete()
        return
    if hung_up(own.connection):
        own.close()
