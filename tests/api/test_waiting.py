"""How long a call may wait, and what its operation raises for it."""

import math
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import RequestFactory

from api.waiting import (
    CALL,
    LEAST_PAUSE_SECONDS,
    MAX_THREAD_SECONDS,
    PATIENT,
    InvalidWait,
    Waiting,
    check_wait,
    is_further_try,
    wait,
)


def _request(**environ: Any) -> HttpRequest:
    return RequestFactory().post("/", **environ)


def _pause(request: HttpRequest, **what: Any) -> Waiting:
    with pytest.raises(Waiting) as raised:
        wait(request, channel="here", **what)
    return raised.value


@pytest.mark.parametrize("seconds", [0, 0.0, 1e-300, 0.5, 20, 20.0])
def test_a_wait_of_up_to_twenty_seconds_is_taken(seconds: float) -> None:
    assert check_wait(seconds) == seconds


@pytest.mark.parametrize(
    "seconds",
    [-1, -1e-300, 20.1, 10**400, 1e308, math.nan, math.inf, -math.inf, True, "1", None],
    ids=["-1", "tiny", "20.1", "huge", "1e308", "nan", "inf", "-inf", "true", "text", "none"],
)
def test_another_wait_is_refused(seconds: Any) -> None:
    with pytest.raises(InvalidWait):
        check_wait(seconds)


def test_who_asks_for_no_wait_has_none() -> None:
    request = _request()

    wait(request, channel="here", seconds=0)

    assert not is_further_try(request)


def test_a_wait_lasts_as_long_as_was_asked_for() -> None:
    pause = _pause(_request(**{PATIENT: True}), seconds=10)

    assert (pause.channel, pause.call.patient) == ("here", True)
    assert 9 < pause.seconds <= 10


def test_a_thread_waits_a_second() -> None:
    pause = _pause(_request(), seconds=10)

    assert not pause.call.patient
    assert pause.seconds <= MAX_THREAD_SECONDS


@pytest.mark.parametrize(("due", "seconds"), [(0.5, 0.5), (0, LEAST_PAUSE_SECONDS), (-3, LEAST_PAUSE_SECONDS)])
def test_what_is_due_sooner_is_looked_at_sooner(due: float, seconds: float) -> None:
    assert _pause(_request(**{PATIENT: True}), seconds=10, look_again_in=due).seconds == seconds


def test_what_is_due_later_makes_no_wait_longer() -> None:
    assert _pause(_request(**{PATIENT: True}), seconds=0.5, look_again_in=10).seconds <= 0.5


def test_all_tries_have_the_time_of_the_first() -> None:
    first = _pause(_request(**{PATIENT: True}), seconds=10)

    second = _pause(_request(**{PATIENT: True, CALL: first.call}), seconds=10)

    assert second.call is first.call
    assert second.seconds < first.seconds


def test_a_further_try_is_known() -> None:
    pause = _pause(_request(**{PATIENT: True}), seconds=10)

    assert is_further_try(_request(**{CALL: pause.call}))


def test_a_wait_that_is_over_is_none() -> None:
    pause = _pause(_request(**{PATIENT: True}), seconds=10)
    pause.call.end()

    wait(_request(**{CALL: pause.call}), channel="here", seconds=10)

    assert pause.call.left <= 0


def test_the_time_of_a_try_is_no_wait() -> None:
    call = _pause(_request(**{PATIENT: True}), seconds=10).call
    call.hold(Waiting(call, "here", 1))
    call.resume()
    waited = call.waited

    call.resume()

    assert call.waited == waited
