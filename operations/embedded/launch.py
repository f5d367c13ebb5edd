"""Start one process so that it dies with its parent, reaches its data and holds the lock on it.

Run as a file (`python -I -S launch.py [options] -- command`), with nothing but the standard library: it must start in
milliseconds, and work where only root may enter the folder it lies in. Options:

--directory PATH    open the folder, lock it for as long as the command or any descendant runs, and put the path under
                    which the command reaches it in place of `{directory}`
--account UID:GID   become this account first
--input PATH        standard input, opened before the account changes
--tether SIGNAL     have the kernel send SIGNAL when the parent dies (Linux)
--parent PID        who the parent is; it may be dead before the tether is tied
--chdir PATH        start there
--await HOST:PORT   wait until the port accepts connections (repeatable)
--check             run nothing: exit with 0 when the account could execute each word of the command
--detach            return once the lock is held; the command goes on in a session of its own
"""

import argparse
import contextlib
import ctypes
import fcntl
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_ORPHANS_END_WITHIN = 5.0


def main(arguments: list[str]) -> None:
    # A start that still waits for its turn must end at once when it is told to, without a traceback.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    options = _parse(arguments)
    tie(options.tether, options.parent)
    directory = _hold(options.directory) if options.directory else None
    if options.detach:
        _detach()
    if options.input:
        os.dup2(os.open(options.input, os.O_RDONLY), 0)
    if options.chdir:
        os.chdir(options.chdir)
    for address in options.addresses:
        _await_port(address)
    if options.account:
        _become(options.account)
        # The kernel forgets the tether when the account changes.
        tie(options.tether, options.parent)
    if options.check:
        sys.exit(0 if all(os.access(path, os.X_OK) for path in options.command) else 1)
    _execute(options.command, options.directory, directory, dropped=bool(options.account))


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    parser.add_argument("--directory")
    parser.add_argument("--account")
    parser.add_argument("--input")
    parser.add_argument("--tether")
    parser.add_argument("--parent", type=int)
    parser.add_argument("--chdir")
    parser.add_argument("--await", dest="addresses", action="append", default=[])
    parser.add_argument("--detach", action="store_true")
    parser.add_argument("--check", action="store_true")
    parser.add_argument("command", nargs="+")
    return parser.parse_args(arguments)


def tie(signal_name: str | None, parent: int | None) -> None:
    """Have the kernel send the signal to this process when its parent ends; only Linux can."""
    if signal_name is None:
        return
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.Signals[signal_name], 0, 0, 0)
    if parent is not None and os.getppid() != parent:
        sys.exit(f"The parent process {parent} has ended.")


def tether() -> None:
    """Die with the parent when `HOLDFAST_TETHER` is set: for workers that a server forks by itself.

    A worker of granian whose main process was killed keeps the port, and half of the requests, for ever.
    """
    if os.environ.get("HOLDFAST_TETHER"):
        tie("SIGKILL", None)


def _hold(directory: str) -> int:
    """Open and lock the folder; wait for processes of an earlier run that still use it."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    started = time.monotonic()
    while not locked(descriptor, fcntl.LOCK_EX):
        if time.monotonic() - started > _ORPHANS_END_WITHIN:
            end_orphans(directory)
        time.sleep(0.02)
    os.set_inheritable(descriptor, True)
    return descriptor


def locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def end_orphans(directory: str) -> None:
    """Tell every process that works in this folder to quit at once.

    For what a killed server leaves behind: a backend in the middle of a long computation does not notice that its
    postmaster is gone, and holds the shared memory until it has finished.
    """
    for pid in servers_in(directory):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(pid, signal.SIGQUIT)


def servers_in(directory: str) -> Iterator[int]:
    """Yield the processes of PostgreSQL and Valkey that work in this folder (Linux; elsewhere none is seen)."""
    for process in Path("/proc").glob("[0-9]*"):
        # Shells and editors may stand in the folder too; only the servers are ours to end.
        with contextlib.suppress(OSError):
            program = (process / "exe").readlink().name
            if program.startswith(("postgres", "valkey-server")) and (process / "cwd").samefile(directory):
                yield int(process.name)


def _detach() -> None:
    if os.fork():
        os._exit(0)
    os.setsid()


def _await_port(address: str) -> None:
    host, port = address.rsplit(":", 1)
    while True:
        try:
            socket.create_connection((host, int(port)), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return


def _become(account: str) -> None:
    uid, gid = (int(part) for part in account.split(":"))
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def _execute(command: list[str], directory: str | None, descriptor: int | None, *, dropped: bool) -> None:
    if directory is None:
        os.execv(command[0], command)  # noqa: S606  (becoming that program is the point)
    # The account may lack the right to search the folders above; a link to an open folder skips that question.
    reached = f"/proc/self/fd/{descriptor}" if dropped and sys.platform == "linux" else directory
    os.chdir("/")
    # The servers get none of the secrets in our environment, and nothing there may change their settings.
    environ = {"PATH": "/usr/local/bin:/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
    os.execve(command[0], [part.replace("{directory}", reached) for part in command], environ)  # noqa: S606


if __name__ == "__main__":
    main(sys.argv[1:])
