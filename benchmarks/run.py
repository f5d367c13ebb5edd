"""Measure Holdfast against the budgets of its design; see benchmarks/README.md."""

import argparse
import os
import signal
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

import psycopg
import redis

from benchmarks import coordination, first_answer, flatness, report, rounds
from benchmarks.contestants import FLOOR, ONE_PORT, OURS, PEER, Contestant, NotPrepared, Running
from benchmarks.load import Load, LoadFailed
from benchmarks.processes import Process, StartFailed, free_port, move, on_core, running, two_cores
from benchmarks.wire import BadAnswer
from operations.embedded import CannotStart, servers

CONTESTANTS = {"peer": PEER, "floor": FLOOR, "ours": OURS, "one-port": ONE_PORT}
WORKS = {"append": rounds.APPEND, "task": rounds.GET_TASK, "session": rounds.GET_SESSION}
FAILURES = (
    *(BadAnswer, CannotStart, LoadFailed, NotPrepared, StartFailed),
    *(OSError, psycopg.Error, redis.RedisError),
)


@dataclass(frozen=True)
class Scene:
    """What is running, and where."""

    field: Mapping[str, tuple[Running, Process]]
    database: Process | None
    url: str
    cores: Sequence[int]


def parse(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="of each work on each contestant (5)")
    parser.add_argument("--seconds", type=float, default=4.0, help="measured in each round (4)")
    parser.add_argument("--warm-up", type=float, default=1.0, help="seconds before each round (1)")
    parser.add_argument("--connections", type=int, default=32, help="each with one request under way (32)")
    parser.add_argument("--contestants", nargs="*", choices=CONTESTANTS, default=list(CONTESTANTS))
    parser.add_argument("--works", nargs="*", choices=WORKS, default=list(WORKS))
    parser.add_argument("--no-flatness", dest="flatness", action="store_false", help="skip short against long tasks")
    parser.add_argument("--no-first-answer", dest="first_answer", action="store_false", help="skip the starts of up")
    parser.add_argument("--no-coordination", dest="coordination", action="store_false", help="skip limits and locks")
    parser.add_argument("--database-core", choices=("load", "application", "free"), default="load")
    parser.add_argument("--strict", action="store_true", help="exit 1 when a budget is not met")
    return parser.parse_args(arguments)


def main() -> int:
    """Run everything; return 0, 1 when `--strict` finds a budget missed, 2 when a measurement failed."""
    signal.signal(signal.SIGTERM, _leave)
    options = parse()
    try:
        verdicts = measure(options)
    except FAILURES as problem:
        say(f"benchmarks: {problem}")
        return 2
    return int(options.strict and not all(verdict.met for verdict in verdicts))


def _leave(number: int, frame: FrameType | None) -> None:
    # An exception, so that every server is stopped on the way out.
    raise SystemExit(128 + number)


def say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def measure(options: argparse.Namespace) -> list[report.Verdict]:
    """Start everything, measure, print the tables and keep them; return how the budgets were met."""
    application, load = two_cores()
    if load is None:
        say("benchmarks: no two cores to pin to; application and load disturb each other, expect noise")
    # Before anything else runs.
    waits = [first_answer.wait(say)] if options.first_answer else []
    with tempfile.TemporaryDirectory(prefix="holdfast-bench-") as folder, on_core(load), ExitStack() as stack:
        environment = stack.enter_context(servers(Path(folder) / "var", progress=say, command="bench"))
        database = {"load": load, "application": application, "free": None}[options.database_core]
        scene = Scene(
            field={
                name: stack.enter_context(started(CONTESTANTS[name], environment, application, Path(folder)))
                for name in options.contestants
            },
            database=postmaster(environment["DATABASE_URL"], database),
            url=environment["DATABASE_URL"],
            cores=range(os.cpu_count() or 1) if application is None or load is None else (application, load),
        )
        measured = compete(options, scene)
        # Before the next measurement, which may fail.
        print(report.table(measured, PEER.name), flush=True)
        histories = flat(options, scene)
        shared = coordination.compete(environment["REDIS_URL"], say) if options.coordination else []
        return judge(options, measured, histories, shared, waits)


def postmaster(url: str, core: int | None) -> Process | None:
    """Find the server behind `url` on this machine and put it, and all it will start, on `core`."""
    with psycopg.connect(url) as connection:
        process = Process(connection.info.backend_pid).parent()
        if process:
            move(process, core)
        return process


@contextmanager
def started(
    contestant: Contestant, servers: Mapping[str, str], core: int | None, folder: Path
) -> Iterator[tuple[Running, Process]]:
    """Prepare a contestant's tables, start it and sign in."""
    say(f"Starting {contestant.name}")
    environment = dict(servers) | contestant.environment(servers)
    contestant.prepare(environment)
    port = free_port()
    log = folder / f"{contestant.name}.log"
    with running(contestant.command(port), port=port, core=core, environment=environment, log=log) as process:
        yield Running(contestant, port, contestant.sign_in(port)), process


def compete(options: argparse.Namespace, scene: Scene) -> list[rounds.Measured]:
    load = Load(options.connections, options.warm_up, options.seconds)
    return [
        one
        for name in options.works
        for one in rounds.alternate(
            WORKS[name],
            list(scene.field.values()),
            database=scene.database,
            cores=scene.cores,
            load=load,
            rounds=options.rounds,
            progress=say,
        )
    ]


def flat(options: argparse.Namespace, scene: Scene) -> list[flatness.Flat]:
    if not options.flatness or "ours" not in scene.field:
        return []
    ours = scene.field["ours"][0]
    histories = flatness.make_histories(ours, say)
    return [*flatness.over_http(ours, histories), *flatness.in_database(ours, histories, scene.url)]


def judge(
    options: argparse.Namespace,
    measured: Sequence[rounds.Measured],
    histories: Sequence[flatness.Flat],
    shared: Sequence[coordination.Timed],
    waits: Sequence[report.Verdict],
) -> list[report.Verdict]:
    """Hold what was measured against the budgets; print and keep it."""
    rates = [
        report.compare(measured, WORKS[work], ours=CONTESTANTS[name].name, peer=PEER.name)
        for work in options.works
        for name in ("ours", "one-port")
        if {"peer", name} <= set(options.contestants)
    ]
    verdicts = [*rates, *(one.verdict() for one in histories), *coordination.verdicts(shared), *waits]
    print(
        flatness.table(histories), coordination.table(shared), "", *(verdict.line() for verdict in verdicts), sep="\n"
    )
    print(report.caution(measured))
    say(f"Kept in {report.save(measured, [*histories, *shared], verdicts, vars(options))}")
    return verdicts
