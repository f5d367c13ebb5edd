"""Operations that wait: how long a call may, what it waits for, and who does the waiting.

An operation that finds nothing calls `wait`, which raises Waiting while time is left. The gate catches it outside of
any transaction. Behind an ASGI front the call then leaves its thread until something may have changed, and is tried
anew; elsewhere its thread waits, for a moment only.
"""

import time
from collections.abc import Callable
from typing import Any, TypeVar

from django.http import HttpRequest, HttpResponse

from audit.origin import Origin, current_origin

F = TypeVar("F", bound=Callable[..., Any])
MAX_WAIT_SECONDS = 20
# What a thread waits at most: a few of them serve all calls.
MAX_THREAD_SECONDS = 1.0
# However soon an operation wants to look again.
LEAST_PAUSE_SECONDS = 0.01
# In the environ, where nothing that a client sends has such a name: whether a front waits, and the call that does.
PATIENT = "holdfast.patient"
CALL = "holdfast.waiting"


class InvalidWait(Exception):
    """Raised for a wait that is negative, too long, or no number."""


class TooManyWaits(Exception):
    """Raised when as many calls wait as may."""


class Waiting(Exception):
    """Raised by an operation that found nothing, to be tried again; it is never answered.

    `seconds` is when at the latest; anything published on the channel is a reason to try sooner.
    """

    def __init__(self, call: "WaitingCall", channel: str, seconds: float) -> None:
        super().__init__(channel)
        self.call, self.channel, self.seconds = call, channel, seconds


class WaitingCall:
    """One call over all of its tries. Used by one of them at a time."""

    def __init__(self, seconds: float, *, patient: bool) -> None:
        self.patient = patient
        self.ends = time.perf_counter() + (seconds if patient else min(seconds, MAX_THREAD_SECONDS))
        self.pause: Waiting | None = None
        self.origin = Origin()
        # When the first try began, and how much of the time since then nothing was tried.
        self.began: float | None = None
        self.waited = 0.0
        # Whether it has its line in the log. A try that runs on after its caller has gone writes no second one.
        self.noted = False
        self._paused_at = 0.0

    @property
    def left(self) -> float:
        return self.ends - time.perf_counter()

    def end(self) -> None:
        """Have the next try be the last."""
        self.ends = 0.0

    def hold(self, pause: Waiting) -> None:
        self.pause, self.origin, self._paused_at = pause, current_origin(), time.perf_counter()

    def resume(self) -> None:
        """Begin another try, unless one has begun."""
        if self.pause is not None:
            self.pause = None
            self.waited += time.perf_counter() - self._paused_at


def waits(operation: F) -> F:
    """Declare that an operation may wait: docs/how-to/run-in-production.md has its path sent to the streams."""
    operation.waits = True  # type: ignore[attr-defined]
    return operation


def check_wait(seconds: float) -> float:
    """Return the seconds; raises InvalidWait. To be called before anything is done for a call that may wait."""
    if isinstance(seconds, bool) or not isinstance(seconds, int | float) or not 0 <= seconds <= MAX_WAIT_SECONDS:
        raise InvalidWait(f"The wait must be a number of seconds, 0 to {MAX_WAIT_SECONDS}.")
    return seconds


def wait(request: HttpRequest, *, channel: str, seconds: float, look_again_in: float | None = None) -> None:
    """Raise Waiting while time is left; return when it is over, or where none was asked for: then answer as it stands.

    `seconds` are those that the caller asked for, the same in each try, and count from the first. `look_again_in` says
    when something is due without a ring. All tries of a call name the same channel. Raises InvalidWait.
    """
    if not check_wait(seconds):
        return
    call: WaitingCall | None = request.META.get(CALL)
    if call is None:
        call = request.META[CALL] = WaitingCall(seconds, patient=PATIENT in request.META)
    left = call.left
    if left > 0:
        due = left if look_again_in is None else min(left, look_again_in)
        raise Waiting(call, channel, max(LEAST_PAUSE_SECONDS, due))


def is_further_try(request: HttpRequest) -> bool:
    """Tell whether the call was admitted before: what is counted by calls does not count this one."""
    return CALL in request.META


Attempt = Callable[[], HttpResponse]
InThread = Callable[[Waiting, Attempt], HttpResponse]
_in_thread: list[InThread] = []


def register_thread_wait(run: InThread) -> None:
    """Name what waits in a thread, and tries until there is an answer; from the AppConfig of an app that can listen."""
    _in_thread[:] = [run]


def pause_or_wait(pause: Waiting, attempt: Attempt) -> HttpResponse | None:
    """Return None where the front waits, which the call now says; else wait here, and return the answer."""
    pause.call.hold(pause)
    return None if pause.call.patient else _in_thread[0](pause, attempt)
