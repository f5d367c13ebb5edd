"""Who is measured: how each is started, prepared and asked."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import psycopg
from psycopg import sql

from benchmarks.wire import Client, request

ROOT = Path(__file__).resolve().parent.parent
TABLES = Path(__file__).with_name("tables.sql")

# The best for the peer of those tried, though little depends on it (connections: appends, gets a second; 32 clients):
# 2: 628, 786; 4: 630, 861; 6: 640, 887; 8: 639, 846; 12: 624, 831; 16: 622, 804; 32: 627, 789.
PEER_POOL = 6
# 6: 2,512, 3,848; 16: 2,695, 4,301.
FLOOR_POOL = 16
# Best rounds of a bare Django view (threads: appends, gets a second): 1: 943, 2,041; 2: 1,491, 2,060; 4: 1,702, 2,308;
# 8: 1,836, 2,391; 16: 1,761, 2,364. Further processes on the same core cost more than they give.
BLOCKING_THREADS = 8

# As compact as clients write it; with its quotes and role it makes the message 300 bytes.
TEXT = "The agent looked at the invoice and found that the third line was billed twice. "
MESSAGE_BYTES = 300


class NotPrepared(Exception):
    """A contestant could not be brought to where it can be measured."""


def anonymous(port: int) -> dict[str, str]:
    """Send no headers: the peer and the floor ask nobody who they are."""
    return {}


@dataclass(frozen=True)
class Contestant:
    """A server that keeps tasks, messages and sessions over HTTP."""

    name: str
    command: Callable[[int], list[str]]
    prepare: Callable[[Mapping[str, str]], None]
    prefix: str = ""
    task: Mapping[str, Any] | None = None
    environment: Callable[[Mapping[str, str]], dict[str, str]] = dict
    sign_in: Callable[[int], dict[str, str]] = anonymous


@dataclass(frozen=True)
class Running:
    """A started contestant and what is needed to ask it."""

    contestant: Contestant
    port: int
    headers: Mapping[str, str]

    def ask(self, method: str, path: str, body: object = None) -> Any:
        """Ask once, over a connection of its own, and return the JSON of the answer."""
        with Client(self.port) as client:
            answer = client.ask(self.request(method, path, b"" if body is None else as_json(body)))
        if answer.status // 100 != 2:
            raise NotPrepared(
                f"{self.contestant.name}: {method} {path} answered {answer.status}: {answer.body[:600]!r}"
            )
        return answer.json()

    def request(self, method: str, path: str, body: bytes = b"") -> bytes:
        return request(method, self.contestant.prefix + path, self.headers, body)

    def create_task(self) -> str:
        return str(self.ask("POST", "/tasks", self.contestant.task)["id"])

    def create_session(self) -> str:
        state = {"cursor": 17, "plan": ["read", "compare", "answer"], "notes": TEXT * 3}
        return str(self.ask("POST", "/sessions", {"title": "A session", "state": state})["id"])


def as_json(body: object) -> bytes:
    return json.dumps(body, separators=(",", ":")).encode()


def message(number: int) -> bytes:
    """Return the JSON of a 300-byte message; each number makes another."""
    shell = len(as_json({"role": "agent", "parts": [{"kind": "text", "text": f"{number:09} "}]}))
    text = f"{number:09} " + (TEXT * 4)[: MESSAGE_BYTES - shell]
    return as_json({"role": "agent", "parts": [{"kind": "text", "text": text}]})


def python(*arguments: str) -> list[str]:
    return [sys.executable, "-m", *arguments]


def uvicorn(application: str) -> Callable[[int], list[str]]:
    """Serve as FastAPI's deployment page says, with the fast loop and parser, and no access log."""
    options = ["--loop", "uvloop", "--http", "httptools", "--workers", "1", "--no-access-log", "--log-level", "warning"]
    return lambda port: python("uvicorn", application, "--port", str(port), *options)


