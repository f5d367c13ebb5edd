"""What callers notice of a Valkey that hangs: those who use it, and those who do not."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from coordination.pauses import LONGEST_SECONDS
from tests.api.live import Server, serving
from tests.config.waiting import until
from tests.coordination.servers import ValkeyServer
from tests.factories import Caller, create_session

HANGS_SECONDS = 8.0


@pytest.fixture
def front(tmp_path: Path, valkey: ValkeyServer) -> Iterator[Server]:
    unlimited = {"RATE_LIMIT_KEY": "0", "RATE_LIMIT_ORGANIZATION": "0"}
    with serving("front", tmp_path, REDIS_URL=valkey.url, **unlimited) as found:
        yield found


def test_sessions_are_read_while_eight_callers_ask_a_cache_that_hangs(
    front: Server, valkey: ValkeyServer, owner: Caller
) -> None:
    session, ended = create_session(owner)["id"], threading.Event()
    took, statuses = list[float](), set[int]()

    def ask_cache() -> None:
        with front.client(owner.key) as client:
            while not ended.is_set():
                client.get("/cache/report/daily")
                ended.wait(0.01)

    asking = [threading.Thread(target=ask_cache) for _ in range(8)]
    with front.client(owner.key) as client:
        client.get(f"/sessions/{session}")
        for one in asking:
            one.start()
        valkey.pause()
        began = time.monotonic()
        while time.monotonic() - began < HANGS_SECONDS:
            called = time.monotonic()
            statuses.add(client.get(f"/sessions/{session}").status_code)
            took.append(time.monotonic() - called)
        valkey.resume()
        resumed = time.monotonic()
        until(lambda: client.get("/cache/report/daily").json()["code"] == "not-found")
        back = time.monotonic() - resumed
        ended.set()
        for one in asking:
            one.join()

    assert statuses == {200}
    assert len([seconds for seconds in took if seconds > 1.5]) <= 2
    assert sorted(took)[len(took) * 9 // 10] < 0.5
    assert back < LONGEST_SECONDS + 3
