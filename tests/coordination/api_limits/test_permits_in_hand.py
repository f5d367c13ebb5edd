"""However many processes hold permits, no window has more calls than the limit.

The script runs on the real server; only its clock is the test's, which lies between the processes' own.
"""

import dataclasses
import hashlib
import time
import uuid
from functools import partial
from typing import Any

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as effort
from hypothesis import strategies as st

from coordination.api_limits import drawing
from coordination.api_limits.fields import fields, retry_after
from coordination.api_limits.limiter import Limiter
from coordination.api_limits.permits import MOST, Permits
from coordination.api_limits.table import Standing
from coordination.calls import Call, Script
from coordination.connections import Connection
from coordination.shared import connection as shared
from tests.coordination.api_limits.windows import most_in_a_window, passes, quotas

WINDOW = 3
TIME = "local time = redis.call('TIME')\n  return time[1] * 1000000 + time[2]"


class Simulated(Script):
    """The script of a draw, which takes the time as one more argument."""

    def __init__(self) -> None:
        super().__init__("window", "draw")
        assert TIME in self.text
        self.text = self.text.replace(TIME, "return tonumber(ARGV[#ARGV])")
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


SIMULATED = Simulated()


class World:
    """The server's clock, which never goes back, and what was admitted when, by it."""

    def __init__(self) -> None:
        # Keys end by the server's own clock: what the test writes must not be over before it begins.
        self.began = time.time() + 3600
        self.now = 0.0

    def serve(self, call: Call[Any], at: float) -> Any:
        self.now = max(self.now, at)
        arguments = (*call.arguments, round((self.began + self.now) * 1_000_000))
        return shared.run(dataclasses.replace(call, script=SIMULATED, arguments=arguments))


class Process(Connection):
    """One process: its clock, which began somewhere else, and the way to the server, which takes time."""

    def __init__(self, world: World, ahead: float) -> None:
        super().__init__(shared.client)
        self.world, self.ahead, self.now = world, ahead, 0.0
        self.there = self.back = 0.0
        self.served_at: float | None = None
        self.limiter = Limiter(self, lambda: self.now + self.ahead)

    def run(self, call: Call[Any]) -> Any:
        found = self.world.serve(call, self.now + self.there)
        self.served_at = self.world.now
        self.now = self.served_at + self.back
        return found


STEPS = st.lists(
    st.tuples(
        st.integers(0, 2),  # which process
        st.integers(0, 1),  # which key
        st.sampled_from([1, 3, 9, 250]),  # how many calls
        st.sampled_from([0.0, 0.4, 0.85, 2.2]),  # after how long
        st.sampled_from([0.0, 0.0005, 0.1, 0.45]),  # the way there
        st.sampled_from([0.0, 0.0005, 0.45]),  # and back
    ),
    min_size=5,
    max_size=16,
)


LIMITS = st.sampled_from([5, 150, 200, 260])


