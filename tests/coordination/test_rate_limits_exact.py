"""The script against the exact log, over random waits, costs, limits, windows and clocks."""

import random
import uuid
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coordination import keys
from coordination.connections import Connection
from coordination.rate_limits import EXACT_LIMIT, MAX_REQUESTS, MAX_WINDOW_SECONDS
from tests.coordination.windows import LATER, SECOND, ExactLog, Limit, most_in_any_window

EXAMPLES = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
DAY = MAX_WINDOW_SECONDS * SECOND
WINDOWS = st.one_of(st.integers(1_000, 1_010), st.integers(1_000, 10 * SECOND), st.integers(1_000, DAY))


@dataclass(frozen=True)
class Step:
    """A wait and a cost, as shares of the window and the limit; or a wait until the last refusal is over, or nearly."""

    wait: float
    until: int | None
    cost: float

    def time(self, now: int, window: int, retry_after: float) -> int:
        if self.until is None:
            return now + round(self.wait * window)
        return max(now, now + round(retry_after * SECOND) + self.until)

    def price(self, limit: int) -> int:
        return max(1, round(self.cost * limit))


WAITS = st.sampled_from([0.0, 0.0, 1e-9, 1e-4, 0.01, 0.1, 0.3, 0.5, 1.0]) | st.floats(0, 1.2)
COSTS = st.sampled_from([0.0, 0.0, 0.0, 0.1, 0.5, 1.0]) | st.floats(0, 1)
STEPS = st.lists(st.builds(Step, WAITS, st.sampled_from([None, None, 0, -1, 1]), COSTS), min_size=1, max_size=60)


def _limit(connection: Connection) -> Limit:
    return Limit(connection, uuid.uuid4().hex)


@EXAMPLES
@given(limit=st.integers(1, 12) | st.integers(1, EXACT_LIMIT), window=WINDOWS, steps=STEPS)
def test_every_answer_is_that_of_the_exact_log(
    connection: Connection, limit: int, window: int, steps: list[Step]
) -> None:
    ours, exact = _limit(connection), ExactLog()
    now, last = 0, 0.0
    for step in steps:
        now = step.time(now, window, last)
        call = {"limit": limit, "window": window, "cost": step.price(limit)}

        found = ours.check(now, **call)

        last = found.retry_after
        assert found == exact.decide(now, **call)


@EXAMPLES
@given(
    calls=st.lists(
        st.tuples(
            st.sampled_from([1, EXACT_LIMIT]) | st.integers(1, 40),
            st.sampled_from([1, 50]) | st.integers(1, 6),
            st.integers(0, 5_000) | st.integers(0, 30_000) | st.sampled_from([49_999, 50_000]),
            st.sampled_from([0.0, 0.0, 1.0]) | st.floats(0, 1),
        ),
        max_size=60,
    )
)
def test_every_answer_is_that_of_the_exact_log_when_limit_and_window_change(
    connection: Connection, calls: list[tuple[int, int, int, float]]
) -> None:
    ours, exact = _limit(connection), ExactLog()
    now = 0
    for limit, milliseconds, wait, cost in calls:
        now += wait
        call = {"limit": limit, "window": milliseconds * 1_000, "cost": max(1, round(cost * limit))}

        found = ours.check(now, **call)

        assert found == exact.decide(now, **call)


