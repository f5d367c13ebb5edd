"""A queue outlives its consumers: what one was at when it was killed comes to the next."""
# ruff: noqa: T201  (printing is how a consumer is heard)

import json
import time
from typing import Any

from demonstration.wire import PATIENCE, Holdfast, connected, insist, told, until
from demonstration.worker import heard, worker

VISIBLE = 2  # seconds


def survive_a_killed_consumer(agent: Holdfast, url: str, key: str) -> None:
    """Push a message, kill the consumer that takes it, and have another one finish the work."""
    pushed = agent.post("/queues/mail/push", {"messages": [{"body": {"to": "Ana", "text": "Day 1: Alfama"}}]})
    told("Pushed to a queue", *pushed["ids"])
    with worker(url, key, "--seconds", "600", role="consumer") as first:
        taken = heard(first)
        told("Consumer 1 took it", taken["id"], f"attempt {taken['attempts']}")
        first.kill()
        first.wait()
        told("Consumer 1 was killed at work", f"{agent.get('/queues/mail')['in_flight']} in flight")
    with worker(url, key, role="consumer") as second:
        again = heard(second)
        insist(second.wait(PATIENCE), 0, "Consumer 2's exit code")
    insist((again["id"], again["attempts"], again["body"]), (taken["id"], 2, taken["body"]), "The message")
    told("Consumer 2 finished it", again["id"], f"attempt {again['attempts']}")
    late = agent.post("/queues/mail/ack", {"receipts": [taken["receipt"]]}, expect=200)
    insist(late["acked"], 0, "What consumer 1 could still acknowledge")
    lengths = agent.get("/queues/mail")
    insist([lengths[name] for name in ("ready", "delayed", "in_flight", "dead")], [0] * 4, "The queue's lengths")
    told("Nothing is left, nothing was lost", json.dumps(lengths["settings"]))


def consume(url: str, key: str, seconds: float) -> None:
    """Take one message, say so, work on it for so long, and acknowledge it."""
    with connected(url, key) as service:
        message = taken(service)
        print(json.dumps(message), flush=True)
        time.sleep(seconds)
        insist(service.post("/queues/mail/ack", {"receipts": [message["receipt"]]}, expect=200)["acked"], 1, "Acked")


def taken(service: Holdfast) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def pop() -> bool:
        asked = {"visibility_seconds": VISIBLE, "wait_seconds": 1}
        found.extend(service.post("/queues/mail/pop", asked, expect=200)["items"])
        return bool(found)

    until(pop, "a message can be taken")
    return found[0]
