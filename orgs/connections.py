"""Persistent connections that notice a dead server without asking it."""

import select

from django.db import connection


def drop_dead_connection() -> None:
    """Close this thread's idle connection when the server has hung up on it.

    A server that stops or restarts leaves its goodbye readable on the socket. Looking at the socket costs
    microseconds; Django's own health check costs a round trip on every request.
    """
    if connection.connection is None or connection.in_atomic_block:
        return
    poll = select.poll()
    try:
        poll.register(connection.connection.fileno(), select.POLLIN)
    except Exception:  # psycopg raises OperationalError here once the connection is closed
        connection.close()
        return
    if poll.poll(0):
        connection.close()
