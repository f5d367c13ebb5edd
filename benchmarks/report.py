"""What was measured, as a table for reading and JSON for keeping."""

import json
import os
import platform
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.rounds import Measured, Work

RESULTS = Path(__file__).with_name("results")
PACKAGES = ("django", "django-ninja", "granian", "psycopg", "fastapi", "sqlalchemy", "asyncpg", "starlette", "uvicorn")

HEADS = (
    ("requests/s", 10), ("min–max", 15), ("× peer", 7), ("p50 ms", 7), ("p95", 7), ("p99", 7), ("cpu ms", 7),
    ("bytes", 6), ("core 0", 7), ("core 1", 7), ("others", 7),
)  # fmt: skip


@dataclass(frozen=True)
class Verdict:
    """One ratio against its budget; `low` and `high` span the rounds."""

    what: str
    ratio: float
    low: float
    high: float
    budget: float
    at_least: bool

    @property
    def met(self) -> bool:
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget

    def line(self) -> str:
        sign = "≥" if self.at_least else "≤"
        missing = self.budget / self.ratio if self.at_least else self.ratio / self.budget
        outcome = "PASS" if self.met else f"SHORT BY {missing - 1:.0%}"
        return (
            f"{self.what:58} {self.ratio:5.2f} × ({self.low:.2f}–{self.high:.2f})  budget {sign} {self.budget:g} ×"
            f"  {outcome}"
        )


def ratio_of(what: str, above: Sequence[float], below: Sequence[float], budget: float, *, at_least: bool) -> Verdict:
    """Divide round by round, so that both sides of a ratio come from the same minute; take the median."""
    ratios = [upper / lower for upper, lower in zip(above, below, strict=True)]
    return Verdict(what, statistics.median(ratios), min(ratios), max(ratios), budget, at_least)


def compare(measured: Sequence[Measured], work: Work, ours: str, peer: str) -> Verdict:
    """Hold the rates of `ours` against the peer's."""
    mine, theirs = ([one.per_second for one in rounds_of(measured, work.name, name)] for name in (ours, peer))
    return ratio_of(f"{work.name}: {ours} ÷ {peer}", mine, theirs, work.budget, at_least=True)


def rounds_of(measured: Iterable[Measured], work: str, contestant: str) -> list[Measured]:
    return [one for one in measured if (one.work, one.contestant) == (work, contestant)]


def table(measured: Sequence[Measured], peer: str) -> str:
    """Lay out the medians of each contestant's rounds, with the least and the greatest rate."""
    lines = []
    for work in dict.fromkeys(one.work for one in measured):
        lines += [
            "",
            f"{work:28} " + " ".join(f"{head:>{width}}" for head, width in HEADS),
        ]
        contestants = dict.fromkeys(one.contestant for one in measured if one.work == work)
        lines += [_row(rounds_of(measured, work, name), rounds_of(measured, work, peer)) for name in contestants]
    return "\n".join(lines)


def _row(rounds: Sequence[Measured], peer: Sequence[Measured]) -> str:
    def median(of: Iterable[float]) -> float:
        return statistics.median(of)

    rates = [one.per_second for one in rounds]
    times_peer = median(one.per_second / theirs.per_second for one, theirs in zip(rounds, peer, strict=False))
    busy = [median(one.usage.busy[core] / one.usage.elapsed for one in rounds) for core in (0, -1)]
    return (
        f"  {rounds[0].contestant:26} {median(rates):10,.0f} {f'{min(rates):,.0f}–{max(rates):,.0f}':>15}"
        f" {times_peer:7.2f} {median(one.p50 for one in rounds):7.1f} {median(one.p95 for one in rounds):7.1f}"
        f" {median(one.p99 for one in rounds):7.1f} {median(one.processor_ms for one in rounds):7.3f}"
        f" {median(one.answer_bytes for one in rounds):6.0f} {busy[0]:7.0%} {busy[1]:7.0%}"
        f" {median(one.usage.foreign for one in rounds):7.0%}"
    )


def save(
    measured: Sequence[Measured], flat: Sequence[object], verdicts: Sequence[Verdict], options: dict[str, object]
) -> Path:
    """Write everything measured to a file named for the time; return its path."""
    RESULTS.mkdir(exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    document = {
        "at": now.isoformat(timespec="seconds"),
        "machine": {"system": platform.platform(), "python": platform.python_version(), "cores": os.cpu_count()},
        "packages": {name: version(name) for name in PACKAGES},
        "options": options,
        "verdicts": [{**asdict(verdict), "met": verdict.met} for verdict in verdicts],
        "rounds": [asdict(one) for one in measured],
        "flatness": [vars(one) for one in flat],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path
