"""GET /tasks/{id}."""

import uuid

import pytest

from tests.factories import Caller, submit_task
from tests.statements import statements
from tests.tasks.work import Made, append, append_chunk, path


@pytest.fixture
def task(owner: Caller) -> Made:
    """A task of five messages."""
    made = submit_task(owner)
    for text in ("two", "three", "four", "five"):
        append(owner, made, text=text)
    return made


def numbers(caller: Caller, task: Made, query: str) -> list[int]:
    return [message["number"] for message in caller.get(f"{path(task)}{query}").json["history"]]


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("", [1, 2, 3, 4, 5]),
        ("?history_length=0", []),
        ("?history_length=1", [5]),
        ("?history_length=3", [3, 4, 5]),
        ("?history_length=5", [1, 2, 3, 4, 5]),
        ("?history_length=1000", [1, 2, 3, 4, 5]),
    ],
)
def test_get_gives_the_last_messages_in_order(owner: Caller, task: Made, query: str, expected: list[int]) -> None:
    assert numbers(owner, task, query) == expected


def test_get_gives_the_last_hundred_when_no_length_is_asked_for(owner: Caller) -> None:
    task = submit_task(owner)
    for _ in range(101):
        append(owner, task)

    assert numbers(owner, task, "") == list(range(3, 103))


@pytest.mark.parametrize("length", ["-1", "1001", "many", ""])
def test_a_history_length_out_of_bounds_is_refused(owner: Caller, task: Made, length: str) -> None:
    answer = owner.get(f"{path(task)}?history_length={length}")

    assert (answer.status, answer.code) == (422, "invalid")


def test_get_gives_the_generation_as_etag(owner: Caller, task: Made) -> None:
    answer = owner.get(path(task))

    assert (answer.json["generation"], answer.headers["ETag"]) == (5, '"5"')


def test_get_with_the_known_etag_answers_304(owner: Caller, task: Made) -> None:
    answer = owner.get(path(task), If_None_Match='"5"')

    assert (answer.status, answer.raw) == (304, b"")


def test_get_with_an_older_etag_answers_the_task(owner: Caller, task: Made) -> None:
    answer = owner.get(path(task), If_None_Match='"4"')

    assert (answer.status, answer.json["generation"]) == (200, 5)


def test_get_of_an_unknown_task_is_not_found(owner: Caller) -> None:
    answer = owner.get(f"/tasks/{uuid.uuid4()}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_get_gives_artifacts_without_their_parts(owner: Caller, task: Made) -> None:
    append_chunk(owner, task, "b", name="second letter")
    append_chunk(owner, task, "a")

    artifacts = owner.get(path(task)).json["artifacts"]

    assert [artifact["artifact_id"] for artifact in artifacts] == ["b", "a"]
    assert "parts" not in artifacts[0]
    assert artifacts[0]["name"] == "second letter"


def test_get_is_one_statement(owner: Caller, task: Made) -> None:
    with statements() as sent:
        owner.get(path(task))

    assert len(sent) == 1
