"""Counting on a real server: threads, processes' limiters, both limits or neither."""

import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import pytest

from coordination.api_limits.drawing import draw
from coordination.api_limits.limiter import Limiter
from coordination.connections import Connection
from coordination.shared import connection as shared
from tests.coordination.api_limits.windows import most_in_a_window, passes, quotas


@pytest.fixture
def limiter(connection: Connection) -> Limiter:
    return Limiter(connection)


@pytest.fixture
def other(connection: Connection) -> Limiter:
    """The limiter of another process, as far as it goes: it has nothing in common with the first but the server."""
    return Limiter(connection)


def test_near_a_limit_two_processes_of_threads_admit_exactly_as_many(
    limiter: Limiter, other: Limiter, tenant: uuid.UUID
) -> None:
    limits = quotas(tenant, of_key=100, of_organization=1000)
    with ThreadPoolExecutor(16) as threads:
        passed = list(threads.map(lambda each: passes(each, limits), [limiter, other] * 100))

    assert passed.count(True) == 100


def test_far_from_a_limit_no_more_are_admitted_and_hardly_fewer(tenant: uuid.UUID) -> None:
    limits = quotas(tenant, of_key=2000)
    # Their clocks stand still: nothing lapses because the machine was busy elsewhere.
    limiters = [Limiter(shared, lambda: 100.0) for _ in range(2)]
    with ThreadPoolExecutor(16) as threads:
        passed = list(threads.map(lambda each: passes(each, limits, window_seconds=600), limiters * 2000))

    # What one has in hand when the other has found the limit reached, of a 64th of the limit.
    assert 2000 - 31 <= passed.count(True) <= 2000


def test_no_window_has_more_than_the_limit_while_threads_go_on(
    limiter: Limiter, other: Limiter, tenant: uuid.UUID
) -> None:
    limits, ends = quotas(tenant, of_key=300), time.monotonic() + 3.5

    def work(each: Limiter) -> list[tuple[float, float]]:
        admitted = []
        while time.monotonic() < ends:
            before = time.monotonic()
            if passes(each, limits, window_seconds=1):
                admitted.append((before, time.monotonic()))
        return admitted

    with ThreadPoolExecutor(8) as threads:
        calls = [call for calls in threads.map(work, [limiter, other] * 4) for call in calls]

    # Those that began and ended within a window were admitted in it, whenever between the two.
    fullest = max(sum(1 for before, after in calls if start < before and after <= start + 1) for start, _ in calls)
    assert len(calls) > 600
    assert fullest <= 300


def test_a_call_beyond_one_limit_spends_nothing_of_the_other(limiter: Limiter, tenant: uuid.UUID) -> None:
    mine = quotas(tenant, "mine", of_key=2, of_organization=10)
    [passes(limiter, mine) for _ in range(7)]

    drawn = shared.run(draw(mine, window_seconds=60, wanted=1))

    assert [standing.remaining for standing in drawn.standings] == [0, 8]


def test_keys_share_the_limit_of_their_organization(limiter: Limiter, tenant: uuid.UUID) -> None:
    keys = [quotas(tenant, name, of_key=50, of_organization=30) for name in ("a", "b")]

    passed = [passes(limiter, key) for key in keys * 30]

    assert passed.count(True) == 30


def test_of_what_remains_a_draw_takes_a_64th_at_most(tenant: uuid.UUID) -> None:
    limits = quotas(tenant, of_key=6400, of_organization=640)

    granted = shared.run(draw(limits, window_seconds=60, wanted=1000)).granted

    assert granted == 10


def test_a_refusal_is_believed_for_a_moment(tenant: uuid.UUID) -> None:
    now = 100.0
    limiter = Limiter(shared, lambda: now)
    limits = quotas(tenant, of_key=1)
    passes(limiter, limits)
    passes(limiter, limits)
    raised = quotas(tenant, of_key=5)

    believed = passes(limiter, raised)
    now += 1.0

    assert (believed, passes(limiter, raised)) == (False, True)


def test_many_threads_draw_once_for_all(connection: Connection, tenant: uuid.UUID) -> None:
    """Not each by itself: of what they drew at the same time most would lapse."""
    limiter, limits = Limiter(connection), quotas(tenant, of_key=1_000_000)
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(partial(passes, limiter), [limits] * 4000))

    remaining = connection.run(draw(limits, window_seconds=60, wanted=1)).standings[0].remaining

    assert 1_000_000 - remaining < 3 * 4000


def test_times_of_a_window_are_half_open() -> None:
    assert most_in_a_window([0.0, 0.5, 1.0], 1.0) == 2
