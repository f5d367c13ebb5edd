"""The exact log of a limit in Python, and our script on a clock of the test's own."""

import copy
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from coordination.calls import Call, Script
from coordination.connections import Connection
from coordination.rate_limits import CHECK, Decision, check

SECOND = 1_000_000
# Times are beyond any that a test lives to see: no key ends by itself while a test has the clock.
LATER = 4_000_000_000 * SECOND
CLOCK = "local time = redis.call('TIME')\n  return time[1] * 1000000 + time[2]"
ANSWER = "window_reset(log)}"


def variant(script: Script, old: str, new: str) -> Script:
    """Return a script that differs in one place."""
    assert script.text.count(old) == 1
    found = copy.copy(script)
    found.text = script.text.replace(old, new)
    found.sha = hashlib.sha1(found.text.encode(), usedforsecurity=False).hexdigest()
    return found


CLOCKED = variant(CHECK, CLOCK, "return tonumber(ARGV[5])")
# Answers the time of the server's clock too, at which it has decided.
STAMPED = variant(CHECK, ANSWER, "window_reset(log), log.now}")


@dataclass
class Limit:
    """One limit on a clock of the test's own; times and windows in microseconds."""

    connection: Connection
    name: str

    def check(self, now: int, *, limit: int, window: int, cost: int) -> Decision:
        call = check(None, "exact", self.name, max_requests=limit, window_seconds=window / SECOND, cost=cost)
        return self.connection.run(replace(call, script=CLOCKED, arguments=(*call.arguments, LATER + now)))


def stamped(call: Call[Decision]) -> Call[tuple[bool, int]]:
    """Return a call that answers whether it was allowed, and when."""
    read: Callable[[Any], tuple[bool, int]] = lambda found: (found[0] == 1, found[4])  # noqa: E731
    return Call(STAMPED, call.keys, call.arguments, read)


@dataclass
class ExactLog:
    """Every spend with its time, as far back as the longest window that was spent through: what limits are."""

    entries: list[tuple[int, int]] = field(default_factory=list)
    longest: int = 0

    def counting(self, now: int, window: int) -> list[tuple[int, int]]:
        return [entry for entry in self.entries if entry[0] > now - window]

    def spent(self, now: int, window: int) -> int:
        return sum(cost for _, cost in self.counting(now, window))

    def delay(self, now: int, *, limit: int, window: int, cost: int) -> int:
        """Return how long it is until the cost fits."""
        ends = (time + window for time, _ in self.counting(now, window))
        return next(at - now for at in (now, *ends) if self.spent(at, window) + cost <= limit)

    def spend(self, now: int, window: int, cost: int) -> None:
        """Add a spend; what has left the longest window is forgotten, and so is that window once all has left it."""
        self.longest = max(window, self.longest if self.counting(now, self.longest) else 0)
        self.entries = [*self.counting(now, self.longest), (now, cost)]

    def decide(self, now: int, *, limit: int, window: int, cost: int) -> Decision:
        delay = self.delay(now, limit=limit, window=window, cost=cost)
        if delay == 0:
            self.spend(now, window, cost)
        counting = self.counting(now, window)
        left = counting[-1][0] + window - now if counting else 0
        remaining = max(0, limit - self.spent(now, window))
        return Decision(delay == 0, remaining, delay / SECOND, left / SECOND)


def most_in_any_window(spends: Sequence[tuple[int, int]], window: int) -> int:
    """Return the most that was spent in any window, which is one that begins with a spend."""
    spends, most, total, end = sorted(spends), 0, 0, 0
    for start, (time, cost) in enumerate(spends):
        while end < len(spends) and spends[end][0] < time + window:
            total += spends[end][1]
            end += 1
        most, total = max(most, total), total - cost
        assert end > start
    return most
