"""Tokens of keys that are new, or made up: when they have the keys read, and who waits for it."""

from queue import Queue
from threading import Thread

import pytest

from accounts.oidc import key_sets
from accounts.oidc.key_sets import KeysUnavailable
from tests.accounts.oidc.local_issuer import make_key
from tests.accounts.oidc.place import PATIENT, Place


def test_an_unknown_key_has_the_issuer_asked_and_lets_the_next_ones_rest() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1

    assert place.has("guess") is False
    place.now += 0.01
    for number in range(100):
        with pytest.raises(KeysUnavailable):
            place.has(f"guess-{number}")
    assert place.reads == 2
    assert place.has("one")


def test_after_the_rest_a_new_key_is_found_at_once() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    assert not place.has("guess")
    place.now += key_sets.REST_SECONDS
    place.published.append(make_key("two"))

    assert place.has("two")


def test_a_key_that_was_there_lets_the_next_new_one_be_found_at_once() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1

    for number in range(5):
        place.now += 0.01
        place.published.append(make_key(f"new-{number}"))
        assert place.has(f"new-{number}")


def test_a_key_that_was_missing_has_the_issuer_asked_again_after_a_while() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    assert not place.has("late")
    place.now += key_sets.MISSING_SECONDS - 1
    place.published.append(make_key("late"))

    assert not place.has("late")
    assert place.reads == 2
    place.now += 1
    assert place.has("late")


def test_new_keys_have_the_issuer_asked_so_often_in_a_minute_and_no_more() -> None:
    place = Place()
    assert place.has("one")
    for number in range(key_sets.READS_A_MINUTE):
        place.now += 0.01
        place.published = [make_key(f"new-{number}")]
        assert place.has(f"new-{number}")
    place.now += 0.01
    place.published = [make_key("two")]

    with pytest.raises(KeysUnavailable):
        place.has("two")
    place.now += 60
    assert place.has("two")


def test_no_more_than_a_few_wait_for_a_slow_issuer() -> None:
    place = Place()
    assert place.has("one")
    place.now += 1
    place.let_go.clear()
    place.begun.clear()
    outcomes: Queue[str] = Queue()

    def guess(number: int) -> None:
        try:
            place.has(f"guess-{number}")
        except KeysUnavailable:
            outcomes.put("refused")
        else:
            outcomes.put("answered")

    guessing = [Thread(target=guess, args=(0,))]
    guessing[0].start()
    assert place.begun.wait(30)
    place.now += key_sets.BRIEF_SECONDS
    guessing += [Thread(target=guess, args=(number,)) for number in range(1, 24)]
    for thread in guessing[1:]:
        thread.start()

    # The issuer has not answered, and all but a few are done.
    assert [outcomes.get(timeout=30) for _ in range(24 - PATIENT)] == ["refused"] * (24 - PATIENT)
    assert place.has("one")
    place.let_go.set()
    for thread in guessing:
        thread.join(30)
    assert place.reads == 2
    assert [place.patient.acquire(blocking=False) for _ in range(PATIENT + 1)] == [True] * PATIENT + [False]
