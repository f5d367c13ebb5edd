"""Clients of redis-py for an address, sync and async. Needs no Django.

They send nothing twice, and give up after TIMEOUT_SECONDS. Behind Sentinel they follow the master: see MasterPool.
"""

from typing import Any

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.asyncio.sentinel import Sentinel as AsyncSentinel
from redis.backoff import NoBackoff
from redis.retry import Retry
from redis.sentinel import Sentinel

from api.valkey_addresses import ValkeyAddress
from coordination.masters import AsyncMasterPool, MasterPool

TIMEOUT_SECONDS = 2.0
# How many calls there are at once is bounded by whoever makes them (coordination/connections.py): there they wait for
# their turn, which in a pool with a bound would be refused at once. So what waits for bells takes no call's place.
MAX_CONNECTIONS = 100_000
# One Sentinel that is gone must not take up the time in which the next could answer.
SENTINEL_TIMEOUT_SECONDS = 0.5


def client_for(address: ValkeyAddress, *, timeout_seconds: float = TIMEOUT_SECONDS) -> redis.Redis:
    """Return a client with a pool of its own, for any number of threads. It connects when it is first used."""
    options = {"retry": Retry(NoBackoff(), 0), **options_of(address, timeout_seconds)}
    if address.service:
        sentinel = Sentinel(
            list(address.hosts), sentinel_kwargs={"retry": Retry(NoBackoff(), 0), **sentinel_options(address)}
        )
        found: redis.Redis = sentinel.master_for(address.service, connection_pool_class=MasterPool, **options)
        return found
    return redis.Redis(**_place(address), **options)


def async_client_for(address: ValkeyAddress) -> redis.asyncio.Redis:
    """Return a client for the event loop that first uses it."""
    options = {"retry": AsyncRetry(NoBackoff(), 0), **options_of(address)}
    if address.service:
        sentinel = AsyncSentinel(
            list(address.hosts), sentinel_kwargs={"retry": AsyncRetry(NoBackoff(), 0), **sentinel_options(address)}
        )
        found: redis.asyncio.Redis = sentinel.master_for(
            address.service, connection_pool_class=AsyncMasterPool, **options
        )
        return found
    return redis.asyncio.Redis(**_place(address), **options)


def options_of(address: ValkeyAddress, timeout_seconds: float = TIMEOUT_SECONDS) -> dict[str, Any]:
    """Return what a pool of connections to the server is made with, but for where it is."""
    return {
        "db": address.database,
        "max_connections": MAX_CONNECTIONS,
        "username": address.username or None,
        "password": address.password or None,
        "socket_timeout": timeout_seconds,
        "socket_connect_timeout": timeout_seconds,
        "protocol": 2,
        **_tls(address),
    }


def sentinel_options(address: ValkeyAddress) -> dict[str, Any]:
    """Return what connections to the Sentinels are made with."""
    return {
        "username": address.sentinel_username or None,
        "password": address.sentinel_password or None,
        "socket_timeout": SENTINEL_TIMEOUT_SECONDS,
        "socket_connect_timeout": SENTINEL_TIMEOUT_SECONDS,
        "protocol": 2,
        **_tls(address),
    }


def tls_options(address: ValkeyAddress) -> dict[str, Any]:
    """Return how the server's certificate is verified; without a word on it, it must be valid for the host."""
    options: dict[str, Any] = {"ssl_cert_reqs": "required", **dict(address.tls_options)}
    if "ssl_check_hostname" in options:
        options["ssl_check_hostname"] = options["ssl_check_hostname"] == "true"
    return options


def _tls(address: ValkeyAddress) -> dict[str, Any]:
    return {"ssl": True, **tls_options(address)} if address.tls else {}


def _place(address: ValkeyAddress) -> dict[str, Any]:
    if address.path:
        return {"unix_socket_path": address.path}
    [(host, port)] = address.hosts
    return {"host": host, "port": port}
