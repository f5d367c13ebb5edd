"""`manage.py up`: the whole service in the foreground, from one command. Needs no Django in its own process.

It takes the installation for itself, prepares the database with servers of its own, stops them, and becomes
supervisord, which runs the servers and the service's processes, restarts what dies, and stops them in order. Every
process is tethered to this one, so that nothing outlives it, however it ends.
"""

import errno
import ipaddress
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType
from typing import Any

from operations import embedded
from operations.embedded.binaries import launcher
from operations.embedded.engine import Engine, start, stop, tethered_to_us
from operations.embedded.errors import CannotStart
from operations.embedded.locks import UseLock
from operations.embedded.paths import CHECKOUT, Var, var_from
from operations.supervision import Program, pid_file, run_supervised

_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
_LEFTOVERS_END_WITHIN = 15.0


@dataclass(frozen=True)
class Address:
    """Where the service listens, and how many processes answer there."""

    host: str
    port: int
    workers: int


def main() -> int:
    """Run until Ctrl-C or SIGTERM; answer the exit code."""
    for number in _SIGNALS:
        signal.signal(number, _leave)
    try:
        _up()
    except CannotStart as problem:
        print(f"manage.py up: {problem}", file=sys.stderr, flush=True)
        return 1
    return 0


def _leave(number: int, frame: FrameType | None) -> None:
    """End the preparation in order; a second signal must not break that off."""
    for ignored in _SIGNALS:
        signal.signal(ignored, signal.SIG_IGN)
    raise SystemExit(0)


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Finish what was begun; a signal that comes meanwhile takes effect afterwards."""
    signal.pthread_sigmask(signal.SIG_BLOCK, _SIGNALS)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _SIGNALS)


def _up() -> None:
    address = _address(os.environ)
    _require_metrics_folder(os.environ)
    var = embedded.made(var_from(os.environ))
    UseLock(var).take_alone("up")
    postgres, valkey = embedded.embedded_needed(os.environ)
    engines = embedded.engines_for(var, postgres=postgres, valkey=valkey)
    _end_leftovers(engines)
    _require_free(address, patient=pid_file(var).exists())
    keep_to_this_machine(address, os.environ)
    ports = _prepare(var, engines)
    for engine in engines:
        engine.publish(ports[engine.key])
    _say("Starting the service")
    try:
        run_supervised(var, [*_servers(engines, ports), *_processes(var, address, list(ports.values()))])
    finally:
        for engine in engines:
            engine.unpublish()


def _say(text: str) -> None:
    print(f"{text} ...", flush=True)


def _address(environ: Mapping[str, str]) -> Address:
    host = environ.get("HOST") or "127.0.0.1"
    return Address(host, _number(environ, "PORT", 8000, 65535), _number(environ, "WEB_WORKERS", 1, 1024))


def _number(environ: Mapping[str, str], name: str, default: int, most: int) -> int:
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdigit() and 1 <= int(text) <= most):
        raise CannotStart(f"{name} is {text!r}: set it to a number from 1 to {most}.")
    return int(text)


def _require_metrics_folder(environ: Mapping[str, str]) -> None:
    """Raise CannotStart where each web process would end at its first metric."""
    name = "PROMETHEUS_MULTIPROC_DIR"
    folder = environ.get(name)
    # A relative one is meant from where the processes run.
    if folder and not ((CHECKOUT / folder).is_dir() and os.access(CHECKOUT / folder, os.W_OK | os.X_OK)):
        raise CannotStart(f"{name} is {folder!r}: make that folder, writable for this user, or leave {name} out.")


def _end_leftovers(engines: Sequence[Engine]) -> None:
    """End servers that a killed command left, and wait for those of a killed `up` to finish."""
    for engine in reversed(engines):
        stop(engine, _say)


def _require_free(address: Address, *, patient: bool) -> None:
    """Raise CannotStart unless the port can be had; after a crash give the old processes time to end."""
    deadline = time.monotonic() + (_LEFTOVERS_END_WITHIN if patient else 0)
    while (problem := _binding_problem(address)) is not None:
        if problem.errno != errno.EADDRINUSE or time.monotonic() >= deadline:
            raise _unusable(address, problem)
        time.sleep(0.1)


def keep_to_this_machine(address: Address, environ: MutableMapping[str, str]) -> None:
    """Close sign-up where others reach the service, unless the operator says otherwise."""
    if not reached_by_others(address):
        return
    embedded.apply({"SIGNUP": "closed"}, environ)
    if environ.get("SIGNUP") == "closed":
        print(f"Others may reach {address.host}, so nobody can sign up; SIGNUP=open lets anyone.", flush=True)


def reached_by_others(address: Address) -> bool:
    *_, where = _resolved(address)
    return not ipaddress.ip_address(where[0]).is_loopback


def _resolved(address: Address) -> tuple[int, int, int, str, tuple[Any, ...]]:
    """Answer what granian binds: the first that the name resolves to. Raises OSError."""
    return socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]


def _binding_problem(address: Address) -> OSError | None:
    try:
        family, kind, protocol, _, where = _resolved(address)
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(where)
    except OSError as problem:
        return problem
    return None


def _unusable(address: Address, problem: OSError) -> CannotStart:
    free = address.port + 1 if address.port < 65535 else 8000
    if problem.errno == errno.EADDRINUSE:
        return CannotStart(f"Port {address.port} is in use: set PORT to a free one, for example `PORT={free} make up`.")
    if problem.errno == errno.EACCES:
        return CannotStart(f"Port {address.port} is for root alone: set PORT to one above 1023, `PORT=8000 make up`.")
    return CannotStart(
        f"Cannot listen on {address.host!r} ({problem.strerror}): set HOST to an address of this machine."
    )


def _prepare(var: Var, engines: Sequence[Engine]) -> dict[str, int]:
    """Start the servers, migrate, make the first operator, and stop them; answer the ports to use from now on.

    Also put into our environment what the service's processes need. Nobody else is told of these servers: they are
    about to stop.
    """
    ports: dict[str, int] = {}
    running: list[tuple[Engine, subprocess.Popen[bytes]]] = []
    try:
        for engine in engines:
            _say(f"Starting {engine.name}")
            ports[engine.key], process = start(engine, _say, tethered=True)
            running.append((engine, process))
        embedded.apply(embedded.addresses(var, engines, ports), os.environ)
        _say("Preparing the database")
        _migrate()
    finally:
        with _undisturbed():
            for engine, process in reversed(running):
                stop(engine, _say)
                process.wait()
    return ports


def _migrate() -> None:
    # A process of its own: this one stays small, and never loads Django.
    command = [sys.executable, str(CHECKOUT / "manage.py"), "up", "--prepare"]
    done = subprocess.run(launcher(*tethered_to_us(signal.SIGTERM), "--", *command), check=False)
    if done.returncode:
        raise CannotStart("The database could not be prepared, for the reason above; nothing runs.")


def _servers(engines: Sequence[Engine], ports: Mapping[str, int]) -> list[Program]:
    return [
        Program(
            name=engine.key,
            command=engine.command(ports[engine.key], *tethered_to_us(engine.stop_signal)),
            priority=10 + number,
            stop_signal=engine.stop_signal.name.removeprefix("SIG"),
            stop_seconds=600,  # A last checkpoint takes as long as the disk needs.
            log=engine.log_file.relative_to(engine.var.root),
        )
        for number, engine in enumerate(engines)
    ]


def _processes(var: Var, address: Address, ports: Sequence[int]) -> list[Program]:
    os.environ |= {"HOLDFAST_TETHER": "1", "PYTHONUNBUFFERED": "1"}
    celery = ("celery", "--app", "config.celery", "--quiet")
    worker = (*celery, "worker", "--pool=threads", "--concurrency=4", "--without-gossip", "--without-mingle")
    beat = (*celery, "beat", "--pidfile=", "--schedule", str(var.run / "beat-schedule"))
    return [
        Program("worker", _module(ports, *worker), priority=30, stop_seconds=30),
        Program("beat", _module(ports, *beat), priority=31),
        Program("web", _module(ports, *_web(address)), priority=40),
        Program("announcement", _module([], "operations.announcement", _reached(address)), priority=50, once=True),
    ]


def _web(address: Address) -> Sequence[str]:
    where = ("--host", address.host, "--port", str(address.port), "--workers", str(address.workers))
    # HTTP/1 only: over one connection of HTTP/2 a caller could have a hundred answers made and read none.
    endurance = ("--http", "1", "--respawn-failed-workers", "--workers-kill-timeout", "10")
    return ("granian", "--interface", "asgi", *where, *endurance, "--log-level", "warning", "config.front:application")


def _module(ports: Sequence[int], *module: str) -> list[str]:
    """Answer the command of one of our own processes, which starts once the servers listen."""
    waiting = [word for port in ports for word in ("--await", f"127.0.0.1:{port}")]
    here = ("--chdir", str(CHECKOUT))
    return [*launcher(*tethered_to_us(signal.SIGKILL), *here, *waiting), "--", sys.executable, "-m", *module]


def _reached(address: Address) -> str:
    """Answer the URL at which this machine reaches the service."""
    host = {"0.0.0.0": "127.0.0.1", "::": "::1", "": "127.0.0.1"}.get(address.host, address.host)
    return f"http://[{host}]:{address.port}" if ":" in host else f"http://{host}:{address.port}"
