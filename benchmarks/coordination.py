"""Coordination against libraries that do the same, on one Valkey: time, round trips and memory of one call.

A contest names contenders that give the same answer, ours first. Each is called by one client, in turns, so that a slow
minute meets all alike; ratios are taken within each round.
"""

import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import median

import redis
from limits import RateLimitItemPerSecond
from limits.storage import RedisStorage
from limits.strategies import MovingWindowRateLimiter
from redis.client import Monitor

from benchmarks import locks
from benchmarks.report import Verdict, ratio_of
from benchmarks.rounds import percentile
from coordination.connections import Connection
from coordination.rate_limits import RateLimits

ROUNDS = 5
CALLS = 500
WARM_UP = 50
COUNTED = 20
# Calls go to so many names in turn: one name would measure a log that is much longer than most are.
NAMES = 64
WINDOW_SECONDS = 60

# One call, by its number.
Ask = Callable[[int], object]


@dataclass(frozen=True)
class Contender:
    """Someone who makes calls; every key that these use has the given word in its name."""

    name: str
    prepare: Callable[[redis.Redis, str], Ask]


@dataclass(frozen=True)
class Contest:
    """A kind of call that all contenders can make; the budget is how much longer the last one's may take than ours."""

    name: str
    contenders: Sequence[Contender]
    budget: float = 1.0


@dataclass(frozen=True)
class Timed:
    """One contender's calls: microseconds by round, round trips of a call, bytes of the largest key."""

    contest: str
    contender: str
    p50: list[float]
    p95: list[float]
    round_trips: float
    most_bytes: int


def checks(limit: int, *, cost: int = 1, names: int = NAMES) -> Callable[[redis.Redis, str], Ask]:
    """Return what prepares our own checks of a limit."""

    def prepare(client: redis.Redis, word: str) -> Ask:
        ours = RateLimits(Connection(lambda: client), uuid.uuid4())
        return lambda number: ours.check(
            word, str(number % names), max_requests=limit, window_seconds=WINDOW_SECONDS, cost=cost
        )

    return prepare


def hits(limit: int, *, cost: int = 1, names: int = NAMES, stats: bool) -> Callable[[redis.Redis, str], Ask]:
    """Return what prepares hits of `limits`; with `stats` each also asks what remains, as our answer tells."""

    def prepare(client: redis.Redis, word: str) -> Ask:
        limiter = MovingWindowRateLimiter(RedisStorage("redis://", connection_pool=client.connection_pool))
        item = RateLimitItemPerSecond(limit, WINDOW_SECONDS)

        def ask(number: int) -> object:
            name = str(number % names)
            allowed = limiter.hit(item, word, name, cost=cost)
            return (allowed, limiter.get_window_stats(item, word, name)) if stats else allowed

        return ask

    return prepare


def limit_contest(name: str, limit: int, *, cost: int = 1, names: int = NAMES) -> Contest:
    return Contest(
        name,
        (
            Contender("ours", checks(limit, cost=cost, names=names)),
            Contender("limits: hit", hits(limit, cost=cost, names=names, stats=False)),
            Contender("limits: hit and stats", hits(limit, cost=cost, names=names, stats=True)),
        ),
    )


LOCKS = Contest(
    "lock, acquire and release",
    (
        Contender("ours", locks.ours),
        Contender("redis-py: lock", locks.of_redis_py),
        Contender("django-redis: lock", locks.of_django_redis),
    ),
    # Ours also counts, and looks whose life it counts in; theirs have no number that outlives the server.
    budget=0.75,
)
CONTESTS = [
    LOCKS,
    limit_contest("limit check, allowed", 1_000),
    limit_contest("limit check, refused", 10, names=1),
    limit_contest("limit check, cost 100", 100_000, cost=100, names=1),
]


def compete(url: str, progress: Callable[[str], None]) -> list[Timed]:
    """Run every contest on the server at `url`."""
    found = []
    with redis.Redis.from_url(url, protocol=2) as client:
        for contest in CONTESTS:
            found += run(contest, client)
            progress(f"coordination: {contest.name}")
    return found


def run(contest: Contest, client: redis.Redis) -> list[Timed]:
    """Time the contenders by turns, each pass in the other order than the last."""
    words = [f"bench-{uuid.uuid4().hex}" for _ in contest.contenders]
    asks = [one.prepare(client, word) for one, word in zip(contest.contenders, words, strict=True)]
    for ask in asks:
        for number in range(WARM_UP):
            ask(number)
    trips = [round_trips(client, ask) for ask in asks]
    times: list[list[float]] = [[] for _ in asks]
    turns = list(zip(asks, times, strict=True))
    for number in range(ROUNDS * CALLS):
        for ask, taken in turns[:: 1 if number % 2 else -1]:
            began = time.perf_counter()
            ask(number)
            taken.append(time.perf_counter() - began)
    return [
        Timed(contest.name, one.name, by_round(taken, 50), by_round(taken, 95), trip, most_bytes(client, word))
        for one, taken, trip, word in zip(contest.contenders, times, trips, words, strict=True)
    ]


def by_round(times: Sequence[float], percent: float) -> list[float]:
    parts = (sorted(times[at : at + CALLS]) for at in range(0, len(times), CALLS))
    return [percentile(part, percent) * 1000 for part in parts]


def round_trips(client: redis.Redis, ask: Ask) -> float:
    """Count the commands that a call sends, as the server sees them; those of a script are none."""
    mark = f"mark-{uuid.uuid4().hex}"
    with client.monitor() as monitor:  # type: ignore[no-untyped-call]
        # Before the first mark a connection may be made, since the monitor has taken one.
        client.echo(mark)
        for number in range(COUNTED):
            ask(number)
        client.echo(mark)
        _until(mark, monitor)
        return _until(mark, monitor) / COUNTED


def _until(mark: str, monitor: Monitor) -> int:
    sent = 0
    while mark not in (seen := monitor.next_command())["command"]:  # type: ignore[no-untyped-call]
        sent += seen["client_type"] != "lua"
    return sent


def most_bytes(client: redis.Redis, word: str) -> int:
    keys = client.scan_iter(match=f"*{word}*", count=1000)
    return max((client.memory_usage(key, samples=0) or 0 for key in keys), default=0)


def verdicts(timed: Sequence[Timed]) -> list[Verdict]:
    """Hold, in each contest, the last contender against ours, which is the first."""
    found = []
    for contest in CONTESTS if timed else ():
        ours, *_, theirs = (one for one in timed if one.contest == contest.name)
        what = f"{contest.name}: {theirs.contender} ÷ {ours.contender}"
        found.append(ratio_of(what, theirs.p50, ours.p50, contest.budget, at_least=True))
    return found


def table(timed: Sequence[Timed]) -> str:
    """Lay out the medians of the rounds."""
    lines = []
    for contest in dict.fromkeys(one.contest for one in timed):
        lines += ["", f"{contest:28} {'p50 µs':>8} {'p95 µs':>8} {'round trips':>12} {'bytes a key':>12}"]
        lines += [
            f"  {one.contender:26} {median(one.p50):8.0f} {median(one.p95):8.0f} {one.round_trips:12.1f}"
            f" {one.most_bytes:12,}"
            for one in timed
            if one.contest == contest
        ]
    return "\n".join(lines)
