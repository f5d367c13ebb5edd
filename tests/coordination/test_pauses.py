"""Who is let in to a server that left a call unanswered, by a clock of the test's own."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from coordination.pauses import FIRST_SECONDS, LONGEST_SECONDS, LOST_SECONDS, Pause


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def pause(clock: Clock) -> Pause:
    """A pause that has just begun."""
    found = Pause(clock=clock)
    found.fail(found.enter())
    return found


def _entered(pause: Pause) -> int:
    number = pause.enter()
    assert number is not None
    return number


def test_nobody_is_let_in_until_it_is_over(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS - 0.001

    assert pause.enter() is None


def test_then_one_of_many_threads_is(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS

    with ThreadPoolExecutor(8) as threads:
        entered = list(threads.map(lambda _: pause.enter(), range(200)))

    assert len([number for number in entered if number is not None]) == 1


def test_an_answer_lets_all_in(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS
    _entered(pause)

    pause.end()

    assert None not in [pause.enter() for _ in range(3)]


def test_each_failure_doubles_it_up_to_the_longest(pause: Pause, clock: Clock) -> None:
    found = []

    for _ in range(5):
        began = clock.now
        while (number := pause.enter()) is None:
            clock.now += 0.25
        found.append(clock.now - began)
        pause.fail(number)

    assert found == [FIRST_SECONDS, 2, 4, LONGEST_SECONDS, LONGEST_SECONDS]


def test_after_an_answer_it_begins_anew(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS
    pause.fail(_entered(pause))
    pause.end()

    pause.fail(_entered(pause))
    clock.now += FIRST_SECONDS

    assert pause.enter() is not None


def test_those_who_were_under_way_make_it_no_longer(clock: Clock) -> None:
    pause = Pause(clock=clock)
    under_way = [_entered(pause) for _ in range(8)]

    begun = [pause.fail(number) for number in under_way]
    clock.now += FIRST_SECONDS

    assert begun == [True] + [False] * 7
    assert pause.enter() is not None


def test_a_failure_from_before_an_answer_begins_none(clock: Clock) -> None:
    pause = Pause(clock=clock)
    first, late = _entered(pause), _entered(pause)
    pause.fail(first)
    pause.end()

    pause.fail(late)

    assert pause.enter() is not None


def test_one_who_is_never_heard_of_again_is_followed_by_another(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS
    _entered(pause)
    refused = pause.enter()

    clock.now += LOST_SECONDS

    assert refused is None
    assert pause.enter() is not None


def test_one_who_leaves_is_followed_at_once(pause: Pause, clock: Clock) -> None:
    clock.now += FIRST_SECONDS

    pause.leave(_entered(pause))

    assert pause.enter() is not None


def test_a_failure_without_a_number_makes_no_pause_longer(pause: Pause, clock: Clock) -> None:
    pause.fail()
    clock.now += FIRST_SECONDS

    assert pause.enter() is not None
