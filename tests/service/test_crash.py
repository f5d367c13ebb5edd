"""The service is killed in the middle of writes, again and again; afterwards every acknowledged write is there."""

import random
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from tests.factories import text_message
from tests.operations.service import PATIENCE, Service, eventually
from tests.service.live import back, client, kill_everything, kill_postgres, kill_web, new_key, superuser
from tests.service.unanswered import kill_unanswered, posts
from tests.service.writers import API, MessageWriter, StateWriter, SubmitWriter, Writer

ROUNDS = 4
ALL_ROUNDS = 25
KILLS = (kill_web, kill_postgres, kill_everything)
# A kill comes after that many more acknowledged writes: a random moment, and never before there is work under way.
WRITES_BEFORE = range(20, 150)
WRITES_AFTER = 40

# Subjects whose generations or numbers do not agree with the rows of their events and messages.
BROKEN = """
    SELECT s.id FROM (SELECT id, generation FROM tasks_task UNION ALL
                      SELECT id, generation FROM sessions_store_session) s
    LEFT JOIN events_event e ON e.subject_id = s.id
    GROUP BY s.id, s.generation
    HAVING count(e.id) <> s.generation OR min(e.generation) <> 1 OR max(e.generation) <> s.generation
    UNION ALL
    SELECT t.id FROM tasks_task t LEFT JOIN tasks_message m ON m.task_id = t.id
    GROUP BY t.id, t.message_count
    HAVING count(m.number) <> t.message_count OR min(m.number) <> 1 OR max(m.number) <> t.message_count
"""


@dataclass
class Round:
    """The writers of one round, and what must be there of their writes."""

    task_id: str
    states: list[StateWriter]
    submits: list[SubmitWriter]
    messages: list[MessageWriter]

    @property
    def writers(self) -> list[Writer]:
        return [*self.states, *self.submits, *self.messages]

    def acknowledged(self) -> int:
        return sum(len(writer.ledger.acknowledged) for writer in self.writers)

    def await_writes(self, count: int) -> None:
        """Wait until so many more writes were acknowledged, and some of each writer."""
        enough = self.acknowledged() + count
        eventually(lambda: bool(self.unexpected()) or self._has(enough), f"{count} more writes")

    def _has(self, count: int) -> bool:
        return self.acknowledged() >= count and all(writer.ledger.acknowledged for writer in self.writers)

    def unexpected(self) -> list[str]:
        return [answer for writer in self.writers for answer in writer.ledger.unexpected]


def _begin(service: Service, key: str) -> Round:
    with client(service, key) as setup:
        task_id = setup.post(f"{API}/tasks", json={"message": text_message()}).raise_for_status().json()["id"]
    made = Round(
        task_id,
        states=[StateWriter(client(service, key)) for _ in range(2)],
        submits=[SubmitWriter(client(service, key)) for _ in range(2)],
        messages=[MessageWriter(client(service, key), task_id) for _ in range(3)],
    )
    for writer in made.writers:
        writer.start()
    return made


def _all(api: httpx.Client, path: str, **filters: str) -> Iterator[dict[str, Any]]:
    params = {"limit": "100", **filters}
    while True:
        page = api.get(f"{API}{path}", params=params).raise_for_status().json()
        yield from page["items"]
        if page["next_cursor"] is None:
            return
        params["cursor"] = page["next_cursor"]


def _check_states(api: httpx.Client, writer: StateWriter) -> None:
    events = {event["generation"]: event for event in _all(api, f"/sessions/{writer.session_id}/events")}
    session = api.get(f"{API}/sessions/{writer.session_id}").raise_for_status().json()
    last = writer.ledger.acknowledged[-1]

    assert sorted(events) == list(range(1, session["generation"] + 1))
    for one in writer.ledger.acknowledged:
        assert events[one.generation]["request_id"] == one.request_id
    # Later than the last acknowledged write there can only be one whose answer was lost.
    if session["generation"] == last.generation:
        assert session["state"]["name"] == last.name
    else:
        assert session["state"]["name"] in writer.ledger.uncertain


