"""Commits that are on disk and that PostgreSQL has not answered yet, for as long as a test likes."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

import httpx
import psycopg

from tests.factories import text_message
from tests.operations.service import Service, eventually
from tests.service.live import client, superuser
from tests.service.writers import API

# A standby that never comes: a commit is flushed to disk, and its answer waits for the standby's.
HOLD = "ALTER SYSTEM SET synchronous_standby_names = 'nobody'"
LET_GO = "ALTER SYSTEM RESET synchronous_standby_names"
RELOAD = "SELECT pg_reload_conf()"
WAITING = "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
ATTEMPTS = 10


@dataclass(frozen=True)
class Post:
    """A POST with an Idempotency-Key, and how often its effect is there."""

    path: str
    body: dict[str, Any]
    key: str
    effects: Callable[[], int]

    def send(self, service: Service, api_key: str) -> httpx.Response | None:
        """Send it; None when the connection breaks before the answer is complete."""
        with client(service, api_key) as api:
            try:
                return api.post(f"{API}{self.path}", json=self.body, headers={"Idempotency-Key": self.key})
            except httpx.TransportError:
                return None


def posts(service: Service, api_key: str, task: dict[str, Any], name: str) -> list[Post]:
    """Return a POST of each kind that makes something; what they make bears the name."""

    def counting(path: str, field: Callable[[dict[str, Any]], Any]) -> Callable[[], int]:
        def count() -> int:
            with client(service, api_key) as api:
                page = api.get(f"{API}{path}").raise_for_status().json()
            assert page["next_cursor"] is None
            return [field(item) for item in page["items"]].count(name)

        return count

    messages, in_context = f"/tasks/{task['id']}/messages", f"/tasks?context_id={task['context_id']}"
    submitted = {"message": text_message(), "context_id": task["context_id"], "metadata": {"name": name}}
    return [
        Post(messages, text_message(message_id=name), f"{name}-1", counting(messages, lambda one: one["message_id"])),
        Post("/tasks", submitted, f"{name}-2", counting(in_context, lambda one: one["metadata"].get("name"))),
        Post("/sessions", {"title": name}, f"{name}-3", counting("/sessions", lambda one: one["title"])),
        Post("/agents", {"name": "New", "slug": name}, f"{name}-4", counting("/agents", lambda one: one["slug"])),
    ]


def kill_unanswered(
    service: Service, api_key: str, make: Callable[[], list[Post]], kill: Callable[[Service], None]
) -> list[Post]:
    """Send POSTs, kill when every one of them is committed and none is answered, and return them.

    PostgreSQL may take a moment until it holds commits; POSTs that were answered meanwhile do not count, and others
    are made.
    """
    for _ in range(ATTEMPTS):
        made = make()
        with client(service, api_key) as api:
            # The key's time of use is written now, not by one of the calls below.
            api.get(f"{API}/me").raise_for_status()
        with ThreadPoolExecutor() as threads, _commits_held(service):
            answers = [threads.submit(post.send, service, api_key) for post in made]
            eventually(partial(_settled, service, answers), "every POST is held or answered")
            if hit := not any(answer.done() for answer in answers):
                # Effective at the next start, or once PostgreSQL is told to reload.
                with superuser(service) as connection:
                    connection.execute(LET_GO)
                kill(service)
        if hit:
            outcomes = [answer.result() for answer in answers]
            assert [outcome for outcome in outcomes if outcome is not None and outcome.is_success] == []
            return made
    raise AssertionError(f"PostgreSQL did not hold the commits in {ATTEMPTS} attempts")


@contextmanager
def _commits_held(service: Service) -> Iterator[None]:
    with superuser(service) as connection:
        connection.execute(HOLD)
        connection.execute(RELOAD)
    try:
        yield
    finally:
        # Nothing is to be let go where the server was killed.
        with suppress(psycopg.OperationalError), superuser(service) as connection:
            connection.execute(LET_GO)
            connection.execute(RELOAD)


def _settled(service: Service, answers: list[Future[httpx.Response | None]]) -> bool:
    with superuser(service) as connection:
        row = connection.execute(WAITING).fetchone()
    assert row is not None
    return row[0] == len(answers) or any(answer.done() for answer in answers)
