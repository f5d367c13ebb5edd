"""A holder is stopped past the end of its lock, as a swapped-out or suspended machine would be, and goes on writing."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.api.live import Server, serving
from tests.coordination.locking import until
from tests.factories import API, Caller, create_session, submit_task, text_message
from tests.orgs.servers import CHECKOUT


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving("web", tmp_path) as server:
        yield server


@pytest.fixture
def session(owner: Caller) -> str:
    return str(create_session(owner)["id"])


@pytest.fixture
def task(owner: Caller) -> str:
    return str(submit_task(owner)["id"])


@pytest.fixture
def holder(server: Server, owner: Caller, session: str, task: str) -> Iterator["subprocess.Popen[str]"]:
    url = f"http://127.0.0.1:{server.port}{API}"
    command = [sys.executable, "-m", "tests.coordination.holder", url, session, task]
    environ = os.environ | {"HOLDER_KEY": owner.key}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, env=environ, cwd=CHECKOUT, text=True, stdin=pipe, stdout=pipe) as process:
        yield process
        process.kill()


def _heard(holder: "subprocess.Popen[str]") -> Any:
    assert holder.stdout is not None
    return json.loads(holder.stdout.readline())


def _go_on(holder: "subprocess.Popen[str]") -> None:
    assert holder.stdin is not None
    holder.stdin.write("\n")
    holder.stdin.flush()


def test_the_write_of_a_holder_paused_past_its_time_is_refused(
    holder: "subprocess.Popen[str]", owner: Caller, session: str, task: str
) -> None:
    paused = _heard(holder)
    os.kill(holder.pid, signal.SIGSTOP)
    until(lambda: owner.get("/locks/report/daily").status == 404)
    number = owner.post("/locks/report/daily/acquire", {"ttl_seconds": 60}).json["fencing_number"]
    under = {"Holdfast_Fencing_Number": str(number)}
    ours = [
        owner.put(f"/sessions/{session}/state", {"by": "the next holder"}, **under).status,
        owner.post(f"/tasks/{task}/messages", text_message("from the next holder"), **under).status,
    ]

    os.kill(holder.pid, signal.SIGCONT)
    _go_on(holder)
    theirs = [_heard(holder), _heard(holder)]

    assert paused < number
    assert ours == [200, 201]
    assert theirs == [[409, "fencing-number-stale"], [409, "fencing-number-stale"]]
    assert owner.get(f"/sessions/{session}").json["state"] == {"by": "the next holder"}
    texts = [message["parts"][0]["text"] for message in owner.get(f"/tasks/{task}/messages").json["items"]]
    assert texts == ["hello", "from the next holder"]


def test_the_write_of_a_holder_in_its_time_passes(
    holder: "subprocess.Popen[str]", owner: Caller, session: str, task: str
) -> None:
    assert _heard(holder) > 0

    _go_on(holder)

    assert [_heard(holder), _heard(holder)] == [[200, None], [201, None]]
    assert owner.get(f"/sessions/{session}").json["state"] == {"by": "the holder that was paused"}
