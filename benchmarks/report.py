"""What was measured, as a table for reading and JSON for keeping."""

import json
import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path

from benchmarks.rounds import Measured, Work

RESULTS = Path(__file__).with_name("results")
PACKAGES = (
    *("django", "django-ninja", "granian", "psycopg", "redis"),
    *("fastapi", "sqlalchemy", "asyncpg", "starlette", "uvicorn", "limits"),
)

HEADS = (
    ("requests/s", 10), ("min–max", 15), ("× peer", 7), ("cpu ×", 6), ("p50 ms", 7), ("p95", 7), ("p99", 7),
    ("cpu ms", 7), ("bytes", 6), ("core 0", 7), ("core 1", 7), ("others", 7),
)  # fmt: skip


# A tenth of a core for others: above, the rounds are no longer alike.
QUIET = 0.1


@dataclass(frozen=True)
class Verdict:
    """One ratio, or another figure, against its budget; `low` and `high` span the rounds."""

    what: str
    ratio: float
    low: float
    high: float
    budget: float
    at_least: bool
    unit: str = "×"

    @property
    def met(self) -> bool:
        return self.ratio >= self.budget if self.at_least else self.ratio <= self.budget

    def line(self) -> str:
        sign = "≥" if self.at_least else "≤"
        missing = self.budget / self.ratio if self.at_least else self.ratio / self.budget
        outcome = "PASS" if self.met else f"SHORT BY {missing - 1:.0%}"
        return (
            f"{self.what:62} {self.ratio:5.2f} {self.unit} ({self.low:.2f}–{self.high:.2f})"
            f"  budget {sign} {self.budget:g} {self.unit}  {outcome}"
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
    rates = [one.per_second for one in rounds]
    cells = (
        f"{statistics.median(rates):,.0f}",
        f"{min(rates):,.0f}–{max(rates):,.0f}",
        _times(rounds, peer, lambda one: one.per_second),
        _times(rounds, peer, lambda one: 1 / one.processor_ms),
        *(f"{_median(rounds, of):.1f}" for of in (lambda one: one.p50, lambda one: one.p95, lambda one: one.p99)),
        f"{_median(rounds, lambda one: one.processor_ms):.3f}",
        f"{_median(rounds, lambda one: one.answer_bytes):.0f}",
        f"{_median(rounds, lambda one: one.usage.busy[0] / one.usage.elapsed):.0%}",
        f"{_median(rounds, lambda one: one.usage.busy[-1] / one.usage.elapsed):.0%}",
        f"{_median(rounds, lambda one: one.usage.foreign):.0%}",
    )
    return f"  {rounds[0].contestant:26} " + " ".join(
        f"{cell:>{head[1]}}" for cell, head in zip(cells, HEADS, strict=True)
    )


def _median(rounds: Sequence[Measured], of: Callable[[Measured], float]) -> float:
    return statistics.median(of(one) for one in rounds)


def _times(rounds: Sequence[Measured], peer: Sequence[Measured], of: Callable[[Measured], float]) -> str:
    if not peer:
        return "–"
    return f"{statistics.median(of(mine) / of(theirs) for mine, theirs in zip(rounds, peer, strict=True)):.2f}"


def caution(measured: Sequence[Measured]) -> str:
    """Say that the machine was busy with something else, when it was."""
    share = _median(measured, lambda one: one.usage.foreign) if measured else 0.0
    if share < QUIET:
        return ""
    return (
        f"\nOther processes took {share:.0%} of a core (the median of the rounds): the rates are too low, and"
        "\nunevenly so. “cpu ×” suffers less from that. Measure again on a quiet machine."
    )


def save(
    measured: Sequence[Measured], by_turns: Sequence[object], verdicts: Sequence[Verdict], options: dict[str, object]
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
        "by turns": [vars(one) for one in by_turns],
    }
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False) + "\n")
    return path
