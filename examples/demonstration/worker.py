"""A worker in a process of its own: it claims a task, keeps its lease alive, and completes it, unless it is killed."""
# ruff: noqa: T201  (printing is how it is heard)

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from demonstration.wire import Holdfast, Off, connected, text, until

DEMO = Path(__file__).resolve().parent.parent / "demo.py"
SHORT_LEASE = 2  # seconds
KEY_VARIABLE = "HOLDFAST_API_KEY"


@contextmanager
def worker(url: str, key: str, *options: str, role: str = "worker") -> Iterator[subprocess.Popen[str]]:
    """Run a worker in a process of its own; the key goes by the environment, which `ps` does not show."""
    command = [sys.executable, str(DEMO), role, "--url", url, *options]
    environ = {**os.environ, KEY_VARIABLE: key}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603  (the demo itself)
    with process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the line that a worker prints once it has something to do; workers give up by themselves."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Off("A worker ended with nothing to do; it says why above.")
    return dict(json.loads(line))


def work(url: str, key: str, seconds: float) -> None:
    """Claim one task, say so, think about it for so long under heartbeats, and complete it with an artifact."""
    with connected(url, key) as service:
        item = claimed(service)
        path, lease = f"/tasks/{item['task']['id']}", str(item["lease_token"])
        print(json.dumps({"task_id": item["task"]["id"], "lease_token": item["lease_token"]}), flush=True)
        service.post(f"{path}/messages", {"role": "agent", **text("On it")}, Holdfast_Lease_Token=lease)
        finished = time.monotonic() + seconds
        while (left := finished - time.monotonic()) > 0:
            time.sleep(min(left, SHORT_LEASE / 4))
            service.call("PUT", f"{path}/lease", {"lease_seconds": SHORT_LEASE}, Holdfast_Lease_Token=lease)
        artifact = {"name": "plan", **text("Day 1: Alfama. Day 2: Belém. Day 3: Sintra.")}
        service.post(f"{path}/artifacts", artifact, Holdfast_Lease_Token=lease)
        service.call("PUT", f"{path}/state", {"state": "completed"}, Holdfast_Lease_Token=lease)


def claimed(service: Holdfast) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def claim() -> bool:
        found.extend(service.post("/tasks/claim", {"lease_seconds": SHORT_LEASE}, expect=200)["items"])
        return bool(found)

    until(claim, "a task can be claimed")
    return found[0]
