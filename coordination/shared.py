"""The service's own connections: django-redis's for threads, one client for each event loop."""

import asyncio
from weakref import WeakKeyDictionary

import redis
import redis.asyncio
from django.conf import settings
from django.core.cache import caches
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff

from coordination.connections import AsyncConnection, Connection

_by_loop: WeakKeyDictionary[asyncio.AbstractEventLoop, AsyncConnection] = WeakKeyDictionary()


def _client() -> redis.Redis:
    found: redis.Redis = caches["default"].client.get_client(write=True)  # type: ignore[attr-defined]
    return found


connection = Connection(_client)


def async_connection() -> AsyncConnection:
    """Return the running loop's connection."""
    loop = asyncio.get_running_loop()
    if loop not in _by_loop:
        client = redis.asyncio.Redis.from_url(
            settings.REDIS_URL,
            socket_timeout=2,
            socket_connect_timeout=2,
            protocol=2,
            retry=AsyncRetry(NoBackoff(), 0),
        )
        _by_loop[loop] = AsyncConnection(lambda: client)
    return _by_loop[loop]


def plain_key(key: str, key_prefix: str, version: int) -> str:
    """Have Django's cache use the key as it is: coordination/keys.py makes whole ones."""
    return key


def plain_name(key: str) -> str:
    return key
