"""Of all who ask at once for what is missing one computes; the others wait for it, or take the stale value."""

import time
import uuid
from typing import Any

import pytest

from coordination import keys
from coordination.cache import Cache, StillComputing
from coordination.connections import Connection
from tests.coordination.caching import Computation, listeners, threads, until


@pytest.fixture
def cache(connection: Connection, tenant: uuid.UUID) -> Cache:
    return Cache(connection, tenant)


def _compute(cache: Cache, computation: Any, **times: float) -> Any:
    return cache.get_or_compute("report", "daily", computation, **{"ttl": 60, **times})


def _channel(cache: Cache) -> str:
    return keys.cache(cache.organization, "report", "daily")


def _lease(cache: Cache) -> str:
    return keys.computing(cache.organization, "report", "daily")


def _until_waiting(cache: Cache, count: int = 1) -> None:
    until(lambda: listeners(cache.connection, _channel(cache)) == count)


def test_what_is_missing_is_computed_and_stored(cache: Cache) -> None:
    computation = Computation({"a": (1, 2)})

    first, second = _compute(cache, computation), _compute(cache, computation)

    assert (first, second, computation.count) == ({"a": [1, 2]}, {"a": [1, 2]}, 1)


def test_a_cached_null_is_not_computed_again(cache: Cache) -> None:
    computation = Computation(None)

    assert [_compute(cache, computation), _compute(cache, computation)] == [None, None]

    assert computation.count == 1


def test_twenty_threads_at_once_compute_once(cache: Cache) -> None:
    computation = Computation(held=True)

    with threads(20) as pool:
        calls = [pool.submit(_compute, cache, computation) for _ in range(20)]
        _until_waiting(cache, 19)
        computation.let_go.set()
        found = [call.result(10) for call in calls]

    assert found == ["computed"] * 20
    assert computation.count == 1


def test_threads_that_come_while_values_are_stored_and_run_out_compute_one_at_a_time(cache: Cache) -> None:
    computation = Computation()

    with threads(8) as pool:
        calls = [pool.submit(_compute, cache, computation, ttl=0.001) for _ in range(200)]
        found = {call.result(30) for call in calls}

    assert found == {"computed"}
    assert computation.most == 1


def test_waiters_are_woken_by_the_value_and_not_by_the_clock(cache: Cache) -> None:
    computation = Computation(held=True)

    with threads(2) as pool:
        calls = [pool.submit(_compute, cache, computation, compute_seconds=600, wait_seconds=600) for _ in range(2)]
        _until_waiting(cache)
        began = time.monotonic()
        computation.let_go.set()
        found = [call.result(10) for call in calls]

    assert found == ["computed"] * 2
    assert time.monotonic() - began < 5


def test_a_stale_value_is_taken_at_once_while_one_computes_the_new_one(cache: Cache) -> None:
    computation = Computation("new", held=True)
    cache.set("report", "daily", "old", 0.001, stale_seconds=60)
    until(lambda: (found := cache.get("report", "daily")) is not None and not found.fresh)

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, computation)
        assert computation.begun.wait(10)
        meanwhile = [_compute(cache, computation) for _ in range(5)]
        computation.let_go.set()
        computed = computing.result(10)

    assert (meanwhile, computed, computation.count) == (["old"] * 5, "new", 1)
    assert _compute(cache, computation) == "new"


def test_a_failed_computation_is_taken_over_at_once_by_a_waiter(cache: Cache) -> None:
    failing, next_one = Computation(ValueError("broken"), held=True), Computation("next")

    with threads(2) as pool:
        first = pool.submit(_compute, cache, failing, compute_seconds=600)
        assert failing.begun.wait(10)
        second = pool.submit(_compute, cache, next_one, compute_seconds=600, wait_seconds=600)
        _until_waiting(cache)
        failing.let_go.set()
        taken_over = second.result(10)

    with pytest.raises(ValueError, match="broken"):
        first.result()
    assert (taken_over, next_one.count) == ("next", 1)


def test_what_is_computed_and_is_no_json_lets_the_lease_go(cache: Cache) -> None:
    with pytest.raises(Exception, match="not JSON"):
        _compute(cache, object)

    assert cache.connection.client().exists(_lease(cache)) == 0


def test_whoever_waits_for_too_long_is_told_that_others_still_compute(cache: Cache) -> None:
    computation = Computation(held=True)

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, computation)
        assert computation.begun.wait(10)
        with pytest.raises(StillComputing):
            _compute(cache, computation, wait_seconds=0)
        with pytest.raises(StillComputing):
            _compute(cache, computation, wait_seconds=0.05)
        computation.let_go.set()

    assert (computing.result(), computation.count) == ("computed", 1)


def test_a_computation_beyond_its_time_is_taken_over_and_stores_nothing(cache: Cache) -> None:
    slow, quick = Computation("late", held=True), Computation("in time")

    with threads(1) as pool:
        late = pool.submit(_compute, cache, slow, compute_seconds=0.1)
        assert slow.begun.wait(10)
        in_time = _compute(cache, quick, wait_seconds=10)
        slow.let_go.set()
        returned = late.result(10)

    assert (returned, in_time) == ("late", "in time")
    assert _compute(cache, quick) == "in time"


def test_a_late_failure_does_not_end_the_lease_of_another(cache: Cache) -> None:
    slow, holder = Computation(ValueError("late"), held=True), Computation("held", held=True)

    with threads(2) as pool:
        late = pool.submit(_compute, cache, slow, compute_seconds=0.1)
        assert slow.begun.wait(10)
        holding = pool.submit(_compute, cache, holder, wait_seconds=10)
        assert holder.begun.wait(10)
        slow.let_go.set()
        assert isinstance(late.exception(10), ValueError)
        with pytest.raises(StillComputing):
            _compute(cache, Computation(), wait_seconds=0)
        holder.let_go.set()

    assert (holding.result(), holder.count) == ("held", 1)


@pytest.mark.parametrize("end", ["delete", "set"])
def test_what_rests_on_an_older_truth_is_not_stored(cache: Cache, end: str) -> None:
    computation = Computation("old", held=True)

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, computation)
        assert computation.begun.wait(10)
        if end == "delete":
            cache.delete("report", "daily")
        else:
            cache.set("report", "daily", "newer", 60)
        computation.let_go.set()
        returned = computing.result(10)

    found = cache.get("report", "daily")
    assert returned == "old"
    assert (found and found.value) == (None if end == "delete" else "newer")


def test_a_deletion_wakes_a_waiter_who_computes_anew(cache: Cache) -> None:
    old, new = Computation("old", held=True), Computation("new")

    with threads(2) as pool:
        first = pool.submit(_compute, cache, old, compute_seconds=600)
        assert old.begun.wait(10)
        second = pool.submit(_compute, cache, new, compute_seconds=600, wait_seconds=600)
        _until_waiting(cache)
        cache.delete("report", "daily")
        computed = second.result(10)
        old.let_go.set()

    assert (first.result(), computed) == ("old", "new")
    assert _compute(cache, old) == "new"


def test_another_organization_computes_its_own(cache: Cache) -> None:
    computation = Computation(held=True)
    other = Cache(cache.connection, uuid.uuid4())

    with threads(1) as pool:
        computing = pool.submit(_compute, cache, computation)
        assert computation.begun.wait(10)
        theirs = _compute(other, Computation("theirs"))
        computation.let_go.set()

    assert (computing.result(), theirs) == ("computed", "theirs")
