"""Whether a task with 10,000 messages costs what one with 10 costs: to append to, and to read the last 10 of."""

import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

import psycopg

from benchmarks.contestants import Running, message
from benchmarks.report import Verdict, ratio_of
from benchmarks.rounds import percentile
from benchmarks.wire import Client

SHORT, LONG = 10, 10_000
LAST = 10
BUDGET = 1.2

ROUNDS = 5
CALLS = 100

# A short history that is appended to does not stay short: each short task takes this many appends, then the next one.
APPENDS_EACH = 10


@dataclass(frozen=True)
class Histories:
    """Tasks with few messages, to be used in turn, and one with many."""

    short: list[str]
    long: str

    def short_for(self, call: int) -> str:
        return self.short[call // APPENDS_EACH % len(self.short)]


@dataclass(frozen=True)
class Flat:
    """One kind of call, timed on short and long histories; p50s in milliseconds, one for each round."""

    what: str
    short: list[float]
    long: list[float]

    def verdict(self) -> Verdict:
        return ratio_of(f"{self.what}, {LONG:,} ÷ {SHORT} messages", self.long, self.short, BUDGET, at_least=False)


def make_histories(running: Running, progress: Callable[[str], None]) -> Histories:
    """Fill the tasks over HTTP, so that they are what an agent's would be."""
    short = [running.create_task() for _ in range(ROUNDS * CALLS // APPENDS_EACH)]
    long = running.create_task()
    with Client(running.port) as client:
        for task in short:
            _append(running, client, task, SHORT)
        for done in range(0, LONG, 2_500):
            _append(running, client, long, 2_500)
            progress(f"flatness: {done + 2_500:,} of {LONG:,} messages")
    return Histories(short, long)


def _append(running: Running, client: Client, task: str, count: int) -> None:
    for number in range(count):
        client.ask(running.request("POST", f"/tasks/{task}/messages", message(number))).must_be_good()


def over_http(running: Running, histories: Histories) -> list[Flat]:
    """Time one client's calls, long and short by turns."""
    with Client(running.port) as client:

        def append(task: str, call: int) -> Callable[[], object]:
            raw = running.request("POST", f"/tasks/{task}/messages", message(call))
            return lambda: client.ask(raw).must_be_good()

        def read(task: str, call: int) -> Callable[[], object]:
            raw = running.request("GET", f"/tasks/{task}?history_length={LAST}")
            return lambda: client.ask(raw).must_be_good()

        return [
            by_turns("read the last 10 over HTTP", histories, read),
            by_turns("append over HTTP", histories, append),
        ]


def in_database(running: Running, histories: Histories, url: str) -> list[Flat]:
    """Time the SQL functions behind these calls, on a connection that has prepared them."""
    me = running.ask("GET", "/me")
    who = {"p_organization": me["organization"]["id"], "p_owner": me["actor_id"], "p_actor": "benchmark"}
    with psycopg.connect(url, autocommit=True, prepare_threshold=0) as connection:
        reads = call_of(connection, "tasks_get", {**who, "p_history": LAST})
        appends = call_of(connection, "tasks_append_message", {**who, "p_role": "agent", "p_metadata": "{}"})

        def append(task: str, call: int) -> Callable[[], object]:
            parts = json.dumps(json.loads(message(call))["parts"])
            return appends({"p_task": task, "p_message_id": f"flatness-{call}", "p_parts": parts, "p_request": "-"})

        def read(task: str, call: int) -> Callable[[], object]:
            return reads({"p_task": task})

        return [
            by_turns("read the last 10 in the database", histories, read),
            by_turns("append in the database", histories, append),
        ]


def call_of(
    connection: psycopg.Connection, function: str, fixed: Mapping[str, object]
) -> Callable[[Mapping[str, object]], Callable[[], object]]:
    """Return what makes calls of an SQL function by its parameters' names; those not given are NULL."""
    query = "SELECT proargnames[1:pronargs] FROM pg_proc WHERE proname = %s"
    names: list[str] = connection.execute(query, [function]).fetchone()[0]  # type: ignore[index]

    def bind(given: Mapping[str, object]) -> Callable[[], object]:
        values = {name: value for name, value in {**fixed, **given}.items() if name in names}
        arguments = ", ".join(f"{name} => %({name})s" if name in values else f"{name} => NULL" for name in names)
        statement = f"SELECT * FROM {function}({arguments})"
        return lambda: connection.execute(statement, values).fetchone()

    return bind


def by_turns(what: str, histories: Histories, call: Callable[[str, int], Callable[[], object]]) -> Flat:
    """Time `call` on a short and the long history alternately, each pair in the other order than the last."""
    short: list[float] = []
    long: list[float] = []
    for number in range(ROUNDS * CALLS):
        pair = [(short, call(histories.short_for(number), number)), (long, call(histories.long, number))]
        for times, ask in pair[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            ask()
            times.append(time.perf_counter() - began)
    return Flat(what, medians(short), medians(long))


def medians(times: list[float]) -> list[float]:
    return [percentile(sorted(times[at : at + CALLS]), 50) for at in range(0, len(times), CALLS)]


def table(flat: Sequence[Flat]) -> str:
    """Lay out the p50s on short and long tasks."""
    if not flat:
        return ""
    head = f"{'p50 ms of ' + str(ROUNDS * CALLS) + ' calls':34} {f'{SHORT} messages':>14} {f'{LONG:,} messages':>16}"
    rows = [f"  {one.what:32} {median(one.short):14.3f} {median(one.long):16.3f}" for one in flat]
    return "\n".join(["", head, *rows])
