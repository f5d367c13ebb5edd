"""The limits as one process counts them by itself while Valkey is gone. Needs no Django.

The same sliding window over the process's own memory, its times rounded up to a 64th of the window: never more than the
limit in any window, and never more than 65 entries for a key.
"""

import hashlib
import math
import secrets
from array import array
from collections.abc import Sequence
from threading import Lock

from coordination.api_limits.drawing import Drawn
from coordination.api_limits.table import Quota, Standing

PARTS = 64
# Of each limit. An entry has 16 bytes: at the full number, with all of their entries, about 13 MB.
MOST_KEYS = 10_000
SHARED = 256


class _Log:
    """What was spent, oldest first: the times up to which it counts as spent, and how many at each."""

    __slots__ = ("counts", "spent", "times")

    def __init__(self) -> None:
        self.times, self.counts = array("d"), array("Q")
        self.spent = 0

    def trim(self, window: float, now: float) -> None:
        over = 0
        while over < len(self.times) and self.times[over] <= now - window:
            self.spent -= self.counts[over]
            over += 1
        if over:
            del self.times[:over], self.counts[:over]

    def add(self, window: float, now: float) -> None:
        part = window / PARTS
        time = math.ceil(now / part) * part
        if self.times and self.times[-1] >= time:
            self.counts[-1] += 1
        else:
            self.times.append(time)
            self.counts.append(1)
        self.spent += 1

    def standing(self, quota: Quota, most: int, window: float, now: float) -> Standing:
        """Return how the quota stands where so many may be spent, once the log is trimmed."""
        excess, leaving = self.spent + 1 - most, now - window
        for time, count in zip(self.times, self.counts, strict=True):
            if excess <= 0:
                break
            excess -= count
            leaving = time
        reset = self.times[-1] + window - now if self.times else 0.0
        # Of a shared log more may remain than the caller's own limit has.
        remaining = min(quota.most, max(0, most - self.spent))
        return Standing(quota.limit.name, quota.most, remaining, leaving + window - now, reset)


class _Shared:
    """A log for keys that have no room of their own.

    While one key alone spends from it that one's limit holds. Of several nobody knows how much each has spent: then the
    largest of their limits holds for all together, so that one with a small limit is not refused for what others spent.
    """

    __slots__ = ("key", "log", "most")

    def __init__(self) -> None:
        self.log = _Log()
        self.key: str | None = None
        self.most = 0

    def trim(self, window: float, now: float) -> None:
        self.log.trim(window, now)
        if not self.log.spent:
            self.key, self.most = None, 0

    def limit(self, quota: Quota) -> int:
        """Return how many may be spent, this key's call included."""
        return quota.most if self.alone(quota) else max(self.most, quota.most)

    def alone(self, quota: Quota) -> bool:
        return not self.log.spent or self.key == quota.key

    def note(self, quota: Quota) -> None:
        """Remember who spends. Before the call is added."""
        self.most = self.limit(quota)
        self.key = quota.key if self.alone(quota) else None


class _Keys:
    """The logs of one limit's keys."""

    def __init__(self, most_keys: int) -> None:
        self._most_keys = most_keys
        # In the order of what was last spent, so that the first is the first of which nothing counts any more.
        self.logs: dict[str, _Log] = {}
        self.shared: dict[int, _Shared] = {}
        # By a secret: else one could choose keys that share a log with somebody else's.
        self._secret = secrets.token_bytes(16)

    def find(self, quota: Quota, window: float, now: float) -> tuple[_Log, int, _Shared | None]:
        """Return the log of a key, trimmed, how many may be spent in it, and whether it is shared."""
        log = self.logs.get(quota.key)
        if log is not None:
            log.trim(window, now)
            return log, quota.most, None
        shared = self.shared.get(place := self._place(quota.key))
        if shared is not None:
            shared.trim(window, now)
            if not shared.log.spent:
                del self.shared[place]
                shared = None
        if self._has_room(window, now):
            if shared is None:
                return _Log(), quota.most, None
            if shared.alone(quota):
                del self.shared[place]
                self.logs[quota.key] = shared.log
                return shared.log, quota.most, None
        # What it has spent in a shared log still counts: it gets none of its own before that is over.
        shared = shared or _Shared()
        return shared.log, shared.limit(quota), shared

    def add(self, quota: Quota, log: _Log, shared: _Shared | None, window: float, now: float) -> None:
        if shared is None:
            self.logs.pop(quota.key, None)
            self.logs[quota.key] = log
        else:
            shared.note(quota)
            self.shared[self._place(quota.key)] = shared
        log.add(window, now)

    def _place(self, key: str) -> int:
        digest = hashlib.blake2b(key.encode(), key=self._secret, digest_size=8).digest()
        return int.from_bytes(digest) % SHARED

    def _has_room(self, window: float, now: float) -> bool:
        if len(self.logs) >= self._most_keys:
            first = next(iter(self.logs))
            self.logs[first].trim(window, now)
            if not self.logs[first].spent:
                del self.logs[first]
        return len(self.logs) < self._most_keys


class LocalWindows:
    """Counts calls by the keys of their quotas; of each limit it knows so many keys at most.

    A key is forgotten once nothing of it counts any more, never before: else who has many could have theirs forgotten.
    Where there is no room, further keys share logs. Keys of one limit take no room from those of another: an
    organization that has very many has no other organizations' log shared.
    """

    def __init__(self, most_keys: int = MOST_KEYS) -> None:
        self._most_keys = most_keys
        self._limits: dict[str, _Keys] = {}
        self._lock = Lock()

    def spend(self, quotas: Sequence[Quota], window: float, now: float) -> Drawn:
        """Count one call in all of the quotas, or in none."""
        with self._lock:
            keys = [self._limits.setdefault(quota.limit.name, _Keys(self._most_keys)) for quota in quotas]
            found = [each.find(quota, window, now) for each, quota in zip(keys, quotas, strict=True)]
            granted = all(log.spent < most for log, most, _ in found)
            if granted:
                for each, quota, (log, _, shared) in zip(keys, quotas, found, strict=True):
                    each.add(quota, log, shared, window, now)
            standings = [
                log.standing(quota, most, window, now) for quota, (log, most, _) in zip(quotas, found, strict=True)
            ]
        return Drawn(int(granted), tuple(standings))
