"""When a server that left a call unanswered is asked again: by one call at a time, after pauses that grow.

Needs no Django. Whoever would call enters first, and says afterwards what became of it. As long as nothing fails, all
are let in. After a failure nobody is until the pause is over; then one is, and the others once it has been answered.
"""

import time
from collections.abc import Callable
from threading import Lock

FIRST_SECONDS, LONGEST_SECONDS = 1.0, 5.0
# For so long the one that was let in is waited for; it may have been cancelled, or have died with its thread.
LOST_SECONDS = 10.0


class Pause:
    """For several threads. `clock` gives seconds and never goes back.

    Entering gives a number, by which a failure is told from those of calls that were under way before: they say nothing
    new, and make no pause longer.
    """

    def __init__(
        self,
        first: float = FIRST_SECONDS,
        longest: float = LONGEST_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._first, self._longest, self._clock = first, longest, clock
        self._lock = Lock()
        self._shut, self._number = False, 0
        self._seconds = self._due = 0.0

    @property
    def is_shut(self) -> bool:
        return self._shut

    def enter(self) -> int | None:
        """Return the number of a call that is let in, None for one that is not."""
        if not self._shut:
            return self._number
        with self._lock:
            if not self._shut:
                return self._number
            now = self._clock()
            if now < self._due:
                return None
            self._number, self._due = self._number + 1, now + LOST_SECONDS
            return self._number

    def has_passed(self, number: int) -> bool:
        """Tell whether another has failed since this one was let in, and nobody was answered."""
        return self._shut and number != self._number

    def fail(self, number: int | None = None) -> bool:
        """Note a failure, and return whether it begins a pause. One without a number does where there is none yet."""
        with self._lock:
            if self._shut if number is None else number != self._number:
                return False
            self._seconds = min(2 * self._seconds, self._longest) if self._shut else self._first
            self._shut, self._number = True, self._number + 1
            self._due = self._clock() + self._seconds
            return True

    def leave(self, number: int) -> None:
        """Note that nothing is known of the call: the next may be let in."""
        if self._shut:
            with self._lock:
                if number == self._number:
                    self._due = self._clock()

    def end(self) -> None:
        """Note an answer, also one that came late: all are let in."""
        if self._shut:
            with self._lock:
                self._shut = False
