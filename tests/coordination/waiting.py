"""Waiting for what a test is about."""

import time
from collections.abc import Callable


def until(holds: Callable[[], bool], seconds: float = 10) -> None:
    """Return once it holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, "It did not come true in time."
        time.sleep(0.01)
