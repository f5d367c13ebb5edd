"""What the tests of waiting calls share: a call that waits, what it waits for, and the process that serves it."""

import contextlib
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psutil
import redis

from coordination import keys
from coordination.shared import connection
from orgs.models import Organization
from tests.api.live import PATIENCE, Server, document, read_answer, request
from tests.factories import Answer, Caller


class Heap:
    """Things of an organization that calls wait for."""

    def __init__(self, organization: Organization, client: Callable[[], redis.Redis] = connection.client) -> None:
        self.name = uuid.uuid4().hex
        self.key, self.client = keys.queue(organization.id, self.name), client

    @property
    def target(self) -> str:
        return f"/waiting/{self.name}/take"

    @property
    def tries(self) -> int:
        return int(self.client().get(f"{self.key}:tries") or 0)

    @property
    def most_at_once(self) -> int:
        """How many tries were in threads at once, since it was forgotten."""
        return int(self.client().zscore(f"{self.key}:most", "most") or 0)

    def forget_most_at_once(self) -> None:
        self.client().delete(f"{self.key}:most")

    @property
    def listeners(self) -> int:
        return int(self.client().pubsub_numsub(self.key)[0][1])

    def lay(self, *things: str) -> None:
        """Add things without a word to anybody."""
        self.client().rpush(self.key, *things)

    def ring(self, count: int = 1) -> None:
        self.client().publish(self.key, count)

    def asked(self, caller: Caller, seconds: float, headers: dict[str, str] | None = None, **more: Any) -> bytes:
        return request("POST", self.target, caller.key, document(wait_seconds=seconds, **more), headers)


def until(condition: Callable[[], bool], seconds: float = PATIENCE) -> None:
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "it never came to that"
        time.sleep(0.01)


@contextmanager
def waiting(server: Server, heap: Heap, caller: Caller, seconds: float = 20, **more: Any) -> Iterator[socket.socket]:
    """Yield the connection of a call that waits: it listens, and has looked once more since."""
    tries = heap.tries
    with server.connect() as connection:
        connection.sendall(heap.asked(caller, seconds, **more))
        until(lambda: heap.tries >= tries + 2)
        yield connection


@contextmanager
def asking(server: Server, raw: bytes, count: int) -> Iterator[list[socket.socket]]:
    """Yield as many connections that have sent this."""
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(server.connect()) for _ in range(count)]
        for one in found:
            one.sendall(raw)
        yield found


def timed(server: Server, raw: bytes) -> tuple[Answer, float]:
    began = time.monotonic()
    with server.connect() as connection:
        connection.sendall(raw)
        answer = read_answer(connection)
    return answer, time.monotonic() - began


def process(server: Server) -> psutil.Process:
    """Return granian's main process."""
    running = [one for one in psutil.Process().children() if one.status() != psutil.STATUS_ZOMBIE]
    return next(one for one in running if str(server.port) in one.cmdline())
