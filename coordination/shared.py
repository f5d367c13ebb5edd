"""The service's own connections: django-redis's for threads, one client for each event loop."""

from functools import cache
from typing import Any

import redis
from django.conf import settings
from django.core.cache import caches

from api.valkey_addresses import parse_valkey_url
from coordination.clients import async_client_for, client_for
from coordination.connections import AsyncConnection, Connection
from coordination.loops import LoopConnections

_by_loop = LoopConnections(lambda: async_client_for(parse_valkey_url(settings.REDIS_URL)))


def _client() -> redis.Redis:
    found: redis.Redis = caches["default"].client.get_client(write=True)  # type: ignore[attr-defined]
    return found


# What every call of the API waits for at most: a server that hangs costs one call of each process so much, no more.
QUICK_SECONDS = 0.5


@cache
def _quick_client() -> redis.Redis:
    return client_for(parse_valkey_url(settings.REDIS_URL), timeout_seconds=QUICK_SECONDS)


connection = Connection(_client)
# For what stands before every call; its timeouts are no reason for others to pause.
quick_connection = Connection(_quick_client)


def async_connection() -> AsyncConnection:
    """Return the running loop's connection; it ends with the loop."""
    return _by_loop.find()


@cache
def _client_of(url: str) -> redis.Redis:
    return client_for(parse_valkey_url(url))


class ClientFactory:
    """Gives django-redis our clients, one for each URL; its own factories know of no fail-over."""

    def __init__(self, options: dict[str, Any]) -> None:
        pass

    def connect(self, url: str) -> redis.Redis:
        return _client_of(url)

    def disconnect(self, connection: redis.Redis) -> None:
        connection.connection_pool.disconnect()


def plain_key(key: str, key_prefix: str, version: int) -> str:
    """Have Django's cache use the key as it is: coordination/keys.py makes whole ones."""
    return key


def plain_name(key: str) -> str:
    return key
