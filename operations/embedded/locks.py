"""Who uses an installation: `up` alone, or any number of other commands together.

flock is the right lock here: the kernel drops it with the process, however that ends.
"""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

from operations.embedded.errors import CannotStart
from operations.embedded.launch import locked
from operations.embedded.paths import Var, not_writable

Progress = Callable[[str], None]

# A command that is just ending its servers is worth waiting for; a shell that somebody has open is not.
_A_MOMENT = 2.0
_PAUSE = 0.05


@dataclass(frozen=True)
class Holder:
    pid: int
    command: str
    since: str

    def __str__(self) -> str:
        return f"`manage.py {self.command}` (process {self.pid}, since {self.since})"


class UseLock:
    """The lock on one `VAR`: exclusive for `up`, shared for other commands."""

    def __init__(self, var: Var) -> None:
        self._path = var.run / "up.lock"
        self._root = var.root
        self._descriptor = _open(self._path)

    def take_alone(self, command: str) -> None:
        """Take it for `up`, or raise CannotStart naming who holds it."""
        deadline = time.monotonic() + _A_MOMENT
        while not locked(self._descriptor, fcntl.LOCK_EX):
            holder = self.holder()
            if time.monotonic() > deadline or (holder and holder.command == "up"):
                who = str(holder) if holder else "another manage.py command"
                raise CannotStart(f"{self._root} is in use by {who}: stop it first, or set VAR to another folder.")
            time.sleep(_PAUSE)
        self._sign(command)

    def try_to_share(self, command: str) -> bool:
        if not locked(self._descriptor, fcntl.LOCK_SH):
            return False
        self._sign(command)
        return True

    def is_last(self) -> bool:
        """Tell whether nobody else shares the lock; then it is held alone, so that nobody can come in."""
        return locked(self._descriptor, fcntl.LOCK_EX)

    def holder(self) -> Holder | None:
        """Answer who signed last, if that process lives."""
        try:
            holder = Holder(**json.loads(self._path.read_text()))
            os.kill(holder.pid, 0)
        except PermissionError:
            return holder
        except (OSError, ValueError, TypeError):
            return None
        return holder

    def release(self) -> None:
        os.close(self._descriptor)

    def _sign(self, command: str) -> None:
        since = datetime.now().astimezone().isoformat(sep=" ", timespec="seconds")
        text = json.dumps(asdict(Holder(os.getpid(), command, since)))
        # Written in place: a replaced file would be another lock.
        os.pwrite(self._descriptor, text.encode(), 0)
        os.ftruncate(self._descriptor, len(text))


@contextmanager
def transition(var: Var, progress: Progress) -> Iterator[None]:
    """Start and stop servers one process at a time."""
    descriptor = _open(var.run / "servers.lock")
    try:
        if not locked(descriptor, fcntl.LOCK_EX):
            progress("Waiting for another command that is starting the database")
            fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def in_use(directory: Path) -> bool:
    """Tell whether a server, or anything it started, still holds the lock that launch.py took on its folder."""
    try:
        descriptor = os.open(directory, os.O_RDONLY)
    except FileNotFoundError:
        return False
    with suppress(OSError):
        try:
            return not locked(descriptor, fcntl.LOCK_SH)
        finally:
            os.close(descriptor)
    return False


def _open(path: Path) -> int:
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as problem:
        raise not_writable(path, problem) from problem
