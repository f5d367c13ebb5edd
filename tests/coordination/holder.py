"""A process that holds a lock and writes under it once it is told to.

`python -m tests.coordination.holder URL SESSION TASK`

It prints the number of its lock, waits for a line, and then writes to the session and to the task with that number,
however long the wait was. Of each write it prints the status and the problem's code.
"""

import json
import os
import sys

import httpx


def main(url: str, session: str, task: str) -> None:
    headers = {"Authorization": f"Bearer {os.environ['HOLDER_KEY']}"}
    with httpx.Client(base_url=url, headers=headers, timeout=60, trust_env=False) as api:
        lock = api.post("/locks/report/daily/acquire", json={"ttl_seconds": 0.5}).raise_for_status().json()
        _tell(lock["fencing_number"])
        sys.stdin.readline()
        under = {"Holdfast-Fencing-Number": str(lock["fencing_number"])}
        message = {"parts": [{"kind": "text", "text": "from before"}]}
        for answer in (
            api.put(f"/sessions/{session}/state", json={"by": "the holder that was paused"}, headers=under),
            api.post(f"/tasks/{task}/messages", json=message, headers=under),
        ):
            _tell([answer.status_code, answer.json().get("code")])


def _tell(what: object) -> None:
    sys.stdout.write(json.dumps(what) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(*sys.argv[1:])
