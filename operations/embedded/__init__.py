"""PostgreSQL and Valkey from wheels, for an installation that names no servers of its own. Needs no Django.

`up` has an installation (`VAR`) for itself; every other command joins: it uses the servers that run, or starts them
for its own length, and the last one out stops them.
"""

import secrets
import signal
import sys
import time
from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from subprocess import Popen
from types import FrameType

from operations.embedded import secret_files
from operations.embedded.engine import Engine, Progress, settle, start, stop
from operations.embedded.errors import CannotStart
from operations.embedded.locks import UseLock, transition
from operations.embedded.paths import Var, var_from
from operations.embedded.postgres import Postgres
from operations.embedded.secret_files import make_secrets, secret
from operations.embedded.valkey import Valkey

__all__ = [
    "CannotStart", "addresses", "apply", "embedded_needed", "engines_for", "environment", "made", "prepared",
    "pretended", "servers",
]  # fmt: skip

# A part alone names a server too, if not enough of it: settings say what is missing, rather than this use another.
_POSTGRES_NAMES = ("DATABASE_URL", "DB_HOST", "DB_PORT", "DB_NAME", "DB_USER", "DB_PASS")
_REDIS_NAMES = ("REDIS_URL", "REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD")

# Of Django's commands and ours, those that open no connection.
_WITHOUT_SERVERS = frozenset(
    {"", "help", "version", "--version", "check", "collectstatic", "findstatic", "diffsettings"}
    | {"compilemessages", "makemessages", "startapp", "startproject", "export_openapi_schema"}
)
_HELP = ("-h", "--help")

_ENDING = (signal.SIGTERM, signal.SIGHUP)

# Nothing listens there: settings load, and a connection fails at once.
_CLOSED_PORT = 1
_UP_STARTS_WITHIN = 60.0
_PAUSE = 0.1
_SAY_SO_EVERY = 5.0


def embedded_needed(environ: Mapping[str, str]) -> tuple[bool, bool]:
    """Tell whether PostgreSQL, and whether Valkey, is ours to run: nothing in the environment names another."""
    return not _any_set(environ, _POSTGRES_NAMES), not _any_set(environ, _REDIS_NAMES)


def _any_set(environ: Mapping[str, str], names: Sequence[str]) -> bool:
    return any(environ.get(name) or environ.get(f"{name}_FILE") for name in names)


def engines_for(var: Var, *, postgres: bool, valkey: bool) -> list[Engine]:
    """List the servers to run, in the order in which to start them."""
    return [*([Postgres(var)] if postgres else []), *([Valkey(var)] if valkey else [])]


def made(var: Path) -> Var:
    """Answer the installation in this folder, with its folders and secrets made. Raises CannotStart."""
    place = Var(var)
    place.make()
    make_secrets(place)
    return place


def environment(var: Path, *, postgres: bool = True, valkey: bool = True) -> dict[str, str]:
    """Answer what config/settings.py needs to use the running servers of this installation.

    A server that does not run gets an address where nothing listens.
    """
    engines = engines_for(made(var), postgres=postgres, valkey=valkey)
    return addresses(Var(var), engines, {engine.key: engine.published() or _CLOSED_PORT for engine in engines})


def addresses(var: Var, engines: Sequence[Engine], ports: Mapping[str, int]) -> dict[str, str]:
    """Answer the environment in which settings find these servers on these ports."""
    found = {engine.variable: engine.url(ports[engine.key]) for engine in engines}
    return found | _own_settings(var) if Postgres.variable in found else found


def _own_settings(var: Var) -> dict[str, str]:
    # Bound to the embedded database: beside another one, a secret that only this folder knows would be lost with it.
    return {"SECRET_KEY": secret(var, secret_files.SECRET_KEY), "HOLDFAST_EMBEDDED": "1"}


def apply(found: Mapping[str, str], environ: MutableMapping[str, str]) -> None:
    """Add what was found to the environment; what the operator set, also as a file, wins."""
    for name, value in found.items():
        if not _any_set(environ, (name,)):
            environ[name] = value


@contextmanager
def prepared(argv: Sequence[str], environ: MutableMapping[str, str]) -> Iterator[None]:
    """Have the servers that a manage.py command needs, and their addresses in the environment, while it runs."""
    postgres, valkey = embedded_needed(environ)
    command = argv[1] if len(argv) > 1 else ""
    if not (postgres or valkey):
        yield
    elif _is_without_servers(command, argv):
        apply(_placeholders(postgres=postgres, valkey=valkey), environ)
        yield
    else:
        var = var_from(environ)
        with (
            _ended_in_order(),
            servers(var, postgres=postgres, valkey=valkey, progress=_to_stderr, command=command) as found,
        ):
            apply(found, environ)
            try:
                yield
            finally:
                _end_undisturbed()


