"""The limits as one process counts them by itself while Valkey is gone. Needs no Django.

The same sliding window over the process's own memory, its times rounded up to a 64th of the window: never more than the
limit in any window, and never more than 65 entries for a key.
"""

import math
from collections import deque
from collections.abc import Sequence
from threading import Lock

from coordination.api_limits.drawing import Drawn
from coordination.api_limits.table import Quota, Standing

PARTS = 64
MOST_KEYS = 10_000


class _Log:
    """What was spent, oldest first: [the time up to which it counts as spent, how many]."""

    __slots__ = ("entries", "spent")

    def __init__(self) -> None:
        self.entries: deque[list[float]] = deque()
        self.spent = 0

    def trim(self, window: float, now: float) -> None:
        while self.entries and self.entries[0][0] <= now - window:
            self.spent -= int(self.entries.popleft()[1])

    def add(self, window: float, now: float) -> None:
        part = window / PARTS
        time = math.ceil(now / part) * part
        if self.entries and self.entries[-1][0] >= time:
            self.entries[-1][1] += 1
        else:
            self.entries.append([time, 1])
        self.spent += 1

    def standing(self, quota: Quota, window: float, now: float) -> Standing:
        """Return how the quota stands, once the log is trimmed."""
        excess, leaving = self.spent + 1 - quota.most, now - window
        for time, count in self.entries:
            if excess <= 0:
                break
            excess -= int(count)
            leaving = time
        reset = self.entries[-1][0] + window - now if self.entries else 0.0
        remaining = max(0, quota.most - self.spent)
        return Standing(quota.limit.name, quota.most, remaining, leaving + window - now, reset)


class LocalWindows:
    """Counts calls by the keys of their quotas, of which it knows so many at most.

    A key is forgotten once nothing of it counts any more, never before: else who has many could have theirs forgotten.
    Where there is no room, further keys of a limit share one log.
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        # In the order of what was last spent, so that the first is the first of which nothing counts any more.
        self._logs: dict[str, _Log] = {}
        self._shared: dict[str, _Log] = {}
        self._lock = Lock()

    def spend(self, quotas: Sequence[Quota], window: float, now: float) -> Drawn:
        """Count one call in all of the quotas, or in none."""
        with self._lock:
            logs = [self._log(quota, window, now) for quota in quotas]
            granted = all(log.spent < quota.most for log, quota in zip(logs, quotas, strict=True))
            if granted:
                for log, quota in zip(logs, quotas, strict=True):
                    log.add(window, now)
                    if log is not self._shared.get(quota.limit.name):
                        self._logs.pop(quota.key, None)
                        self._logs[quota.key] = log
            standings = [log.standing(quota, window, now) for log, quota in zip(logs, quotas, strict=True)]
        return Drawn(int(granted), tuple(standings))

    def _log(self, quota: Quota, window: float, now: float) -> _Log:
        log = self._logs.get(quota.key)
        if log is None:
            if len(self._logs) >= self._most_keys:
                self._forget_first(window, now)
            if len(self._logs) < self._most_keys:
                log = self._logs[quota.key] = _Log()
            else:
                log = self._shared.setdefault(quota.limit.name, _Log())
        log.trim(window, now)
        return log

    def _forget_first(self, window: float, now: float) -> None:
        first = next(iter(self._logs))
        self._logs[first].trim(window, now)
        if not self._logs[first].spent:
            del self._logs[first]