@EXAMPLES
@given(limit=st.integers(EXACT_LIMIT + 1, MAX_REQUESTS), window=WINDOWS, steps=STEPS)
def test_a_large_limit_admits_what_the_exact_log_admits_or_does_so_a_little_later(
    connection: Connection, limit: int, window: int, steps: list[Step]
) -> None:
    ours, exact = _limit(connection), ExactLog()
    grain = -(-window // EXACT_LIMIT)
    now, last = 0, 0.0
    for step in steps:
        now, cost = step.time(now, window, last), step.price(limit)
        due = exact.delay(now, limit=limit, window=window, cost=cost)

        found = ours.check(now, limit=limit, window=window, cost=cost)

        last = found.retry_after
        delay = round(last * SECOND)
        assert found.allowed == (delay == 0)
        assert due <= delay <= due + grain
        if found.allowed:
            exact.spend(now, window, cost)
        assert found.remaining <= limit - exact.spent(now, window)


@EXAMPLES
@given(
    limit=st.integers(1, 12) | st.integers(EXACT_LIMIT + 1, MAX_REQUESTS),
    window=WINDOWS,
    steps=st.lists(st.tuples(WAITS, COSTS, st.sampled_from([0.0, 0.0, 0.0, 0.2, 3.0])), max_size=60),
)
def test_no_window_holds_more_when_the_clock_is_set_back(
    connection: Connection, limit: int, window: int, steps: list[tuple[float, float, float]]
) -> None:
    ours, spends = _limit(connection), []
    now = behind = 0
    for wait, share, set_back in steps:
        now, cost = now + round(wait * window), max(1, round(share * limit))
        behind += round(set_back * window)
        if ours.check(now - behind, limit=limit, window=window, cost=cost).allowed:
            spends.append((now, cost))

    assert most_in_any_window(spends, window) <= limit


def test_what_was_spent_before_the_clock_was_set_back_leaves_when_it_has_caught_up(connection: Connection) -> None:
    ours = _limit(connection)
    first = ours.check(50 * SECOND, limit=1, window=10 * SECOND, cost=1)

    behind = ours.check(20 * SECOND, limit=1, window=10 * SECOND, cost=1)
    caught_up = ours.check(60 * SECOND, limit=1, window=10 * SECOND, cost=1)

    assert (first.allowed, behind, caught_up.allowed) == (True, (False, 0, 40.0, 40.0), True)


def test_what_is_spent_while_the_clock_is_behind_leaves_with_what_was_spent_before(connection: Connection) -> None:
    ours = _limit(connection)
    ours.check(50 * SECOND, limit=2, window=10 * SECOND, cost=1)
    ours.check(20 * SECOND, limit=2, window=10 * SECOND, cost=1)

    behind, caught_up = (ours.check(at * SECOND, limit=2, window=10 * SECOND, cost=2) for at in (31, 60))

    assert (behind.allowed, behind.retry_after, caught_up.allowed) == (False, 29.0, True)


@pytest.mark.parametrize("limit", [EXACT_LIMIT, MAX_REQUESTS])
def test_the_fullest_log_is_small(connection: Connection, limit: int) -> None:
    ours, window = _limit(connection), 4096 * SECOND

    for now in range(0, 5_000 * SECOND, SECOND):
        ours.check(now, limit=limit, window=window, cost=max(1, limit // 5_000))

    client, key = connection.client(), keys.rate_limit(None, "exact", ours.name)
    assert EXACT_LIMIT <= client.llen(key) <= EXACT_LIMIT + 1
    assert 0 < (client.memory_usage(key, samples=0) or 0) < 256 * 1024


def test_shorter_windows_and_larger_limits_forget_nothing_that_a_longer_window_counts(connection: Connection) -> None:
    ours, hour = _limit(connection), 3600 * SECOND
    ours.check(0, limit=5, window=hour, cost=5)

    for now in range(SECOND, hour, 300 * SECOND):
        assert ours.check(now, limit=MAX_REQUESTS, window=SECOND // 10, cost=1).allowed

    found = ours.check(hour - 1, limit=6, window=hour, cost=1)
    assert (found.allowed, found.remaining) == (False, 0)
    assert ours.check(hour, limit=13, window=hour, cost=1).allowed


def test_a_long_window_is_kept_no_longer_than_what_was_spent_through_it(connection: Connection) -> None:
    ours, client = _limit(connection), connection.client()
    key = keys.rate_limit(None, "exact", ours.name)
    ours.check(0, limit=5, window=DAY, cost=5)

    ours.check(DAY, limit=5, window=SECOND, cost=1)

    assert (client.llen(key), client.pexpiretime(key)) == (1, (LATER + DAY + SECOND) // 1000)


def test_no_log_grows_past_its_bound_under_ever_longer_windows(connection: Connection) -> None:
    ours, now, window, lengths = _limit(connection), 0, SECOND, []
    key = keys.rate_limit(None, "exact", ours.name)

    for _ in range(3):
        for _ in range(4_000):
            now += window // EXACT_LIMIT + 1
            assert ours.check(now, limit=MAX_REQUESTS, window=window, cost=1).allowed
        lengths.append(connection.client().llen(key))
        window = min(window * 60, DAY)

    assert lengths[:2] == [4_000, 8_000]
    assert lengths[2] <= 2 * EXACT_LIMIT
    assert ours.check(now, limit=MAX_REQUESTS, window=window, cost=1).remaining == MAX_REQUESTS - 12_001


def test_a_full_log_holds_to_every_limit_and_exactly_to_those_that_are_exact(connection: Connection) -> None:
    ours, chance, client = _limit(connection), random.Random(4), connection.client()
    key, long, short = keys.rate_limit(None, "exact", ours.name), 100 * SECOND, SECOND
    times = sorted(chance.randint(0, 82 * SECOND) for _ in range(8_100))
    client.rpush(key, *(f"{LATER + time}:{before}:1" for before, time in enumerate(times)))
    client.pexpireat(key, (LATER + times[-1] + long) // 1000 + 1)
    now, lengths, refused = 82 * SECOND, [], 0

    for turn in range(600):
        now += chance.randint(0, 20_000)
        due = _due(times, now, limit=95, window=short)
        found = ours.check(now, limit=95, window=short, cost=1)
        assert round(found.retry_after * SECOND) == due
        if found.allowed:
            times.append(now)
        refused += not found.allowed
        if turn % 10 == 0:
            due = _due(times, now, limit=8_000, window=long)
            found = ours.check(now, limit=8_000, window=long, cost=1)
            assert 0 < due <= round(found.retry_after * SECOND) <= due + 2 * long // EXACT_LIMIT + 1
            lengths.append(client.llen(key))

    assert refused > 10
    assert 8_100 < max(lengths) <= 2 * EXACT_LIMIT
    assert lengths[-1] < 7_000


def test_a_full_log_of_a_clock_that_jumped_about_is_merged_too(connection: Connection) -> None:
    ours, client = _limit(connection), connection.client()
    key = keys.rate_limit(None, "exact", ours.name)
    client.rpush(key, *(f"{LATER + SECOND + number * 100}:{number}:1" for number in range(2 * EXACT_LIMIT)))

    found = ours.check(0, limit=MAX_REQUESTS, window=SECOND // 1000, cost=1)

    assert found.remaining == MAX_REQUESTS - 2 * EXACT_LIMIT - 1
    assert client.llen(key) == EXACT_LIMIT + EXACT_LIMIT * 3 // 4


def _due(times: list[int], now: int, *, limit: int, window: int) -> int:
    """Return how long it is until one more fits after those at these times, by definition."""
    return max(0, times[-limit] + window - now) if len(times) >= limit else 0


def test_the_sums_of_a_log_that_is_in_use_for_years_stay_exact(connection: Connection) -> None:
    ours, window = _limit(connection), SECOND
    client, key = connection.client(), keys.rate_limit(None, "exact", ours.name)
    client.rpush(key, f"{LATER}:{2**50 - 5}:3")

    found = [ours.check(now, limit=10, window=window, cost=2) for now in (1, 2, 3, 4, SECOND, SECOND + 1)]

    assert [(one.allowed, one.remaining) for one in found] == [
        (True, 5), (True, 3), (True, 1), (False, 1), (True, 2), (True, 2),
    ]  # fmt: skip
    entries: list[Any] = client.lrange(key, -2, -1)
    assert [entry.split(b":")[1:] for entry in entries] == [[b"4", b"2"], [b"6", b"2"]]
