"""A consumer in a process of its own: `python -m tests.coordination.consumer URL ORGANIZATION QUEUE [hold]`.

It prints the id and the number of attempts of each message that it takes, and acknowledges it; with `hold` it keeps the
first for as long as it lives, as one that never comes to an end. Where nothing is left it ends.
"""

import sys
import time
from collections.abc import Callable

import redis

from coordination.connections import Connection
from coordination.queues import Queues


def connect(url: str) -> Connection:
    client = redis.Redis.from_url(url, socket_timeout=5, protocol=2)
    return Connection(lambda: client)


def consume(queues: Queues, name: str, note: Callable[[str], object], *, hold: bool = False) -> None:
    while messages := queues.pop(name, 3, visibility_seconds=1 if hold else 60, wait_seconds=0.5):
        for message in messages:
            note(f"{message.id} {message.attempts} {message.text}")
            if hold:
                time.sleep(600)
            queues.ack(name, message.receipt)


def main(url: str, organization: str, name: str, *options: str) -> None:
    queues = Queues(connect(url), organization)
    consume(queues, name, lambda line: print(line, flush=True), hold="hold" in options)  # noqa: T201


if __name__ == "__main__":
    main(*sys.argv[1:])
