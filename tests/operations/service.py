"""`manage.py up` in a process of its own, and what a test asks of it."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import sysconfig
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

SITE_PACKAGES = sysconfig.get_path("purelib")
# Generous: two cores may be busy with other tests. Everything here ends in a few seconds.
PATIENCE = 60.0


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def eventually(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline, f"never: {what}"
        time.sleep(0.05)


@dataclass
class Service:
    """One installation: a project folder, a port, and the account it runs under."""

    project: Path
    port: int = field(default_factory=free_port)
    python: str = sys.executable
    account: int | None = None
    extra: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] | None = None
    seen: dict[int, psutil.Process] = field(default_factory=dict)

    @property
    def var(self) -> Path:
        return self.project / "var"

    @property
    def output(self) -> str:
        return (self.project / "output").read_text()

    @property
    def environ(self) -> dict[str, str]:
        paths = f"{self.extra.get('PYTHONPATH', '')}:{SITE_PACKAGES}".strip(":")
        # The second is for an interpreter that was copied away from its library.
        inherited = {name: os.environ[name] for name in ("PATH", "LD_LIBRARY_PATH") if name in os.environ}
        return {**inherited, "PORT": str(self.port), **self.extra, "PYTHONPATH": paths}

    def command(self, *arguments: str) -> "subprocess.Popen[str]":
        """Start a manage.py command with pipes on its three streams."""
        pipe = subprocess.PIPE
        return subprocess.Popen(
            [self.python, "manage.py", *arguments], cwd=self.project, env=self.environ, text=True,
            stdin=pipe, stdout=pipe, stderr=pipe, **self._account(),
        )  # fmt: skip

    def _account(self) -> dict[str, Any]:
        return {} if self.account is None else {"user": self.account, "group": self.account, "extra_groups": []}

    def launch(self) -> None:
        with (self.project / "output").open("wb") as output:
            self.process = subprocess.Popen(
                [self.python, "manage.py", "up"], cwd=self.project, env=self.environ,
                stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, **self._account(),
            )  # fmt: skip

    def start(self) -> None:
        self.launch()
        eventually(self.is_announced, "the service answers")
        self.look_around()

    def is_announced(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, self.output
        return "Holdfast answers at" in self.output

    def look_around(self) -> None:
        """Remember every process of the service, also for when its parent is gone."""
        assert self.process is not None
        top = psutil.Process(self.process.pid)
        self.seen |= {child.pid: child for child in [top, *top.children(recursive=True)]}

    def running(self) -> list[psutil.Process]:
        return [one for one in self.seen.values() if one.is_running() and one.status() != psutil.STATUS_ZOMBIE]

    def find(self, word: str) -> psutil.Process:
        """Answer the outermost process whose command line has the word."""
        assert self.process is not None
        children = psutil.Process(self.process.pid).children(recursive=True)
        return next(one for one in children if any(word in part for part in one.cmdline()))

    def runs(self, word: str) -> bool:
        try:
            return bool(self.find(word).status() != psutil.STATUS_ZOMBIE)
        except (StopIteration, psutil.NoSuchProcess):
            return False

    def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        assert self.process is not None
        self.look_around()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)

    def kill_everything(self) -> None:
        """End whatever is left, so that a failed test leaves nothing behind."""
        if self.process is not None and self.process.poll() is None:
            self.look_around()
            self.process.kill()
            self.process.wait(PATIENCE)
        for one in self.running():
            # It may have gone with its parent in between.
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()

    def ask(self, method: str) -> tuple[int, str]:
        """Answer status and body; 0 when nobody answers."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/ready", method=method)
        try:
            with urllib.request.urlopen(request, timeout=10) as response:
                return response.status, response.read().decode()
        except urllib.error.HTTPError as refused:
            with refused:
                return refused.code, refused.read().decode()
        except OSError as problem:
            return 0, str(problem)

    def add_row(self) -> tuple[int, int]:
        status, body = self.ask("POST")
        assert status == 200, body
        rows, kept = body.split()
        return int(rows), int(kept)


def first_line(command: "subprocess.Popen[str]") -> str:
    assert command.stdout is not None
    line = command.stdout.readline().strip()
    assert line, command.communicate()[1]
    return line
