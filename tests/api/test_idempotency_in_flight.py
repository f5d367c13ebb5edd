"""Two calls with one Idempotency-Key at the same time, and one whose connection dies before its answer is kept."""

import threading
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections

from orgs import tenancy
from orgs.models import Organization
from tests.factories import Answer, Caller, submit_task, text_message
from tests.statements import at_once, elsewhere, rows, wait_until_someone_waits


class InFlight:
    """A POST that runs in a thread of its own and waits there for a row that this test has locked."""

    def __init__(self, work: Callable[[], Answer]) -> None:
        self.answers: list[Answer] = []
        self.backend = 0
        self.thread = threading.Thread(target=self._run, args=[work])
        self.thread.start()

    def _run(self, work: Callable[[], Answer]) -> None:
        try:
            connection.ensure_connection()
            self.backend = connection.connection.info.backend_pid
            self.answers.append(work())
        finally:
            connections.close_all()

    def answer(self) -> Answer:
        self.thread.join(30)
        [answer] = self.answers
        return answer


@pytest.fixture
def task(owner: Caller) -> dict[str, Any]:
    return submit_task(owner)


@pytest.fixture
def append(owner: Caller, task: dict[str, Any]) -> Callable[[], Answer]:
    key = f"key-{uuid.uuid4().hex}"
    return lambda: owner.post(f"/tasks/{task['id']}/messages", text_message(), Idempotency_Key=key)


def lock(task: dict[str, Any]) -> None:
    rows("SELECT id FROM tasks_task WHERE id = %s FOR UPDATE", task["id"])


def test_a_repeat_while_the_first_call_runs_is_refused(
    owner: Caller, organization: Organization, task: dict[str, Any], append: Callable[[], Answer]
) -> None:
    with tenancy.organization(organization.id):
        lock(task)
        first = InFlight(append)
        wait_until_someone_waits()

        repeat = elsewhere(append)

    assert (repeat.status, repeat.code) == (409, "idempotency-key-in-flight")
    assert first.answer().status == 201


def test_the_repeat_gets_the_first_answer_once_it_is_given(
    owner: Caller, organization: Organization, task: dict[str, Any], append: Callable[[], Answer]
) -> None:
    with tenancy.organization(organization.id):
        lock(task)
        first = InFlight(append)
        wait_until_someone_waits()

    repeat = (first.answer(), append())[1]

    assert repeat.headers["Idempotency-Replayed"] == "true"
    assert repeat.raw == first.answer().raw
    assert owner.get(f"/tasks/{task['id']}").json["message_count"] == 2


def test_of_many_at_once_one_works_and_the_others_do_nothing(
    owner: Caller, task: dict[str, Any], append: Callable[[], Answer]
) -> None:
    answers = [answer for answer in at_once(*[append] * 6) if isinstance(answer, Answer)]

    fresh = [one for one in answers if one.status == 201 and "Idempotency-Replayed" not in one.headers]
    others = [one for one in answers if one not in fresh]
    assert (len(answers), len(fresh)) == (6, 1)
    assert all(one.status == 201 or one.code == "idempotency-key-in-flight" for one in others)
    assert owner.get(f"/tasks/{task['id']}").json["message_count"] == 2


def test_a_call_whose_connection_dies_leaves_nothing_and_its_key_free(
    owner: Caller, organization: Organization, task: dict[str, Any], append: Callable[[], Answer]
) -> None:
    with tenancy.organization(organization.id):
        lock(task)
        first = InFlight(append)
        wait_until_someone_waits()
        # From a connection that has not taken the role of requests, which may end no other.
        elsewhere(lambda: rows("SELECT pg_terminate_backend(%s)", first.backend))
        died = first.answer()

    again = append()

    assert (died.status, died.code) == (503, "database-unavailable")
    assert again.status == 201
    assert "Idempotency-Replayed" not in again.headers
    assert owner.get(f"/tasks/{task['id']}").json["message_count"] == 2
