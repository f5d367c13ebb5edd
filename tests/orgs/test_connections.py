import gc
import threading
from collections.abc import Iterator

import pytest
from django.db import connection

from tests.operations.service import eventually


@pytest.fixture
def no_collector() -> Iterator[None]:
    """Nothing that hangs in a reference cycle goes away."""
    gc.disable()
    yield
    gc.enable()


def _backend() -> int:
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_backend_pid()")
        pid: int = cursor.fetchone()[0]
        return pid


def _is_there(pid: int) -> bool:
    with connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE pid = %s", [pid])
        return cursor.fetchone()[0] == 1  # type: ignore[no-any-return]


def test_a_connection_ends_with_its_thread(no_collector: None) -> None:
    pids: list[int] = []
    thread = threading.Thread(target=lambda: pids.append(_backend()))
    thread.start()
    thread.join()

    # The server notices a little later.
    eventually(lambda: not _is_there(pids[0]), "the connection of the ended thread is closed")
    assert pids[0] != _backend()
    assert not _is_there(pids[0])


def test_a_connection_stays_for_as_long_as_its_thread() -> None:
    assert _backend() == _backend()
