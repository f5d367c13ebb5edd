"""What the two embedded servers have in common, and how either is started, found and stopped.

That a server runs is known from the lock on its data folder, which launch.py takes and every process of the server
inherits: it cannot be stale, and it covers what a killed server leaves behind.
"""

import json
import os
import random
import signal
import socket
import subprocess
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from operations.embedded.accounts import Account, account_for
from operations.embedded.binaries import Binaries, binaries_for, launcher
from operations.embedded.errors import CannotStart
from operations.embedded.launch import end_orphans, servers_in
from operations.embedded.locks import in_use
from operations.embedded.paths import Var, write_atomically

Progress = Callable[[str], None]

_PAUSE = 0.03
_SAY_SO_EVERY = 3.0
_ORPHANS_END_WITHIN = 5.0
_ATTEMPTS = 5
# Below the range from which systems take ports for outgoing connections: a restart finds its port free.
_PORTS = range(15000, 32000)


@dataclass(frozen=True)
class Engine(ABC):
    """One server with its data in one folder of `VAR`."""

    var: Var

    name = ""
    key = ""
    variable = ""
    stop_signal = signal.SIGTERM

    @property
    def directory(self) -> Path:
        return self.var.root / self.key

    @property
    @abstractmethod
    def pid_file(self) -> Path: ...

    @abstractmethod
    def prepare(self, progress: Progress) -> None:
        """Make the data folder when there is none, and give it to the account that will use it."""

    @abstractmethod
    def arguments(self, binaries: Binaries) -> list[str]:
        """Answer the server's command line, with `{directory}` for its folder and `{port}` for its port."""

    @abstractmethod
    def answers(self, port: int) -> bool:
        """Tell whether the server takes connections; False while it starts, recovers or is down."""

    @abstractmethod
    def url(self, port: int) -> str: ...

    def configure(self, port: int) -> list[str]:
        """Write what this server reads at its start; answer further options for the launcher."""
        return []

    def command(self, port: int, *options: str) -> list[str]:
        """Answer the command that runs the server in the foreground, under the lock on its folder."""
        account = account_for(self.directory)
        server = [word.replace("{port}", str(port)) for word in self.arguments(binaries_for(account))]
        return launcher(*options, *self.configure(port), *holding(self.directory, account), "--", *server)

    def published(self) -> int | None:
        """Answer the port on which other commands may find this server."""
        try:
            port = json.loads(self._port_file.read_text())["port"]
        except (OSError, ValueError, KeyError):
            return None
        return int(port)

    def publish(self, port: int) -> None:
        write_atomically(self._port_file, json.dumps({"port": port}))

    def unpublish(self) -> None:
        self._port_file.unlink(missing_ok=True)

    @property
    def _port_file(self) -> Path:
        return self.var.run / f"{self.key}.json"

    @property
    def log_file(self) -> Path:
        return self.var.log / f"{self.key}.log"


def holding(directory: Path, account: Account | None) -> list[str]:
    """Answer the launcher's options to hold the folder, as the account if there is one."""
    return ["--directory", str(directory), *(["--account", str(account)] if account else [])]


def start(engine: Engine, progress: Progress, *, tethered: bool) -> tuple[int, subprocess.Popen[bytes]]:
    """Start the server on a free port and wait until it answers, however long its recovery takes.

    Nothing of an earlier run may hold its folder. A tethered server ends with the thread that called this.
    """
    engine.prepare(progress)
    unclean = engine.pid_file.exists()
    _forget_stale_pid(engine)
    for _ in range(_ATTEMPTS):
        port = free_port()
        process = _spawn(engine, port, tethered=tethered)
        if _comes_up(engine, port, process, progress, unclean=unclean):
            return port, process
        if not _is_taken(port):
            break
    raise CannotStart(f"{engine.name} ended at its start ({_last_words(engine.log_file)}): see {engine.log_file}.")


def _forget_stale_pid(engine: Engine) -> None:
    """Remove the pid file of a server that is known to be gone.

    After a restart of the machine or the container its number may belong to another process, for whose sake
    PostgreSQL would refuse to start.
    """
    strangers = list(servers_in(str(engine.directory)))
    if strangers:
        raise CannotStart(f"{engine.directory} is in use by process {strangers[0]}, not started by Holdfast: stop it.")
    engine.pid_file.unlink(missing_ok=True)


def _spawn(engine: Engine, port: int, *, tethered: bool) -> subprocess.Popen[bytes]:
    bond = tethered_to_us(engine.stop_signal) if tethered else ["--detach"]
    with engine.log_file.open("ab") as log:
        # In a group of its own: Ctrl-C is for the command, which then stops the server in its turn.
        process = subprocess.Popen(
            engine.command(port, *bond), stdin=subprocess.DEVNULL, stdout=log, stderr=log, process_group=0
        )
    if not tethered:
        process.wait()
    return process


def tethered_to_us(stop_signal: signal.Signals) -> list[str]:
    return ["--tether", stop_signal.name, "--parent", str(os.getpid())]


def _comes_up(
    engine: Engine, port: int, process: subprocess.Popen[bytes], progress: Progress, *, unclean: bool
) -> bool:
    what = "recovering after an unclean stop" if unclean else "starting"
    clock = _Clock(progress, f"{engine.name} is {what}")
    while process.poll() is None or in_use(engine.directory):
        if engine.answers(port):
            return True
        clock.tick()
    return False


def settle(engine: Engine, port: int | None, progress: Progress) -> bool:
    """Wait until the server answers on the port (True), or has ended and left its folder (False).

    Without a port it is told to stop first.
    """
    clock = _Clock(progress, f"Waiting for {engine.name} to {'answer' if port else 'stop'}")
    told = False
    while in_use(engine.directory):
        if port is not None and engine.answers(port):
            return True
        if port is None and not told:
            told = _tell_to_stop(engine)
        if clock.tick() > _ORPHANS_END_WITHIN and not _lives(engine):
            end_orphans(str(engine.directory))
    return False


def stop(engine: Engine, progress: Progress) -> None:
    """Stop the server, whoever started it, and wait until everything of it has ended."""
    engine.unpublish()
    settle(engine, None, progress)


def _tell_to_stop(engine: Engine) -> bool:
    """Send the stop signal to the server's main process; False when its number is not yet known."""
    pid = _pid(engine)
    if pid is None:
        return False
    with suppress(ProcessLookupError):
        os.kill(pid, engine.stop_signal)
    return True


def _lives(engine: Engine) -> bool:
    pid = _pid(engine)
    if pid is None:
        return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def _pid(engine: Engine) -> int | None:
    try:
        return int(engine.pid_file.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def free_port() -> int:
    candidates = random.sample(_PORTS, 200)
    return next(port for port in candidates if not _is_taken(port))


def _is_taken(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").splitlines()
    return next((line for line in reversed(lines) if "FATAL" in line or "rror" in line), "it said nothing").strip()


class _Clock:
    """Pause between two looks, and say every few seconds what is being waited for."""

    def __init__(self, progress: Progress, what: str) -> None:
        self._progress = progress
        self._what = what
        self._started = self._said = time.monotonic()

    def tick(self) -> float:
        """Pause; answer for how many seconds it has been running."""
        time.sleep(_PAUSE)
        now = time.monotonic()
        if now - self._said >= _SAY_SO_EVERY:
            self._said = now
            self._progress(f"{self._what}, {now - self._started:.0f} s")
        return now - self._started
