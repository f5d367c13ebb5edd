import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any

import pytest

from coordination import keys
from coordination.connections import Connection
from coordination.epochs import next_epoch
from coordination.lock_calls import InvalidToken, LockHeld, LockLost, new_token
from coordination.locks import LockNotHeld, Locks
from coordination.names import InvalidName, InvalidTTL
from tests.coordination.locking import SPAWN, connection_to, until


@pytest.fixture
def locks(connection: Connection, tenant: uuid.UUID) -> Locks:
    return Locks(connection, tenant, next_epoch=next_epoch)


def test_a_lock_that_is_held_is_not_acquired(locks: Locks) -> None:
    locks.acquire("report", "daily", 60)

    with pytest.raises(LockHeld) as refused:
        locks.acquire("report", "daily", 60)

    assert 59 < refused.value.seconds <= 60


def test_a_released_lock_is_acquired_with_a_greater_number(locks: Locks) -> None:
    first = locks.acquire("report", "daily", 60)
    locks.release("report", "daily", first.token)

    second = locks.acquire("report", "daily", 60)

    assert second.number > first.number
    assert second.token != first.token


def test_a_lock_ends_by_itself(locks: Locks) -> None:
    first = locks.acquire("report", "daily", 0.02)
    until(lambda: locks.find("report", "daily") is None)

    second = locks.acquire("report", "daily", 60)

    assert second.number > first.number
    assert first.remaining() == 0


def test_locks_of_other_names_and_resources_are_other_locks(locks: Locks) -> None:
    held = [locks.acquire(*names, 60) for names in (("report", "daily"), ("report", "weekly"), ("mail", "daily"))]

    assert [lock.number for lock in held] == sorted({lock.number for lock in held})


def test_the_lock_of_the_same_name_in_another_organization_is_another(locks: Locks, connection: Connection) -> None:
    locks.acquire("report", "daily", 60)

    others = Locks(connection, uuid.uuid4(), next_epoch=next_epoch).acquire("report", "daily", 60)

    assert others.remaining() > 59


def test_another_token_neither_extends_nor_releases(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 60)

    with pytest.raises(LockLost):
        locks.extend("report", "daily", new_token(), 90)
    with pytest.raises(LockLost):
        locks.release("report", "daily", new_token())

    found = locks.get("report", "daily")
    assert (found.number, found.seconds <= 60) == (held.number, True)


def test_the_token_of_a_lock_that_is_over_does_nothing_to_the_next_holders(locks: Locks) -> None:
    first = locks.acquire("report", "daily", 0.02)
    until(lambda: locks.find("report", "daily") is None)
    second = locks.acquire("report", "daily", 60)

    with pytest.raises(LockLost):
        locks.release("report", "daily", first.token)
    with pytest.raises(LockLost):
        locks.extend("report", "daily", first.token, 60)

    assert locks.get("report", "daily").number == second.number


def test_a_second_release_finds_nothing(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 60)
    locks.release("report", "daily", held.token)

    with pytest.raises(LockLost):
        locks.release("report", "daily", held.token)


def test_extending_moves_the_end_and_keeps_the_number(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 1)

    extended = locks.extend("report", "daily", held.token, 120)

    assert extended.number == held.number
    assert 118 < (extended.expires_at - held.expires_at).total_seconds() < 121
    assert 119 < extended.remaining() <= 120
    assert locks.get("report", "daily").seconds > 119


def test_an_acquisition_repeated_with_its_token_is_the_same_lock(locks: Locks) -> None:
    token = new_token()
    first = locks.acquire("report", "daily", 60, token=token)

    again = locks.acquire("report", "daily", 90, token=token)

    assert again.number == first.number
    assert locks.get("report", "daily").seconds > 89


def test_a_token_that_was_released_acquires_anew(locks: Locks) -> None:
    token = new_token()
    first = locks.acquire("report", "daily", 60, token=token)
    locks.release("report", "daily", token)

    second = locks.acquire("report", "daily", 60, token=token)

    assert second.number > first.number


def test_what_is_found_of_a_lock_does_not_tell_its_token(locks: Locks) -> None:
    held = locks.acquire("report", "daily", 60)

    found = locks.get("report", "daily")

    assert held.token not in repr(found)
    assert (found.number, found.expires_at) == (held.number, held.expires_at)


def test_a_lock_that_nobody_holds_is_not_found(locks: Locks) -> None:
    assert locks.find("report", "daily") is None
    with pytest.raises(LockNotHeld):
        locks.get("report", "daily")


@pytest.mark.parametrize("ttl", [0, -1, 86_400.001, float("nan"), float("inf")], ids=str)
def test_a_time_to_live_that_is_none_is_refused(locks: Locks, ttl: float) -> None:
    with pytest.raises(InvalidTTL):
        locks.acquire("report", "daily", ttl)


def test_a_time_to_live_of_a_day_is_taken(locks: Locks) -> None:
    assert locks.acquire("report", "daily", 86_400).remaining() > 86_399


