"""The clock by which permits live."""

import time

from coordination.api_limits import clock


def test_it_counts_the_time_that_the_machine_slept() -> None:
    named = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    before = time.clock_gettime(named)

    found = clock.now()

    assert before <= found <= time.clock_gettime(named)


def test_it_never_goes_back() -> None:
    times = [clock.now() for _ in range(1000)]

    assert times == sorted(times)
