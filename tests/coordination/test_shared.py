"""Django's cache: the keys are those that were given, the values JSON."""

import uuid
from typing import Any

import pytest
from django.core.cache import caches

from coordination import keys
from coordination.connections import Connection


@pytest.fixture
def key(tenant: uuid.UUID) -> str:
    return keys.cache(tenant, "r", "{x}:é")


def test_a_key_is_written_as_it_is(connection: Connection, key: str) -> None:
    caches["default"].set(key, {"a": [1]}, 60)

    client = connection.client()
    assert client.get(key) == b'{"a": [1]}'
    assert list(client.scan_iter(match=f"*{key}*", count=10_000)) == [key.encode()]


def test_a_short_key_gets_neither_prefix_nor_version(connection: Connection) -> None:
    key = f"x-{uuid.uuid4().hex}"

    caches["default"].set(key, 1, 60)

    assert connection.client().get(key) == b"1"


def test_what_a_key_holds_is_read_back_by_it(key: str) -> None:
    caches["default"].set_many({key: 1, f"{key}2": 2}, 60)

    assert caches["default"].get_many([key, f"{key}2"]) == {key: 1, f"{key}2": 2}


def test_all_threads_of_a_process_share_one_pool(connection: Connection) -> None:
    another: Any = caches.create_connection("default")

    assert another.client.get_client().connection_pool is connection.client().connection_pool