def _is_without_servers(command: str, argv: Sequence[str]) -> bool:
    if any(word in _HELP for word in argv):
        return True
    # The checks of a database are made only on request, which may be abbreviated.
    return command in _WITHOUT_SERVERS and not any(word.startswith("--data") for word in argv)


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """Turn a signal that would kill this process at once into an exit, so that the last one out stops the servers.

    A signal that is ignored (nohup) stays so, and a command may set a handler of its own.
    """
    before = {number: signal.getsignal(number) for number in _ENDING}
    for number, handler in before.items():
        if handler == signal.SIG_DFL:
            signal.signal(number, _leave_at_once)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _leave_at_once(number: int, frame: FrameType | None) -> None:
    _end_undisturbed()
    raise SystemExit(128 + number)


def _end_undisturbed() -> None:
    # Stopping the servers must not be broken off, and ends the process anyway.
    for number in _ENDING:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def pretended(environ: MutableMapping[str, str]) -> Iterator[None]:
    """Have settings load in the block although no server runs yet, and leave the environment as it was."""
    postgres, valkey = embedded_needed(environ)
    found = _placeholders(postgres=postgres, valkey=valkey)
    before = {name: environ.get(name) for name in found}
    apply(found, environ)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                environ.pop(name, None)
            else:
                environ[name] = value


def _placeholders(*, postgres: bool, valkey: bool) -> dict[str, str]:
    """Answer settings that load, for a command that uses none of them; it leaves no file behind."""
    found = {"REDIS_URL": f"redis://127.0.0.1:{_CLOSED_PORT}/0"} if valkey else {}
    if postgres:
        found["DATABASE_URL"] = f"postgresql://nobody@127.0.0.1:{_CLOSED_PORT}/none"
        found |= {"SECRET_KEY": secrets.token_hex(32), "HOLDFAST_EMBEDDED": "1"}
    return found


def _to_stderr(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def _silently(text: str) -> None:
    del text


@contextmanager
def servers(
    var: Path,
    *,
    postgres: bool = True,
    valkey: bool = True,
    progress: Progress = _silently,
    command: str = "a command",
    tethered: bool = False,
) -> Iterator[dict[str, str]]:
    """Have the servers of an installation for the length of the block; yield the environment that reaches them.

    Any number of processes may do so together. While `up` runs, its servers are used. Raises CannotStart.
    Servers that are tethered end with the thread that started them, even when it is killed: for a folder of one's own.
    """
    place = made(var)
    engines = engines_for(place, postgres=postgres, valkey=valkey)
    use = UseLock(place)
    try:
        if _join(use, engines, command, progress):
            yield environment(var, postgres=postgres, valkey=valkey)
            return
        started: list[Popen[bytes]] = []
        try:
            with transition(place, progress):
                started += [process for engine in engines for process in _ensure(engine, progress, tethered=tethered)]
            yield environment(var, postgres=postgres, valkey=valkey)
        finally:
            _leave(use, place, started, progress)
    finally:
        use.release()


def _join(use: UseLock, engines: Sequence[Engine], command: str, progress: Progress) -> bool:
    """Share the lock (False), or find that `up` has it and wait for its servers (True)."""
    started = said = time.monotonic()
    while not use.try_to_share(command):
        holder = use.holder()
        # Another command may hold the lock alone for the moment in which it stops the servers.
        if holder and holder.command == "up" and all(_answers(engine) for engine in engines):
            return True
        now = time.monotonic()
        if now - started > _UP_STARTS_WITHIN:
            who = str(holder) if holder else "Another process"
            raise CannotStart(f"{who} has not started its servers within {_UP_STARTS_WITHIN:.0f} s: see its output.")
        if now - said > _SAY_SO_EVERY:
            said = now
            progress(f"Waiting for the servers of {holder or 'another command'}, {now - started:.0f} s")
        time.sleep(_PAUSE)
    return False


def _answers(engine: Engine) -> bool:
    port = engine.published()
    return port is not None and engine.answers(port)


def _ensure(engine: Engine, progress: Progress, *, tethered: bool) -> Iterator[Popen[bytes]]:
    """Use the server that another command started, also one that was killed since, or start it."""
    if not settle(engine, engine.published(), progress):
        port, process = start(engine, progress, tethered=tethered)
        engine.publish(port)
        yield process


def _leave(use: UseLock, var: Var, started: Sequence[Popen[bytes]], progress: Progress) -> None:
    if use.is_last():
        # Also those that this command did not need, and an earlier one did.
        for engine in reversed(engines_for(var, postgres=True, valkey=True)):
            stop(engine, progress)
        for process in started:
            process.wait()
