"""Answers stay bearable however much a task holds: history, pages and claims end at 8 MiB, metadata at 64 KiB."""

import secrets
from functools import partial
from typing import Any

import pytest

from api.metadata import MAX_METADATA_BYTES
from api.requests import MIB
from orgs.authentication import authenticate_key
from orgs.models import Organization
from tasks import hot_paths
from tests.factories import Answer, Caller, submit_task, text_message
from tests.statements import at_once, system_rows
from tests.tasks.test_growth import pages
from tests.tasks.work import Made, append, append_chunk, claim, get, key_of, path

MOST = 8 * MIB
LARGE = 1_000_000  # bytes; eight of these fit
FEW, MANY = 9, 18
WRITERS = 6
SUMS = """
SELECT bytes_before, sum(octet_length(parts::text) + octet_length({metadata}::text)) OVER (ORDER BY number)
FROM {table} WHERE task_id = %s ORDER BY number
"""


def task_of(caller: Caller, count: int) -> Made:
    """Return a task of so many messages, all but the first large."""
    task = submit_task(caller)
    for number in range(2, count + 1):
        assert append(caller, task, text=chr(64 + number) * LARGE).status == 201
    return task


def numbers(answer: Answer) -> list[int]:
    return [message["number"] for message in answer.json["history"]]


def followed(caller: Caller, listing: str) -> list[Made]:
    """Return the listing's pages."""
    found = [caller.get(listing).json]
    while found[-1]["next_cursor"]:
        found.append(caller.get(f"{listing}?cursor={found[-1]['next_cursor']}").json)
    return found


def test_a_history_ends_where_the_newest_messages_fill_8_mib(owner: Caller) -> None:
    task = task_of(owner, 11)

    answer = owner.get(path(task))

    assert (numbers(answer), answer.json["history_truncated"]) == (list(range(4, 12)), True)
    assert len(answer.raw) < MOST + 16_384


def test_a_history_that_fits_is_not_truncated(owner: Caller) -> None:
    task = task_of(owner, 11)

    last, all_there = owner.get(f"{path(task)}?history_length=8"), get(owner, submit_task(owner))

    assert (numbers(last), last.json["history_truncated"]) == (list(range(4, 12)), False)
    assert all_there["history_truncated"] is False


def test_the_newest_message_is_given_however_large(owner: Caller) -> None:
    task = submit_task(owner)
    parts = [{"text": "x" * (MOST + 1)}]
    principal = authenticate_key(owner.key)
    hot_paths.append_message(principal, key_of(task), message_id="m", role="user", parts=parts, metadata={})

    answer = owner.get(path(task))

    assert (numbers(answer), answer.json["history_truncated"]) == ([2], True)


def test_messages_that_do_not_fit_are_not_read(owner: Caller, organization: Organization) -> None:
    short, long = submit_task(owner), submit_task(owner)
    for task, count in ((short, FEW), (long, MANY)):
        for _ in range(count):
            # Of no pattern, so that it is stored as long as it is.
            append(owner, task, text=secrets.token_hex(LARGE // 2))

    few, many = (pages("SELECT * FROM tasks_get(%s, %s, 1000)", organization.id, task["id"]) for task in (short, long))

    assert len(get(owner, long)["history"]) == 8
    # As many as one large message has.
    assert many <= few + LARGE // 8192


def test_a_page_of_messages_ends_with_the_one_that_passes_8_mib(owner: Caller) -> None:
    task = task_of(owner, 20)

    found = followed(owner, f"{path(task)}/messages")

    assert [[item["number"] for item in page["items"]] for page in found] == [
        list(range(1, 11)),
        list(range(11, 20)),
        [20],
    ]


def test_a_page_of_chunks_ends_with_the_one_that_passes_8_mib(owner: Caller) -> None:
    task = submit_task(owner)
    for number in range(1, 11):
        append_chunk(owner, task, parts=[{"text": "x" * LARGE}], append=number > 1, last_chunk=False)

    found = followed(owner, f"{path(task)}/artifacts/report/chunks")

    assert [[item["number"] for item in page["items"]] for page in found] == [list(range(1, 10)), [10]]


def test_a_page_of_a_task_without_chunks_left_is_empty(owner: Caller) -> None:
    """A cursor at the end of what there is, such as one that a restored backup lies behind."""
    task = submit_task(owner)
    append(owner, task)
    cursor = owner.get(f"{path(task)}/messages?limit=1").json["next_cursor"]
    system_rows("DELETE FROM tasks_message WHERE task_id = %s AND number > 1", task["id"])

    assert owner.get(f"{path(task)}/messages?cursor={cursor}").json == {"items": [], "next_cursor": None}


def test_a_claim_leases_no_more_tasks_than_8_mib_hold(owner: Caller) -> None:
    made = [task_of(owner, 6) for _ in range(3)]

    first = owner.post("/tasks/claim", {"count": 20})
    second = claim(owner, count=20)

    assert [item["task"]["id"] for item in first.json["items"]] == [task["id"] for task in made[:2]]
    assert len(first.raw) < 2 * MOST
    assert [item["task"]["id"] for item in second] == [made[2]["id"]]


def test_concurrent_writers_leave_exact_sums(owner: Caller) -> None:
    task = submit_task(owner, message={"parts": [{"text": "é\u2028"}], "metadata": {"n": 1e22}})
    append_chunk(owner, task, last_chunk=False)

    def write(writer: int) -> None:
        for number in range(8):
            append(owner, task, text="é" * writer * number)
            append_chunk(owner, task, parts=[{"text": "x" * writer * number}], append=True, last_chunk=False)

    assert at_once(*(partial(write, writer) for writer in range(WRITERS))) == [None] * WRITERS

    messages = system_rows(SUMS.format(table="tasks_message", metadata="metadata"), task["id"])
    chunks = system_rows(SUMS.format(table="tasks_artifactchunk", metadata="''"), task["id"])
    for found, total in ((messages, "tasks_task WHERE id"), (chunks, "tasks_artifact WHERE task_id")):
        starts, ends = [start for start, _ in found], [int(end) for _, end in found]
        column = "message_bytes" if found is messages else "chunk_bytes"
        assert starts == [0, *ends[:-1]]
        assert system_rows(f"SELECT {column} FROM {total} = %s", task["id"]) == [(ends[-1],)]


def metadata_of(size: int) -> dict[str, str]:
    """Return metadata that takes exactly so many bytes as JSON."""
    return {"é": "x" * (size - len('{"é":""}'.encode()))}


MAKERS: dict[str, tuple[str, Any]] = {
    "session": ("metadata", lambda caller, given: caller.post("/sessions", {"metadata": given})),
    "task": ("metadata", lambda caller, given: caller.post("/tasks", {"message": text_message(), "metadata": given})),
    "first message": (
        "message.metadata",
        lambda caller, given: caller.post("/tasks", {"message": text_message(metadata=given)}),
    ),
    "message": (
        "metadata",
        lambda caller, given: caller.post(f"{path(submit_task(caller))}/messages", text_message(metadata=given)),
    ),
    "artifact": ("metadata", lambda caller, given: append_chunk(caller, submit_task(caller), metadata=given)),
}


@pytest.mark.parametrize(("field", "make"), MAKERS.values(), ids=MAKERS)
def test_metadata_takes_64_kib(owner: Caller, field: str, make: Any) -> None:
    fits, larger = (make(owner, metadata_of(MAX_METADATA_BYTES + more)) for more in (0, 1))

    assert fits.status == 201
    assert (larger.status, larger.code) == (422, "invalid")
    assert [error["field"] for error in larger.json["errors"]] == [field]
