"""What becomes of locks when Valkey or PostgreSQL goes in the middle of a call."""

import threading
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from coordination.connections import Unavailable
from coordination.epochs import next_epoch
from coordination.lock_calls import LockLost, new_token
from coordination.locks import Locks
from tests.coordination.locking import acquired_number, connection_to, locks_on, until
from tests.coordination.servers import ValkeyServer


class Gone(Exception):
    """Stands for a database that cannot be reached."""


def _gone(least: int) -> int:
    raise Gone


def test_without_valkey_nothing_is_acquired_extended_released_or_found(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    locks = locks_on(valkey, tenant)
    held = locks.acquire("report", "daily", 60)
    valkey.kill()

    with pytest.raises(Unavailable):
        locks.acquire("report", "weekly", 60)
    with pytest.raises(Unavailable):
        locks.extend("report", "daily", held.token, 60)
    with pytest.raises(Unavailable):
        locks.release("report", "daily", held.token)
    with pytest.raises(Unavailable):
        locks.find("report", "daily")


def test_a_block_ends_well_when_valkey_goes_while_it_runs(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    ended = []

    with locks_on(valkey, tenant).hold("report", "daily", 60):
        valkey.kill()
        ended.append(True)

    assert ended


def test_without_the_database_no_lock_is_acquired_that_needs_an_epoch(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with pytest.raises(Gone):
        locks_on(valkey, tenant, _gone).acquire("report", "daily", 60)

    assert locks_on(valkey, tenant).find("report", "daily") is None


def test_without_the_database_locks_go_on_in_the_same_life_of_valkey(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    before = acquired_number(locks_on(valkey, tenant))

    after = acquired_number(locks_on(valkey, tenant, _gone))

    assert after == before + 1


def test_a_lock_survives_a_kill_of_valkey(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    held = locks_on(valkey, tenant).acquire("report", "daily", 60)

    valkey.kill()
    valkey.start()

    locks = locks_on(valkey, tenant)
    assert locks.get("report", "daily").number == held.number
    locks.release("report", "daily", held.token)


def test_a_lock_that_a_flush_took_is_lost_and_the_next_has_a_greater_number(
    valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    locks = locks_on(valkey, tenant)
    held = locks.acquire("report", "daily", 60)

    valkey.flush()

    with pytest.raises(LockLost):
        locks.extend("report", "daily", held.token, 60)
    assert locks.acquire("report", "daily", 60).number > held.number


def test_an_acquisition_whose_answer_was_lost_is_had_by_asking_again(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    token, number = new_token(), acquired_number(locks_on(valkey, tenant))
    impatient = Locks(connection_to(f"{valkey.url}?socket_timeout=0.2"), tenant, next_epoch=next_epoch)
    impatient.find("report", "daily")
    valkey.pause()
    with pytest.raises(Unavailable):
        impatient.acquire("report", "daily", 60, token=token)
    valkey.resume()

    again = locks_on(valkey, tenant).acquire("report", "daily", 60, token=token)

    assert again.number == number + 1
    # The call that was given up was carried out when the server went on: it is the same lock.
    assert acquired_number(locks_on(valkey, tenant)) == number + 2


def test_no_number_is_given_twice_while_the_server_is_paused_again_and_again(
    valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    stop, numbers = threading.Event(), []

    def work() -> None:
        while not stop.is_set():
            try:
                numbers.append(acquired_number(locks_on(valkey, tenant)))
            except Unavailable:
                continue

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work) for _ in range(4)]
        for round_ in range(1, 16):
            until(lambda least=20 * round_: len(numbers) >= least)  # type: ignore[misc]
            valkey.pause()
            valkey.resume()
        stop.set()
        for one in working:
            one.result()

    assert len(numbers) == len(set(numbers))


def test_no_number_is_given_twice_while_the_server_is_killed_again_and_again(
    valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    stop = threading.Event()
    numbers: list[list[int]] = [[], [], [], []]

    def work(mine: list[int]) -> None:
        while not stop.is_set():
            try:
                mine.append(acquired_number(locks_on(valkey, tenant)))
            except Unavailable:
                continue

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, mine) for mine in numbers]
        for round_ in range(1, 6):
            until(lambda least=20 * round_: sum(map(len, numbers)) >= least)  # type: ignore[misc]
            valkey.kill()
            valkey.start()
        stop.set()
        for one in working:
            one.result()

    given = [number for mine in numbers for number in mine]
    assert len(given) == len(set(given))
    assert all(mine == sorted(mine) for mine in numbers)
