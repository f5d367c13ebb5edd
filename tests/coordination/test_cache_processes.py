"""Processes that ask for one value at once: one computes it, and another where that one is killed."""

import multiprocessing
import os
import signal
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis

from coordination import keys
from coordination.cache import Cache
from tests.coordination.caching import connected, listeners, until
from tests.coordination.servers import ValkeyServer

SPAWN = multiprocessing.get_context("spawn")


def ask(port: int, tenant: str) -> None:
    """Ask for the value; whoever computes it says so, and waits until it may go on. They talk by way of the server."""
    valkey = ValkeyServer(Path.cwd())
    valkey.port = port
    with connected(valkey) as connection:
        client = connection.client()

        def compute() -> str:
            client.rpush("begun", os.getpid())
            until(lambda: client.exists("go"), 30)
            return "computed"

        value = Cache(connection, tenant).get_or_compute("report", "daily", compute, ttl=60, compute_seconds=2)
        client.rpush("found", value)


@contextmanager
def _asking(count: int, valkey: ValkeyServer, tenant: uuid.UUID) -> Iterator[None]:
    running = [SPAWN.Process(target=ask, args=(valkey.port, str(tenant))) for _ in range(count)]
    for process in running:
        process.start()
    try:
        yield
    finally:
        for process in running:
            process.join(30)
            process.kill()
            process.join()


def _until_waiting(valkey: ValkeyServer, tenant: uuid.UUID, count: int) -> None:
    with connected(valkey) as connection:
        until(lambda: listeners(connection, keys.cache(tenant, "report", "daily")) == count, 30)


def _texts(client: redis.Redis, key: str) -> Any:
    return client.lrange(key, 0, -1)


def test_processes_at_once_compute_once(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with valkey.client() as client:
        with _asking(4, valkey, tenant):
            _until_waiting(valkey, tenant, 3)
            client.set("go", 1)

        assert _texts(client, "found") == [b"computed"] * 4
        assert len(_texts(client, "begun")) == 1


def test_a_process_killed_while_it_computes_is_replaced_by_another(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with valkey.client() as client:
        with _asking(3, valkey, tenant):
            _until_waiting(valkey, tenant, 2)
            [killed] = _texts(client, "begun")
            os.kill(int(killed), signal.SIGKILL)
            until(lambda: len(_texts(client, "begun")) == 2, 30)
            client.set("go", 1)

        assert _texts(client, "found") == [b"computed"] * 2
        assert len(_texts(client, "begun")) == 2
