"""The clock of permits and counts. Needs no Django."""

import time

# On Linux the monotonic clock stands still while the machine sleeps, and Valkey's log does not: what was drawn before
# would be good afterwards, when nothing counts it any more.
_BOOT = getattr(time, "CLOCK_BOOTTIME", None)


def now() -> float:
    """Return seconds that never go back, and go on while the machine sleeps wherever the platform can tell."""
    return time.monotonic() if _BOOT is None else time.clock_gettime(_BOOT)
