"""The cache fails open: whatever becomes of Valkey, callers are answered, and what they compute is theirs."""

import time
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from coordination import keys
from coordination.cache import Cache
from coordination.pauses import FIRST_SECONDS
from tests.coordination.caching import PATIENCE, Computation, connected, listeners, threads, until
from tests.coordination.servers import ValkeyServer

OPERATIONS: dict[str, tuple[Callable[[Cache], Any], Any]] = {
    "get": (lambda cache: cache.get("report", "daily"), None),
    "get_many": (lambda cache: cache.get_many("report", ["daily", "weekly"]), {}),
    "set": (lambda cache: cache.set("report", "daily", 1, 60), False),
    "set_many": (lambda cache: cache.set_many("report", {"daily": 1}, 60), False),
    "delete": (lambda cache: cache.delete("report", "daily"), False),
    "delete_many": (lambda cache: cache.delete_many("report", ["daily"]), False),
    "get_or_compute": (lambda cache: cache.get_or_compute("report", "daily", lambda: "computed", ttl=60), "computed"),
}
over_operations = pytest.mark.parametrize("name", OPERATIONS)


@pytest.fixture
def cache(valkey: ValkeyServer, tenant: uuid.UUID) -> Iterator[Cache]:
    with connected(valkey) as connection:
        yield Cache(connection, tenant)


def _compute(cache: Cache, computation: Any, **times: float) -> Any:
    return cache.get_or_compute("report", "daily", computation, **{"ttl": 60, "compute_seconds": 600, **times})


def _until_waiting(cache: Cache) -> None:
    until(lambda: listeners(cache.connection, keys.cache(cache.organization, "report", "daily")) == 1)


@over_operations
def test_without_valkey_nothing_is_found_or_stored_and_values_are_computed(
    cache: Cache, valkey: ValkeyServer, name: str
) -> None:
    cache.set("report", "daily", "stored", 60)
    valkey.kill()
    call, expected = OPERATIONS[name]

    assert call(cache) == expected


@over_operations
def test_a_valkey_that_hangs_is_one_that_is_gone(cache: Cache, valkey: ValkeyServer, name: str) -> None:
    cache.set("report", "daily", "stored", 60)
    valkey.pause()
    call, expected = OPERATIONS[name]

    answered = call(cache)

    valkey.resume()
    assert answered == expected


def test_what_is_refused_is_refused_without_valkey_too(cache: Cache, valkey: ValkeyServer) -> None:
    valkey.kill()

    with pytest.raises(Exception, match="not JSON"):
        _compute(cache, object)
    with pytest.raises(Exception, match="control character"):
        cache.get("report", "a\x00")


def test_a_valkey_that_hangs_is_waited_for_once(cache: Cache, valkey: ValkeyServer) -> None:
    valkey.pause()
    cache.get("report", "daily")
    began = time.monotonic()

    found = [cache.get("report", "daily") for _ in range(100)]

    took = time.monotonic() - began
    valkey.resume()
    assert found == [None] * 100
    assert took < min(PATIENCE, FIRST_SECONDS)


def test_the_cache_is_back_when_valkey_is(cache: Cache, valkey: ValkeyServer) -> None:
    cache.set("report", "daily", "stored", 60)
    valkey.kill()
    assert cache.get("report", "daily") is None

    valkey.start()

    until(lambda: cache.get("report", "daily") is not None)
    assert cache.set("report", "daily", "anew", 60)


def test_after_a_flush_values_are_computed_anew(cache: Cache, valkey: ValkeyServer) -> None:
    cache.set("report", "daily", "stored", 60)
    valkey.flush()

    assert cache.get("report", "daily") is None
    assert _compute(cache, Computation("anew")) == "anew"


def test_who_computes_when_valkey_is_killed_has_their_value_and_so_has_who_waited(
    cache: Cache, valkey: ValkeyServer
) -> None:
    first, second = Computation("first", held=True), Computation("second")

    with threads(2) as pool:
        computing = pool.submit(_compute, cache, first)
        assert first.begun.wait(10)
        waiting = pool.submit(_compute, cache, second, wait_seconds=600)
        _until_waiting(cache)
        valkey.kill()
        waited = waiting.result(20)
        first.let_go.set()
        computed = computing.result(20)

    assert (computed, waited) == ("first", "second")


def test_who_computes_when_valkey_is_paused_has_their_value_and_so_has_who_waited(
    cache: Cache, valkey: ValkeyServer
) -> None:
    first, second = Computation("first", held=True), Computation("second")

    with threads(2) as pool:
        computing = pool.submit(_compute, cache, first, compute_seconds=1)
        assert first.begun.wait(10)
        waiting = pool.submit(_compute, cache, second, wait_seconds=600)
        _until_waiting(cache)
        valkey.pause()
        waited = waiting.result(20)
        first.let_go.set()
        computed = computing.result(20)
        valkey.resume()

    assert (computed, waited) == ("first", "second")


def test_a_lease_outlives_a_restart_and_its_value_is_stored(cache: Cache, valkey: ValkeyServer) -> None:
    computation = Computation("computed", held=True)

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, computation)
        assert computation.begun.wait(10)
        valkey.kill()
        valkey.start()
        computation.let_go.set()
        computed = computing.result(20)

    found = cache.get("report", "daily")
    assert computed == "computed"
    assert found is not None
    assert found.value == "computed"


def test_what_is_computed_over_a_flush_is_not_stored_over_what_came_after(cache: Cache, valkey: ValkeyServer) -> None:
    before, after = Computation("before", held=True), Computation("after")

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, before)
        assert before.begun.wait(10)
        valkey.flush()
        newer = _compute(cache, after)
        before.let_go.set()
        computed = computing.result(20)

    found = cache.get("report", "daily")
    assert (computed, newer) == ("before", "after")
    assert found is not None
    assert found.value == "after"


def test_a_waiter_whom_nobody_wakes_after_a_flush_looks_again(cache: Cache, valkey: ValkeyServer) -> None:
    before, after = Computation("before", held=True), Computation("after")

    with threads(2) as pool:
        computing = pool.submit(_compute, cache, before)
        assert before.begun.wait(10)
        waiting = pool.submit(_compute, cache, after, wait_seconds=600)
        _until_waiting(cache)
        valkey.flush()
        waited = waiting.result(20)
        before.let_go.set()

    assert (computing.result(), waited) == ("before", "after")
