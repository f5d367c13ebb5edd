"""Permits that a process has in hand, so that not every call asks Valkey. Needs no Django.

How many are drawn at once follows the calls: a draw that was used up in half of its life doubles the next one, and what
lapsed is not drawn again. Near a limit draws bring one, whatever is wanted.

Calls that come in bursts would have the last draw of each lapse, nearly as large as the burst. So once much of a draw
has lapsed, draws double only where a multiple of them was used since: then what lapses is a small part of what is used.
"""

from collections.abc import Callable
from threading import Lock

from coordination.api_limits import clock as clocks
from coordination.api_limits.drawing import LIFE_SECONDS, Drawn

# From before a draw was sent. Valkey counts them for LIFE_SECONDS from when it granted them, which is later; the
# difference is for clocks of which one runs faster.
SPENT_WITHIN_SECONDS = 0.9 * LIFE_SECONDS
# For how long a refusal is believed: nothing fits before its delay is over, unless a limit was raised.
REFUSED_SECONDS = 1.0
MOST = 1024
# How many times a draw must have been used, since one lapsed, before the next is twice as large.
USED_BEFORE_DOUBLING = 16


# A draw, when its answer came, and how many of its permits are left. The answer's times count from when the script ran:
# whoever counts them from when it came waits no less.
Taken = tuple[Drawn, float, int]


class Permits:
    """Those of one caller, for several threads. `clock` gives seconds and never goes back."""

    __slots__ = (
        "_clock",
        "_drawn",
        "_left",
        "_local",
        "_lock",
        "_received_at",
        "_sent_at",
        "_until",
        "_used",
        "_used_up_at",
        "drawing",
    )

    def __init__(self, clock: Callable[[], float] = clocks.now) -> None:
        self._clock = clock
        self._lock = Lock()
        # Held by the thread that draws for all: the others then spend what it brings.
        self.drawing = Lock()
        self._drawn: Drawn | None = None
        self._left = 0
        self._local: Taken | None = None
        # How many were used since much of a draw lapsed; None before any did.
        self._used: int | None = None
        self._sent_at = self._received_at = self._until = self._used_up_at = 0.0

    def spend(self) -> Taken | None:
        """Take one, or None when Valkey must be asked. A draw that brought none is given for as long as it is believed.

        The clock is read under the lock: a thread that was held up before it must not spend what has lapsed meanwhile.
        """
        with self._lock:
            drawn = self._drawn
            if drawn is None or (now := self._clock()) >= self._until:
                return None
            if drawn.granted:
                if not self._left:
                    return None
                self._left -= 1
                self._used_up_at = now
            return drawn, self._received_at, self._left

    def note(self, taken: Taken) -> None:
        """Remember what the process counted by itself, for whoever looks; the next draw replaces it."""
        with self._lock:
            self._local = taken

    def look(self) -> Taken | None:
        """Return what was last known, and take nothing."""
        with self._lock:
            if self._local is not None:
                return self._local
            return None if self._drawn is None else (self._drawn, self._received_at, self._left)

    def wanted(self) -> int:
        """Return how many to draw next."""
        with self._lock:
            if self._drawn is None or self._clock() >= self._until + LIFE_SECONDS:
                return 1
            if self._left:
                return self._drawn.granted - self._left
            quick = self._used_up_at - self._sent_at < SPENT_WITHIN_SECONDS / 2
            doubles = quick and (self._used is None or self._used >= USED_BEFORE_DOUBLING * self._drawn.granted)
            return min(MOST, max(1, self._drawn.granted * (2 if doubles else 1)))

    def fill(self, drawn: Drawn, sent_at: float, received_at: float) -> Taken:
        """Take in what a draw has brought, and spend one of it. What was left from before has lapsed."""
        with self._lock:
            if self._drawn is not None and 4 * self._left > self._drawn.granted:
                self._used = 0
            elif self._drawn is not None and self._used is not None:
                self._used += self._drawn.granted - self._left
            self._drawn, self._sent_at, self._used_up_at = drawn, sent_at, sent_at
            self._received_at, self._local = received_at, None
            self._left = max(0, drawn.granted - 1)
            refused = 0.0 if drawn.granted else max(standing.delay for standing in drawn.standings)
            self._until = sent_at + (SPENT_WITHIN_SECONDS if drawn.granted else min(REFUSED_SECONDS, refused))
            return drawn, received_at, self._left
