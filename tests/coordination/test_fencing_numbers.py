"""Numbers never repeat and never fall, whatever becomes of Valkey and of the epoch's row."""

import shutil
import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from django.db import connection as database
from django.db import transaction

from coordination import keys
from coordination.epochs import next_epoch
from coordination.locks import NextEpoch, clock_epoch
from orgs import tenancy
from tests.coordination.locking import acquired_number, locks_on, until
from tests.coordination.servers import ValkeyServer
from tests.statements import rows

COUNTS = 2**16


@pytest.fixture
def other(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A second server, for the first to be replaced by."""
    server = ValkeyServer(tmp_path / "other")
    server.start()
    yield server
    server.kill()


def _has_failed(working: list[Future[list[int]]]) -> bool:
    return any(one.done() and one.exception() for one in working)


def _set_epoch(epoch: int) -> None:
    with tenancy.system(), database.cursor() as cursor:
        cursor.execute("UPDATE coordination_fencingepoch SET epoch = %s", [epoch])


def _follow(server: ValkeyServer, leader: ValkeyServer) -> None:
    with server.client() as client, leader.client() as other:
        # By default it waits five seconds for further followers.
        other.config_set("repl-diskless-sync-delay", 0)
        client.execute_command("REPLICAOF", "127.0.0.1", leader.port)
        until(lambda: client.info("replication")["master_link_status"] == "up")


def _lead(server: ValkeyServer) -> None:
    with server.client() as client:
        client.execute_command("REPLICAOF", "NO", "ONE")


def _caught_up(server: ValkeyServer, follower: ValkeyServer) -> None:
    with server.client() as ahead, follower.client() as behind:
        offset = ahead.info("replication")["master_repl_offset"]
        until(lambda: behind.info("replication")["slave_repl_offset"] >= offset)


def _asked_at(*moments: Callable[[], object]) -> tuple[NextEpoch, list[int]]:
    """Return what draws epochs and does something after each, before it is used; and what it drew."""
    left, drawn = list(moments), []

    def draw(least: int) -> int:
        drawn.append(next_epoch(least))
        if left:
            left.pop(0)()
        return drawn[-1]

    return draw, drawn


def test_numbers_of_one_life_follow_one_another(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    locks = locks_on(valkey, tenant)

    numbers = [acquired_number(locks) for _ in range(5)]

    assert numbers == list(range(numbers[0], numbers[0] + 5))
    assert numbers[0] % COUNTS == 1
    assert numbers[-1] < 2**53


def test_one_epoch_is_drawn_in_one_life(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    draw, drawn = _asked_at()
    locks = locks_on(valkey, tenant, draw)

    numbers = [acquired_number(locks) for _ in range(20)]

    assert {number // COUNTS for number in numbers} == set(drawn)
    assert len(drawn) == 1


def test_a_kill_and_a_start_begin_a_new_epoch(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    before = acquired_number(locks_on(valkey, tenant))

    valkey.kill()
    valkey.start()

    after = acquired_number(locks_on(valkey, tenant))
    assert after // COUNTS > before // COUNTS


@pytest.mark.parametrize("age", ["emptied", "older"])
def test_a_start_from_an_older_file_begins_a_new_epoch(
    valkey: ValkeyServer, tenant: uuid.UUID, tmp_path: Path, age: str
) -> None:
    files, copy = valkey.directory / "appendonlydir", tmp_path / "copy"
    numbers = [acquired_number(locks_on(valkey, tenant)) for _ in range(3)]
    shutil.copytree(files, copy)
    numbers += [acquired_number(locks_on(valkey, tenant)) for _ in range(3)]

    valkey.kill()
    shutil.rmtree(files)
    if age == "older":
        shutil.copytree(copy, files)
    valkey.start()

    after = acquired_number(locks_on(valkey, tenant))
    assert after // COUNTS > max(numbers) // COUNTS


def test_a_flush_without_a_start_begins_a_new_epoch(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    locks = locks_on(valkey, tenant)
    before = acquired_number(locks)

    valkey.flush()

    assert acquired_number(locks) // COUNTS > before // COUNTS


def test_a_pause_of_the_server_begins_none(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    before = acquired_number(locks_on(valkey, tenant))

    valkey.pause()
    valkey.resume()

    assert acquired_number(locks_on(valkey, tenant)) == before + 1


def test_a_replica_that_is_promoted_without_its_tail_begins_a_new_epoch(
    valkey: ValkeyServer, other: ValkeyServer, tenant: uuid.UUID
) -> None:
    _follow(other, valkey)
    numbers = [acquired_number(locks_on(valkey, tenant))]
    _caught_up(valkey, other)
    # It hears of nothing more.
    _lead(other)
    numbers += [acquired_number(locks_on(valkey, tenant)) for _ in range(5)]
    valkey.kill()

    after = acquired_number(locks_on(other, tenant))

    assert after // COUNTS > max(numbers) // COUNTS


def test_a_server_that_is_promoted_again_begins_a_new_epoch(
    valkey: ValkeyServer, other: ValkeyServer, tenant: uuid.UUID
) -> None:
    _follow(other, valkey)
    first = acquired_number(locks_on(valkey, tenant))
    _caught_up(valkey, other)
    with valkey.client() as client:
        run_id = client.info("server")["run_id"]
    _lead(other)
    numbers = [first, *(acquired_number(locks_on(valkey, tenant)) for _ in range(5))]
    # The first server takes over what the second knows, which is all but the last five, and leads again.
    _follow(valkey, other)
    _lead(valkey)

    numbers.append(acquired_number(locks_on(valkey, tenant)))

    with valkey.client() as client:
        assert client.info("server")["run_id"] == run_id
    assert numbers == sorted(set(numbers))
    assert numbers[-1] // COUNTS > numbers[-2] // COUNTS


def test_two_servers_that_both_lead_never_give_the_same_number(
    valkey: ValkeyServer, other: ValkeyServer, tenant: uuid.UUID
) -> None:
    _follow(other, valkey)
    acquired_number(locks_on(valkey, tenant))
    _caught_up(valkey, other)
    _lead(other)

    numbers = [acquired_number(locks_on(server, tenant)) for _ in range(20) for server in (valkey, other)]

    assert len(set(numbers)) == 40
    assert min(numbers[1::2]) > max(numbers[0::2])


def test_an_epochs_row_from_a_backup_repeats_nothing(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    before = acquired_number(locks_on(valkey, tenant))
    # No restore is so quick that the clock would not be past what was drawn at once before it.
    until(lambda: clock_epoch(1) > before // COUNTS)
    _set_epoch(1)

    valkey.flush()

    assert acquired_number(locks_on(valkey, tenant)) // COUNTS > before // COUNTS


def test_a_counter_ahead_of_the_epochs_row_lifts_the_row(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    ahead = next_epoch(1) + 20
    with valkey.client() as client:
        client.set(keys.fencing(tenant), f"{ahead} 7 another -")

    number = acquired_number(locks_on(valkey, tenant))

    assert number // COUNTS > ahead
    assert next_epoch(1) > number // COUNTS


def test_a_counter_that_is_used_up_begins_a_new_epoch(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    locks = locks_on(valkey, tenant)
    before = acquired_number(locks)
    with valkey.client() as client:
        epoch, _, *rest = client.get(keys.fencing(tenant)).split()
        client.set(keys.fencing(tenant), b" ".join([epoch, b"%d" % (COUNTS - 2), *rest]))

    last, first = acquired_number(locks), acquired_number(locks)

    assert last == (before // COUNTS) * COUNTS + COUNTS - 1
    assert (first // COUNTS > before // COUNTS, first % COUNTS) == (True, 1)


def test_a_counter_that_is_not_used_for_days_ends_and_begins_anew(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    locks = locks_on(valkey, tenant)
    before = acquired_number(locks)
    with valkey.client() as client:
        client.delete(keys.fencing(tenant))

    assert acquired_number(locks) // COUNTS > before // COUNTS


def test_an_epoch_that_was_drawn_before_a_flush_is_not_taken_after_it(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    numbers: list[int] = []

    def pass_by() -> None:
        """Another begins an epoch that is greater, and all of it is lost, while the first sleeps with its own."""
        numbers.append(acquired_number(locks_on(valkey, tenant)))
        valkey.flush()

    draw, drawn = _asked_at(pass_by)

    numbers.append(acquired_number(locks_on(valkey, tenant, draw)))

    assert numbers == sorted(numbers)
    assert numbers[1] // COUNTS == drawn[1] > numbers[0] // COUNTS > drawn[0]


def test_an_epoch_that_was_drawn_for_an_earlier_life_is_not_taken(
    valkey: ValkeyServer, tenant: uuid.UUID, tmp_path: Path
) -> None:
    files, copy = valkey.directory / "appendonlydir", tmp_path / "copy"
    numbers: list[int] = []

    def restart() -> None:
        """The file has the request for an epoch; a copy of it comes back when the request was long answered."""
        shutil.copytree(files, copy)
        numbers.append(acquired_number(locks_on(valkey, tenant)))
        valkey.kill()
        shutil.rmtree(files)
        shutil.copytree(copy, files)
        valkey.start()

    draw, drawn = _asked_at(restart)

    # The sleeper's pooled connection is found to be closed, and replaced.
    numbers.append(acquired_number(locks_on(valkey, tenant, draw)))

    assert numbers == sorted(numbers)
    assert numbers[1] // COUNTS == drawn[1] > numbers[0] // COUNTS > drawn[0]


def test_twenty_threads_that_ask_for_the_first_epoch_get_twenty_numbers(
    valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    together = threading.Barrier(20)

    def work(_: int) -> int:
        locks = locks_on(valkey, tenant)
        together.wait()
        return acquired_number(locks)

    with ThreadPoolExecutor(20) as threads:
        numbers = list(threads.map(work, range(20)))

    assert len(set(numbers)) == 20
    assert len({number // COUNTS for number in numbers}) == 1


def test_numbers_only_grow_while_the_server_is_emptied_again_and_again(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    given = [0] * 4

    def work(worker: int) -> list[int]:
        locks, numbers = locks_on(valkey, tenant), []
        for _ in range(40):
            numbers.append(acquired_number(locks))
            given[worker] += 1
        return numbers

    with ThreadPoolExecutor(4) as threads:
        working = [threads.submit(work, worker) for worker in range(4)]
        # Also between the request for an epoch and its use; each goes on before the next.
        for target in range(8, 160, 8):
            # A worker that failed is never waited for: its result below says why.
            until(lambda least=target: sum(given) >= least or _has_failed(working), 60)  # type: ignore[misc]
            valkey.flush()
        seen = [work.result() for work in working]

    assert all(numbers == sorted(numbers) for numbers in seen)
    assert len({number for numbers in seen for number in numbers}) == 160


@pytest.mark.parametrize("short", [0, 1], ids=["as great", "smaller"])
def test_an_epoch_that_is_not_above_the_counters_is_not_taken(
    valkey: ValkeyServer, tenant: uuid.UUID, short: int
) -> None:
    before = acquired_number(locks_on(valkey, tenant)) // COUNTS
    with valkey.client() as client:
        # Another life's counter: an epoch is asked for.
        client.set(keys.fencing(tenant), f"{before} 7 another -")
    offered, drawn = [before - short, before + 1], list[int]()

    def draw(least: int) -> int:
        drawn.append(offered.pop(0))
        return drawn[-1]

    number = acquired_number(locks_on(valkey, tenant, draw))

    assert drawn == [before - short, before + 1]
    assert number // COUNTS == before + 1


def test_the_epoch_is_kept_when_the_callers_transaction_is_not() -> None:
    with tenancy.system():
        first = next_epoch(1)
        transaction.set_rollback(True)

    with tenancy.system():
        [(kept,)] = rows("SELECT epoch FROM coordination_fencingepoch")
    assert kept >= first


def test_epochs_drawn_at_once_differ() -> None:
    with ThreadPoolExecutor(16) as threads:
        drawn = list(threads.map(next_epoch, [1] * 48))

    assert len(set(drawn)) == 48
