"""A load generator cheap enough that the server is what is measured.

httpx and aiohttp spend more on a request than some of the servers measured here do. This one writes bytes that were
made beforehand and reads the status and the length of the body: about 25 µs a request.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import uvloop

from benchmarks.wire import end_of_answer

GRACE_SECONDS = 15.0


class LoadFailed(Exception):
    """An answer was not 2xx, or none came."""


@dataclass(frozen=True, slots=True)
class Load:
    """How hard, and how long, a server is pressed."""

    connections: int = 32
    warm_up_seconds: float = 1.0
    seconds: float = 4.0


@dataclass(slots=True)
class Tally:
    """What the connections of one round count together; latencies in seconds, in the order of the answers."""

    make_request: Callable[[int], bytes]
    sent: int = 0
    measuring: bool = False
    stopped: bool = False
    latencies: list[float] = field(default_factory=list)
    failures: Counter[str] = field(default_factory=Counter)
    answer_bytes: int = 0

    def next_request(self) -> bytes:
        self.sent += 1
        return self.make_request(self.sent)


class Connection(asyncio.Protocol):
    """Asks, waits for the answer, asks again, until the round is stopped."""

    def __init__(self, tally: Tally) -> None:
        self.tally = tally
        self.received = b""
        self.asked_at = 0.0
        self.closed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports have asyncio's methods without its base class.
        self.transport = cast(asyncio.Transport, transport)
        self.ask()

    def ask(self) -> None:
        request = self.tally.next_request()
        self.asked_at = time.perf_counter()
        self.transport.write(request)

    def data_received(self, data: bytes) -> None:
        received = self.received + data if self.received else data
        end = end_of_answer(received)
        if end is None:
            self.received = received
            return
        self.received = b""
        tally = self.tally
        if received[9:10] != b"2":
            tally.failures[received[:400].decode(errors="replace")] += 1
            self.transport.close()
        elif tally.stopped:
            self.transport.close()
        else:
            if tally.measuring:
                tally.latencies.append(time.perf_counter() - self.asked_at)
                tally.answer_bytes += end
            self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self.tally.stopped and not self.tally.failures:
            self.tally.failures[f"connection lost: {error}"] += 1
        if not self.closed.done():
            self.closed.set_result(None)


def press(port: int, load: Load, make_request: Callable[[int], bytes], between: Callable[[], None]) -> Tally:
    """Load the server on `port` for one round.

    `between` is called when measuring begins and again when it ends. Raises LoadFailed when any answer is not 2xx: the
    fast answers of a failing server are no measurement.
    """
    tally = Tally(make_request)
    uvloop.run(_press(port, load, tally, between))
    if tally.failures:
        kind, count = tally.failures.most_common(1)[0]
        raise LoadFailed(f"{sum(tally.failures.values())} of {tally.sent} requests failed; {count} times:\n{kind}")
    if not tally.latencies:
        raise LoadFailed("no request was answered while measuring")
    return tally


async def _press(port: int, load: Load, tally: Tally, between: Callable[[], None]) -> None:
    loop = asyncio.get_running_loop()
    connections = [
        (await loop.create_connection(lambda: Connection(tally), "127.0.0.1", port))[1] for _ in range(load.connections)
    ]
    await asyncio.sleep(load.warm_up_seconds)
    between()
    tally.measuring = True
    await asyncio.sleep(load.seconds)
    tally.measuring, tally.stopped = False, True
    between()
    await asyncio.wait_for(asyncio.gather(*(connection.closed for connection in connections)), GRACE_SECONDS)
