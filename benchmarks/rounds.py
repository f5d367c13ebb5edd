"""Alternating rounds: each work, round after round, on each contestant in turn."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from benchmarks.contestants import Running, message
from benchmarks.load import Load, press
from benchmarks.processes import Meter, Process, Usage

TASKS = 256
SESSIONS = 256


@dataclass(frozen=True)
class Measured:
    """One round of one work on one contestant; latencies in milliseconds."""

    work: str
    contestant: str
    round: int
    requests: int
    per_second: float
    p50: float
    p95: float
    p99: float
    answer_bytes: float
    usage: Usage

    def __str__(self) -> str:
        return (
            f"{self.contestant}: {self.per_second:,.0f}/s, p50 {self.p50:.1f} ms, {self.processor_ms:.2f} ms of"
            f" processor a request, others took {self.usage.foreign:.0%} of a core"
        )

    @property
    def processor_ms(self) -> float:
        """The application's processor time for one request."""
        return self.usage.application / self.requests * 1000


@dataclass(frozen=True)
class Work:
    """A kind of request that every contestant answers."""

    name: str
    requests: Callable[[Running], Callable[[int], bytes]]
    budget: float


def appends(running: Running) -> Callable[[int], bytes]:
    """Append to each of many tasks in turn, as many agents do: one task would measure its row lock."""
    heads = [running.request("POST", f"/tasks/{running.create_task()}/messages", message(0)) for _ in range(TASKS)]
    prefixes = [head[: -len(message(0))] for head in heads]
    before, after = message(0).split(b"000000000")
    return lambda number: b"%b%b%09d%b" % (prefixes[number % TASKS], before, number, after)


def gets_of_tasks(running: Running) -> Callable[[int], bytes]:
    requests = [running.request("GET", f"/tasks/{running.create_task()}") for _ in range(TASKS)]
    return lambda number: requests[number % TASKS]


def gets_of_sessions(running: Running) -> Callable[[int], bytes]:
    requests = [running.request("GET", f"/sessions/{running.create_session()}") for _ in range(SESSIONS)]
    return lambda number: requests[number % SESSIONS]


APPEND = Work("append a message", appends, budget=3.0)
GET_TASK = Work("get a task", gets_of_tasks, budget=2.0)
GET_SESSION = Work("get a session", gets_of_sessions, budget=2.0)


def alternate(
    work: Work,
    contestants: Sequence[tuple[Running, Process]],
    *,
    database: Process | None,
    cores: Sequence[int],
    load: Load,
    rounds: int,
    progress: Callable[[str], None],
) -> list[Measured]:
    """Measure `work` on all contestants, `rounds` times, one after the other so that a slow minute meets all alike."""
    makers = [(running, process, work.requests(running)) for running, process in contestants]
    measured = []
    for number in range(1, rounds + 1):
        for running, process, make_request in makers:
            meter = Meter(process, database, cores)
            one = _measure(work, running, number, load, make_request, meter)
            measured.append(one)
            progress(f"{work.name}, round {number} of {rounds}, {one}")
    return measured


def _measure(
    work: Work, running: Running, number: int, load: Load, make_request: Callable[[int], bytes], meter: Meter
) -> Measured:
    tally = press(running.port, load, make_request, meter.read)
    usage = meter.usage()
    latencies = sorted(tally.latencies)
    requests = len(latencies)
    return Measured(
        work=work.name,
        contestant=running.contestant.name,
        round=number,
        requests=requests,
        per_second=requests / usage.elapsed,
        p50=percentile(latencies, 50),
        p95=percentile(latencies, 95),
        p99=percentile(latencies, 99),
        answer_bytes=tally.answer_bytes / requests,
        usage=usage,
    )


def percentile(ascending: Sequence[float], percent: float) -> float:
    """Return a percentile, in milliseconds, of seconds in ascending order."""
    return ascending[min(len(ascending) - 1, int(len(ascending) * percent / 100))] * 1000