@pytest.mark.parametrize("seconds", [-1, float("nan"), float("inf")], ids=str)
def test_a_time_to_wait_that_is_none_is_refused(locks: Locks, seconds: float) -> None:
    with pytest.raises(InvalidTTL):
        locks.acquire("report", "daily", 60, wait_seconds=seconds)


@pytest.mark.parametrize(
    "names", [("a:b", "c"), ("", "c"), ("a", ""), ("a\n", "c"), ("a", "\x00"), ("a", "x" * 201)], ids=repr
)
def test_a_name_that_is_none_is_refused(locks: Locks, names: tuple[str, str]) -> None:
    with pytest.raises(InvalidName):
        locks.acquire(*names, 60)


@pytest.mark.parametrize("token", ["", "short", "x" * 201, "é" * 20, "a\nb" * 10], ids=repr)
def test_a_token_that_could_be_guessed_or_not_be_sent_is_refused(locks: Locks, token: str) -> None:
    with pytest.raises(InvalidToken):
        locks.acquire("report", "daily", 60, token=token)


def test_a_context_holds_the_lock_and_releases_it(locks: Locks) -> None:
    with locks.hold("report", "daily", 60) as held:
        inside = locks.get("report", "daily")

    assert inside.number == held.number
    assert locks.find("report", "daily") is None


def test_a_context_releases_when_its_block_raises(locks: Locks) -> None:
    with pytest.raises(ZeroDivisionError), locks.hold("report", "daily", 60):
        _ = 1 / 0

    assert locks.find("report", "daily") is None


def test_a_context_extends_its_lock(locks: Locks) -> None:
    with locks.hold("report", "daily", 1) as held:
        held.extend(60)

        assert held.remaining() > 59
        assert locks.get("report", "daily").expires_at == held.expires_at


def test_leaving_a_context_leaves_the_next_holder_alone(locks: Locks) -> None:
    with locks.hold("report", "daily", 0.02) as held:
        until(lambda: locks.find("report", "daily") is None)
        second = locks.acquire("report", "daily", 60)

    assert locks.get("report", "daily").number == second.number > held.number


def test_a_context_does_not_begin_while_another_holds_the_lock(locks: Locks) -> None:
    entered = []
    locks.acquire("report", "daily", 60)

    with pytest.raises(LockHeld), locks.hold("report", "daily", 60):
        entered.append(True)

    assert not entered


def test_what_is_kept_of_locks_ends_by_itself(locks: Locks, connection: Connection, tenant: uuid.UUID) -> None:
    locks.acquire("report", "daily", 60)

    client = connection.client()

    names = [keys.lock(tenant, "report", "daily"), keys.fencing(tenant)]
    assert sorted(key.decode() for key in client.scan_iter(match=f"{keys.prefix(tenant)}*")) == sorted(names)
    assert 0 < client.ttl(names[0]) <= 60
    assert 24 * 3600 < client.ttl(names[1]) <= 48 * 3600


def test_one_of_eight_threads_at_a_time_holds_the_lock(locks: Locks) -> None:
    def work(_: int) -> list[tuple[int, float, float]]:
        return [_hold_once(locks) for _ in range(25)]

    with ThreadPoolExecutor(8) as threads:
        spans = [span for done in threads.map(work, range(8)) for span in done]

    assert len({number for number, _, _ in spans}) == 200
    assert _are_in_turn(spans)


def test_two_processes_never_hold_the_lock_at_once(locks: Locks, connection: Connection, tenant: uuid.UUID) -> None:
    url, spans = _url(connection), SPAWN.Queue()
    workers = [SPAWN.Process(target=_work, args=(url, tenant, spans)) for _ in range(2)]
    for worker in workers:
        worker.start()

    found = [span for _ in workers for span in spans.get(timeout=60)]
    for worker in workers:
        worker.join(30)

    assert len({number for number, _, _ in found}) == 80
    assert _are_in_turn(found)


def _hold_once(locks: Locks) -> tuple[int, float, float]:
    """Return the number, and when the lock was surely held already, and surely held still."""
    with locks.hold("report", "daily", 30, wait_seconds=60) as held:
        began = time.monotonic()
        return held.number, began, time.monotonic()


def _are_in_turn(spans: list[tuple[int, float, float]]) -> bool:
    """Tell whether each ended before that of the next number began."""
    return all(earlier[2] <= later[1] for earlier, later in pairwise(sorted(spans)))


def _url(connection: Connection) -> str:
    known: dict[str, Any] = connection.client().connection_pool.connection_kwargs
    return f"redis://:{known.get('password') or ''}@{known['host']}:{known['port']}/{known.get('db', 0)}"


def _work(url: str, tenant: uuid.UUID, spans: Any) -> None:
    """Run in a process of its own, which has no PostgreSQL."""
    locks = Locks(connection_to(url), tenant, next_epoch=lambda least: least)
    spans.put([_hold_once(locks) for _ in range(40)])
