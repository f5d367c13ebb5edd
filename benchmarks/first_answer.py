"""How long a stranger waits: from `make up` on an empty folder to the first 200 of `/ready`."""

import http.client
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from benchmarks.contestants import ROOT
from benchmarks.processes import START_SECONDS, StartFailed, free_port, running
from benchmarks.report import Verdict

ROUNDS = 3
BUDGET = 15.0


def wait(progress: Callable[[str], None]) -> Verdict:
    """Start the whole service again and again, each time as the first; return the seconds against the budget."""
    seconds = []
    for number in range(1, ROUNDS + 1):
        seconds.append(_start())
        progress(f"first answer, round {number} of {ROUNDS}: {seconds[-1]:.1f} s")
    return Verdict("first answer of make up", median(seconds), min(seconds), max(seconds), BUDGET, False, unit="s")


def _start() -> float:
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder:
        environment = {"PORT": str(port), "VAR": f"{folder}/var"}
        log = Path(folder) / "up.log"
        began = time.monotonic()
        command = ["make", "--directory", str(ROOT), "up"]
        with running(command, port=port, core=None, environment=environment, log=log):
            while not _is_ready(port):
                if time.monotonic() - began > START_SECONDS:
                    raise StartFailed(f"`make up` is not ready; its log ends:\n{log.read_text()[-3000:]}")
                time.sleep(0.02)
            return time.monotonic() - began


def _is_ready(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=START_SECONDS)
    try:
        connection.request("GET", "/ready")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
