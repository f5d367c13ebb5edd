"""Counting calls: by permits in hand, else by Valkey, else as each limit says. Needs no Django."""

import logging
from collections.abc import Callable, Hashable, Sequence
from threading import Lock

from coordination.api_limits import clock as clocks
from coordination.api_limits.drawing import Drawn, draw
from coordination.api_limits.local import LocalWindows
from coordination.api_limits.permits import Permits, Taken
from coordination.api_limits.table import Quota
from coordination.connections import Connection, Unavailable
from coordination.pauses import Pause

logger = logging.getLogger("holdfast.coordination")
# How long nothing is asked of Valkey after it could not answer: one call pays for finding out, not each.
PAUSE_SECONDS = 1.0
LOG_SECONDS = 60.0
GONE = "Valkey could not be reached a moment ago."
SENTENCE = "Valkey cannot count the API's calls: processes count by themselves, sign-in and secrets are closed"
MOST_CALLERS = 10_000


class Complaint:
    """A line in the log, once a minute for all limiters of a process that share it."""

    def __init__(self) -> None:
        self._logged_at = -LOG_SECONDS
        self._lock = Lock()

    def make(self, error: Unavailable, now: float) -> None:
        with self._lock:
            if now - self._logged_at < LOG_SECONDS:
                return
            self._logged_at = now
        logger.warning(SENTENCE, extra={"error": str(error)})


class Limiter:
    """Counts the calls of one process. `local` counts those for which Valkey could not be asked."""

    def __init__(
        self,
        connection: Connection,
        clock: Callable[[], float] = clocks.now,
        complaint: Complaint | None = None,
    ) -> None:
        self.connection = connection
        self.local = LocalWindows()
        self._clock, self._complaint = clock, complaint or Complaint()
        self._permits: dict[Hashable, Permits] = {}
        self._lock = Lock()
        self._pause = Pause(PAUSE_SECONDS, PAUSE_SECONDS, clock)

    def take(
        self, caller: Hashable, quotas: Callable[[], Sequence[Quota]], window_seconds: int
    ) -> tuple[Taken, bool] | None:
        """Count one call of a caller, and say whether Valkey stands behind the answer; None where nothing limits it.

        `quotas` is asked when permits are drawn; the keys of one caller's have one slot. Raises Unavailable without
        Valkey where one of them is closed then.
        """
        permits = self._permits.get(caller)
        if permits is not None and (taken := permits.spend()) is not None:
            return taken, True
        found = quotas()
        if not found:
            return None
        if permits is None:
            permits = self._add(caller)
        try:
            return self._draw(permits, found, window_seconds), True
        except Unavailable:
            if any(quota.limit.without_valkey == "closed" for quota in found):
                raise
        now = self._clock()
        taken = (self.local.spend(found, window_seconds, now), now, 0)
        permits.note(taken)
        return taken, False

    def look(self, caller: Hashable) -> Taken | None:
        """Return what was last known of a caller's limits, and count nothing."""
        permits = self._permits.get(caller)
        return None if permits is None else permits.look()

    def _draw(self, permits: Permits, quotas: Sequence[Quota], window_seconds: int) -> Taken:
        # Once Valkey could not answer, one call at a time looks whether it can; the others do not wait for that.
        number = self._pause.enter()
        if number is None:
            raise Unavailable(GONE)
        try:
            with permits.drawing:
                # Another thread may have drawn meanwhile, or found that Valkey is gone.
                if (taken := permits.spend()) is not None:
                    return taken
                if self._pause.has_passed(number):
                    raise Unavailable(GONE)
                wanted, sent_at = permits.wanted(), self._clock()
                drawn: Drawn = self.connection.run(draw(quotas, window_seconds=window_seconds, wanted=wanted))
                self._pause.end()
                return permits.fill(drawn, sent_at, self._clock())
        except Unavailable as error:
            self._note(error, number)
            raise
        finally:
            # Where it has neither failed nor been answered.
            self._pause.leave(number)

    def _add(self, caller: Hashable) -> Permits:
        with self._lock:
            if len(self._permits) >= MOST_CALLERS:
                # Its permits count as spent: who is forgotten has gained nothing.
                del self._permits[next(iter(self._permits))]
            return self._permits.setdefault(caller, Permits(self._clock))

    def _note(self, error: Unavailable, number: int) -> None:
        if not self._pause.fail(number):
            return
        self._complaint.make(error, self._clock())