def in_schema(schema: str, pool_size: int) -> Callable[[Mapping[str, str]], dict[str, str]]:
    return lambda servers: {
        "BENCHMARK_DATABASE_URL": asyncpg_url(servers["DATABASE_URL"]),
        "BENCHMARK_SCHEMA": schema,
        "BENCHMARK_POOL_SIZE": str(pool_size),
    }


def asyncpg_url(url: str) -> str:
    parts = urlsplit(url)
    return parts._replace(scheme="postgresql+asyncpg", query="").geturl()


def create_tables(environment: Mapping[str, str]) -> None:
    """Make the contestant's schema anew."""
    schema = sql.Identifier(environment["BENCHMARK_SCHEMA"])
    url = environment["BENCHMARK_DATABASE_URL"].replace("+asyncpg", "")
    with psycopg.connect(url) as connection:
        connection.execute(sql.SQL("DROP SCHEMA IF EXISTS {} CASCADE").format(schema))
        connection.execute(sql.SQL("CREATE SCHEMA {}").format(schema))
        connection.execute(sql.SQL("SET search_path TO {}").format(schema))
        connection.execute(TABLES.read_bytes())


def granian(interface: str, application: str, *options: str) -> Callable[[int], list[str]]:
    # As `manage.py up` starts it.
    fixed = ["--interface", interface, "--workers", "1", "--host", "127.0.0.1", "--log-level", "warning"]
    return lambda port: python("granian", application, *fixed, *options, "--port", str(port))


def migrate(environment: Mapping[str, str]) -> None:
    """Bring Holdfast's tables up."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "migrate", "--verbosity", "0"],
        check=False,
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    if done.returncode:
        raise NotPrepared(f"manage.py migrate failed:\n{done.stdout}\n{done.stderr}")


def sign_up(port: int) -> dict[str, str]:
    """Make an organization of the benchmark's own and return the header with its key."""
    slug = f"bench-{os.urandom(6).hex()}"
    account = {
        "email": f"{slug}@example.com",
        "display_name": "Benchmark",
        "password": os.urandom(18).hex(),
        "organization": {"name": "Benchmark", "slug": slug},
    }
    with Client(port) as client:
        answer = client.ask(request("POST", "/api/v1/signup", {}, as_json(account)))
    if answer.status != 201:
        raise NotPrepared(f"signup answered {answer.status}: {answer.body[:600]!r}")
    return {"Authorization": f"Bearer {cast(str, answer.json()['api_key']['key'])}"}


SUBMITTED = {"message": {"role": "user", "parts": [{"kind": "text", "text": TEXT}]}}

PEER = Contestant(
    name="FastAPI + SQLAlchemy",
    command=uvicorn("benchmarks.peer:app"),
    environment=in_schema("benchmark_peer", PEER_POOL),
    prepare=create_tables,
)
FLOOR = Contestant(
    name="Starlette + asyncpg",
    command=uvicorn("benchmarks.floor:app"),
    environment=in_schema("benchmark_floor", FLOOR_POOL),
    prepare=create_tables,
)
# Counted as anywhere, and too high to be met: the load is one key's, at all speed.
RATE_LIMITS = dict.fromkeys(("RATE_LIMIT_KEY", "RATE_LIMIT_ORGANIZATION"), "100000000")


def counted(servers: Mapping[str, str]) -> dict[str, str]:
    return {**servers, **RATE_LIMITS}


OURS = Contestant(
    name="Holdfast",
    environment=counted,
    command=granian(
        "wsgi",
        "config.wsgi:application",
        "--blocking-threads",
        str(BLOCKING_THREADS),
        "--blocking-threads-idle-timeout",
        "600",
    ),
    prefix="/api/v1",
    task=SUBMITTED,
    prepare=migrate,
    sign_in=sign_up,
)
ONE_PORT = Contestant(
    name="Holdfast, one port",
    environment=counted,
    command=granian("asgi", "config.front:application"),
    prefix="/api/v1",
    task=SUBMITTED,
    prepare=migrate,
    sign_in=sign_up,
)
