"""Child processes on one core, and how much of the machine they and everyone else took."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
from psutil import Process

__all__ = ["Meter", "Process", "StartFailed", "Usage", "free_port", "move", "on_core", "running", "two_cores"]

START_SECONDS = 60.0
STOP_SECONDS = 15.0


class StartFailed(Exception):
    """A server ended, or did not listen in time."""


@contextmanager
def on_core(core: int | None) -> Iterator[None]:
    """Keep this thread, and what it starts meanwhile, on one core; None (macOS, one core) leaves it free.

    The affinity is inherited, so a child is on its core from its first instruction, with all of its threads.
    """
    if core is None:
        yield
        return
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def two_cores() -> tuple[int | None, int | None]:
    """Return the cores for the application and for all else, (None, None) where processes cannot be pinned."""
    if not hasattr(os, "sched_getaffinity"):
        return None, None
    cores = sorted(os.sched_getaffinity(0))
    return (cores[0], cores[1]) if len(cores) > 1 else (None, None)


def move(process: Process, core: int | None) -> None:
    """Put a running process, its threads and its children on a core."""
    if core is None:
        return
    for each in [process, *process.children(recursive=True)]:
        for thread in each.threads():
            os.sched_setaffinity(thread.id, {core})


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running(
    command: Sequence[str], *, port: int, core: int | None, environment: Mapping[str, str], log: Path
) -> Iterator[Process]:
    """Run a server on `core`, from when it listens on `port`; stop it, and what it started, on the way out."""
    with log.open("wb") as output, on_core(core):
        child = subprocess.Popen(
            list(command),
            env={**os.environ, **environment},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        _wait_until_listening(child, port, log)
        yield Process(child.pid)
    finally:
        _stop(child)


def _wait_until_listening(child: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if child.poll() is not None:
            break
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    tail = log.read_text(errors="replace")[-3000:]
    raise StartFailed(f"{child.args!r} does not listen; its log ends:\n{tail}")


def _stop(child: subprocess.Popen[bytes]) -> None:
    for sign in (signal.SIGTERM, signal.SIGKILL):
        try:
            os.killpg(child.pid, sign)
            child.wait(STOP_SECONDS)
        except ProcessLookupError:
            return
        except subprocess.TimeoutExpired:
            print(f"{child.args!r} did not stop in {STOP_SECONDS:.0f} s and is killed", file=sys.stderr)


def seconds_used(process: Process) -> float:
    """Return the processor time of a process and its living children."""
    total = 0.0
    for each in [process, *process.children(recursive=True)]:
        try:
            times = each.cpu_times()
        except psutil.NoSuchProcess:
            continue
        total += times.user + times.system
    return total


@dataclass(frozen=True, slots=True)
class Usage:
    """Processor seconds over an interval; `busy` is by core, the application's first, everyone included."""

    elapsed: float
    application: float
    database: float
    load: float
    busy: tuple[float, ...]

    @property
    def foreign(self) -> float:
        """What ran beside the measurement, as a part of one core: above a tenth, distrust the round."""
        return max(0.0, sum(self.busy) - self.application - self.database - self.load) / self.elapsed


def _busy(core: Any) -> float:
    # On Linux a guest's time is in `user` already, and stolen time was nobody's here.
    idle = ("idle", "iowait", "steal", "guest", "guest_nice")
    return float(sum(core) - sum(getattr(core, name, 0.0) for name in idle))


class Meter:
    """Reads the processor times at its first call, and the difference at the next."""

    def __init__(self, application: Process, database: Process | None, cores: Sequence[int]) -> None:
        self.application = application
        self.database = database
        self.cores = cores
        self.readings: list[tuple[float, float, float, float, tuple[float, ...]]] = []

    def read(self) -> None:
        of_core = psutil.cpu_times(percpu=True)
        busy = tuple(_busy(of_core[core]) for core in self.cores)
        database = seconds_used(self.database) if self.database else 0.0
        self.readings.append((time.monotonic(), seconds_used(self.application), database, time.process_time(), busy))

    def usage(self) -> Usage:
        (at, application, database, load, busy), after = self.readings
        return Usage(
            elapsed=after[0] - at,
            application=after[1] - application,
            database=after[2] - database,
            load=after[3] - load,
            busy=tuple(now - then for then, now in zip(busy, after[4], strict=True)),
        )
