"""How often refusals of one key are written down: its audit trail must not grow as fast as it can be knocked at."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from threading import Lock

SECONDS = 60.0
MOST = 10_000


@dataclass(slots=True)
class _Noted:
    at: float
    # Refusals since that were not written.
    unwritten: int = 0


class Refusals:
    """Counts what is refused again and again. One for each process; what it holds is small and may be lost."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic, most: int = MOST) -> None:
        self._clock = clock
        self._most = most
        self._noted: dict[Hashable, _Noted] = {}
        self._lock = Lock()

    def count(self, what: Hashable) -> int | None:
        """Count one refusal. Return None within a minute of the last that was to be written.

        Else it is to be written, with the returned number of those that were not since then.
        """
        now = self._clock()
        with self._lock:
            noted = self._noted.get(what)
            if noted is not None and now - noted.at < SECONDS:
                noted.unwritten += 1
                return None
            # Taken out and put in again, so that the first is always the one noted longest ago.
            self._noted.pop(what, None)
            if len(self._noted) >= self._most:
                del self._noted[next(iter(self._noted))]
            self._noted[what] = _Noted(now)
        return noted.unwritten if noted is not None else 0
