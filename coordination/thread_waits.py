"""Waiting in a thread, for the moment that one may: where no front does it without."""

from django.http import HttpResponse

from api.waiting import Attempt, Waiting
from coordination.bells import listen
from coordination.connections import Unavailable
from coordination.shared import connection


def wait_in_thread(pause: Waiting, attempt: Attempt) -> HttpResponse:
    """Try until there is an answer; once the time is over an operation gives one.

    Where Valkey cannot be listened to, the operation is tried once more, and says so itself or does without.
    """
    call = pause.call
    try:
        with listen(connection, pause.channel) as bell:
            while True:
                call.resume()
                try:
                    return attempt()
                except Waiting as again:
                    call.hold(again)
                    bell.wait(again.seconds)
    except Unavailable:
        call.end()
    call.resume()
    return attempt()