@effort(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(steps=STEPS, of_key=LIMITS, of_organization=LIMITS)
def test_no_window_has_more_calls_than_a_limit(
    steps: list[tuple[int, int, int, float, float, float]], of_key: int, of_organization: int
) -> None:
    world, tenant = World(), uuid.uuid4()
    processes = [Process(world, ahead) for ahead in (0.0, 1000.0, -50.0)]
    limits = [quotas(tenant, name, of_key=of_key, of_organization=of_organization) for name in ("a", "b")]
    admitted: list[tuple[int, float]] = []

    for which, key, count, pause, there, back in steps:
        process = processes[which]
        # Time goes on for all, and a process that waits for the server is not before it.
        process.now = max(process.now, world.now) + pause
        process.there, process.back = there, back
        for _ in range(count):
            process.served_at = None
            found = process.limiter.take(limits[key][0].key, partial(limits.__getitem__, key), WINDOW)
            assert found is not None
            if found[0][0].granted:
                # A call is admitted when the script runs, or when its process takes what it has in hand.
                admitted.append((key, process.now if process.served_at is None else process.served_at))

    assert most_in_a_window([at for _, at in admitted], WINDOW) <= of_organization
    for key in (0, 1):
        assert most_in_a_window([at for each, at in admitted if each == key], WINDOW) <= of_key


def test_permits_spent_late_count_until_their_window_is_over() -> None:
    """They were drawn for the end of their time: else what is spent at it would leave Valkey's window too early."""
    world, tenant = World(), uuid.uuid4()
    process = Process(world, 0.0)
    limits = quotas(tenant, of_key=2000)
    admitted: list[float] = []

    def calls(count: int) -> None:
        for _ in range(count):
            if passes(process.limiter, limits, WINDOW):
                admitted.append(process.now)

    calls(40)
    process.now = 0.89
    calls(21)
    process.now = 3.01
    calls(3000)

    assert admitted[60] == 0.89
    assert world.now > WINDOW
    assert most_in_a_window(admitted, WINDOW) <= 2000


def test_the_time_to_wait_is_enough_however_slow_the_way_to_valkey_is() -> None:
    """It counts from the script's time, which is later than when the draw was sent."""
    world, tenant = World(), uuid.uuid4()
    process = Process(world, 0.0)
    limits = quotas(tenant, of_key=5)
    [passes(process.limiter, limits, WINDOW) for _ in range(5)]
    # It runs at 1.8: one more fits 1.2 s later, and more than a second after its answer.
    process.now, process.there = 1.35, 0.45
    refused = process.limiter.take(limits[0].key, lambda: limits, WINDOW)
    assert refused is not None

    told = dict(fields([refused[0]], WINDOW, process.now))["RateLimit"]
    wait = retry_after(refused[0], process.now)
    process.there = 0.0
    process.now += wait

    assert told == f'"default";r=0;t={wait}'
    assert passes(process.limiter, limits, WINDOW)


class Hand:
    """Permits with a clock and a limit that is far away."""

    def __init__(self) -> None:
        self.now, self.draws = 100.0, list[int]()
        self.permits = Permits(lambda: self.now)

    def call(self) -> None:
        if self.permits.spend() is None:
            wanted = self.permits.wanted()
            self.draws.append(wanted)
            self.permits.fill(
                drawing.Drawn(wanted, (Standing("default", 1_000_000, 500_000, 0.0, 60.0),)), self.now, self.now
            )

    def calls(self, count: int, *, apart: float = 0.0) -> None:
        for _ in range(count):
            self.call()
            self.now += apart


def test_draws_double_while_calls_come_quickly() -> None:
    hand = Hand()

    hand.calls(63)

    assert hand.draws == [1, 2, 4, 8, 16, 32]


def test_a_draw_is_never_larger_than_the_most() -> None:
    hand = Hand()

    hand.calls(20 * MOST)

    assert max(hand.draws) == MOST


def test_a_steady_caller_loses_no_permits() -> None:
    hand = Hand()

    hand.calls(500, apart=0.02)

    assert sum(hand.draws) - 500 < max(hand.draws) <= 45


def test_after_a_draw_that_lapsed_no_more_is_drawn_than_was_used_of_it() -> None:
    hand = Hand()
    hand.calls(63)
    hand.calls(5)
    hand.now += 1.0

    hand.call()

    assert hand.draws[-2:] == [64, 5]


@pytest.mark.parametrize("burst", [5, 31, 32, 62, 64, 134, 200])
def test_a_caller_in_bursts_loses_a_small_part_by_what_lapses(burst: int) -> None:
    hand = Hand()

    for second in range(30):
        hand.now = 100.0 + second
        hand.calls(burst, apart=0.0005)

    assert sum(hand.draws) < 1.2 * 30 * burst


def test_a_steady_flood_draws_as_much_as_before_once_its_pauses_are_long_over() -> None:
    hand = Hand()
    hand.calls(100)
    hand.now += 1.0

    hand.calls(40 * MOST)

    assert max(hand.draws) == MOST


def test_after_a_pause_one_is_drawn() -> None:
    hand = Hand()
    hand.calls(64)
    hand.now += 2.0

    hand.call()

    assert hand.draws[-1] == 1


def test_permits_lapse_before_valkey_forgets_them() -> None:
    hand = Hand()
    hand.calls(4)
    drawn = len(hand.draws)
    hand.now += drawing.LIFE_SECONDS * 0.95

    hand.call()

    assert len(hand.draws) == drawn + 1
