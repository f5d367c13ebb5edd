"""Eight clients at once on one limit, in real time, as the server's clock stamped what it admitted."""

import random
import threading
import time
import uuid
from dataclasses import dataclass, field

import pytest
import redis
from django.conf import settings

from coordination.connections import Connection
from coordination.rate_limits import RateLimits, check
from tests.coordination.windows import SECOND, most_in_any_window, stamped

CLIENTS = 8


@dataclass
class Clients:
    """Threads with a connection each, which begin together and go on for some seconds."""

    name: str
    limit: int
    window: float
    most_cost: int
    seconds: float
    spends: list[tuple[int, int]] = field(default_factory=list)
    refused: int = 0

    def run(self) -> None:
        barrier = threading.Barrier(CLIENTS)
        threads = [threading.Thread(target=self._one, args=(barrier, seed)) for seed in range(CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _one(self, barrier: threading.Barrier, seed: int) -> None:
        chance = random.Random(f"{self.name}{seed}")
        with redis.Redis.from_url(settings.REDIS_URL, protocol=2) as client:
            connection = Connection(lambda: client)
            barrier.wait()
            ends = time.monotonic() + self.seconds
            while time.monotonic() < ends:
                self._spend(connection, chance.randint(1, self.most_cost))
                # The pauses are random so that calls meet windows at any place; nothing is waited for.
                time.sleep(chance.choice([0, 0, 0, 0, 0, 0.001, 0.01, chance.random() * self.window / 2]))

    def _spend(self, connection: Connection, cost: int) -> None:
        call = check(None, "clients", self.name, max_requests=self.limit, window_seconds=self.window, cost=cost)
        allowed, at = connection.run(stamped(call))
        if allowed:
            self.spends.append((at, cost))
        else:
            self.refused += 1


@pytest.mark.parametrize(
    ("limit", "window", "most_cost"),
    [(50, 0.3, 1), (5, 0.02, 3), (5_000, 0.3, 700)],
    ids=["fifty", "five-with-costs", "five-thousand-with-costs"],
)
def test_no_window_holds_more_than_the_limit_with_eight_clients(limit: int, window: float, most_cost: int) -> None:
    clients = Clients(uuid.uuid4().hex, limit, window, most_cost, seconds=2)

    clients.run()

    # Else the limit was never put to the test.
    assert clients.refused > 0
    assert sum(cost for _, cost in clients.spends) > 2 * limit
    assert most_in_any_window(clients.spends, round(window * SECOND)) <= limit


def test_eight_clients_spend_exactly_what_there_is(connection: Connection, tenant: uuid.UUID) -> None:
    limits, barrier, allowed = RateLimits(connection, tenant), threading.Barrier(CLIENTS), []

    def spend() -> None:
        barrier.wait()
        for _ in range(50):
            allowed.append(limits.check("model", "large", max_requests=300, window_seconds=600).allowed)

    threads = [threading.Thread(target=spend) for _ in range(CLIENTS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert (allowed.count(True), allowed.count(False)) == (300, 100)
    assert limits.peek("model", "large", max_requests=300, window_seconds=600).remaining == 0