def _check_submits(api: httpx.Client, writer: SubmitWriter) -> None:
    listed = list(_all(api, "/tasks", context_id=writer.context_id))
    found = Counter(task["metadata"].get("name") for task in listed)
    by_name = {task["metadata"].get("name"): task for task in listed}

    for one in writer.ledger.acknowledged:
        assert by_name[one.name]["id"] == one.answer["id"]
        assert by_name[one.name]["message_count"] == 1
    assert [name for name, count in found.items() if count > 1] == []
    names = {one.name for one in writer.ledger.acknowledged}
    assert set(found) - {None} - names <= writer.ledger.uncertain - writer.ledger.keyed


def _check_messages(api: httpx.Client, task_id: str, writers: list[MessageWriter]) -> None:
    messages = list(_all(api, f"/tasks/{task_id}/messages"))
    by_number = {message["number"]: message["message_id"] for message in messages}
    acknowledged = [one for writer in writers for one in writer.ledger.acknowledged]
    uncertain = {name for writer in writers for name in writer.ledger.uncertain - writer.ledger.keyed}

    assert [message["number"] for message in messages] == list(range(1, len(messages) + 1))
    for one in acknowledged:
        assert by_number[one.answer["number"]] == one.name
    found = Counter(message["message_id"] for message in messages[1:])
    assert [name for name, count in found.items() if count > 1] == []
    assert set(found) - {one.name for one in acknowledged} <= uncertain


def _check(service: Service, key: str, finished: Round) -> None:
    with client(service, key) as api:
        for state in finished.states:
            _check_states(api, state)
        for submit in finished.submits:
            _check_submits(api, submit)
        _check_messages(api, finished.task_id, finished.messages)
    with superuser(service) as connection:
        assert connection.execute(BROKEN).fetchall() == []


def _crash_again_and_again(service: Service, rounds: int, seed: int) -> None:
    key, chance = new_key(service), random.Random(seed)
    finished: list[Round] = []
    for number in range(rounds):
        kill = KILLS[number % len(KILLS)]
        current = _begin(service, key)
        try:
            current.await_writes(chance.choice(WRITES_BEFORE))
            kill(service)
            back(service)
            current.await_writes(WRITES_AFTER)
        finally:
            for writer in current.writers:
                writer.stop(PATIENCE)
        assert current.unexpected() == [], f"round {number}, {kill.__name__}, seed {seed}"
        _check(service, key, current)
        finished.append(current)
    # What was there after its own crash is also there after all the later ones.
    for earlier in finished:
        _check(service, key, earlier)


@pytest.fixture
def seed() -> int:
    """Another one in each run, shown when the test fails."""
    return random.SystemRandom().randrange(2**32)


def test_every_acknowledged_write_is_there_after_each_kill(service: Service, seed: int) -> None:
    _crash_again_and_again(service, ROUNDS, seed)


@pytest.mark.slow
def test_every_acknowledged_write_is_there_after_many_kills(service: Service, seed: int) -> None:
    _crash_again_and_again(service, ALL_ROUNDS, seed)


@pytest.mark.parametrize("kill", KILLS)
def test_a_post_killed_between_commit_and_answer_takes_effect_once(
    service: Service, kill: Callable[[Service], None]
) -> None:
    key = new_key(service)
    with client(service, key) as api:
        task = api.post(f"{API}/tasks", json={"message": text_message()}).raise_for_status().json()

    committed = kill_unanswered(service, key, lambda: posts(service, key, task, f"name-{uuid.uuid4().hex}"), kill)
    back(service)
    before = [post.effects() for post in committed]
    repeated = [post.send(service, key) for post in committed]

    assert before == [1, 1, 1, 1]
    assert [post.effects() for post in committed] == [1, 1, 1, 1]
    assert [answer and (answer.status_code, answer.headers["Idempotency-Replayed"]) for answer in repeated] == [
        (201, "true")
    ] * 4
    with superuser(service) as connection:
        assert connection.execute(BROKEN).fetchall() == []
