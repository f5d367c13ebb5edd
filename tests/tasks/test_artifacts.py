"""POST and GET /tasks/{id}/artifacts, and the chunks of one."""

import uuid
from collections import Counter
from functools import partial
from typing import Any

import pytest

from tests.factories import Answer, Caller, submit_task
from tests.statements import at_once, events_of, statements
from tests.tasks.work import append, append_chunk, get, path, put_state, snapshot

WRITERS = 6
CHUNKS = 10


def texts(caller: Caller, artifact: str) -> list[str]:
    return [chunk["parts"][0]["text"] for chunk in caller.get(f"{artifact}/chunks?limit=100").json["items"]]


def test_the_first_chunk_makes_the_artifact(owner: Caller) -> None:
    task = submit_task(owner)

    answer = append_chunk(owner, task, name="Report", description="All of it", metadata={"n": 2**70})

    made = answer.json
    assert (answer.status, answer.headers["ETag"]) == (201, '"2"')
    assert (made["name"], made["description"], made["metadata"]) == ("Report", "All of it", {"n": 2**70})
    assert (made["chunk_count"], made["complete"], made["generation"]) == (1, True, 2)
    assert owner.get(answer.headers["Location"]).json == made


def test_an_artifact_without_an_id_is_given_one(owner: Caller) -> None:
    task = submit_task(owner)

    made = owner.post(f"{path(task)}/artifacts", {"parts": [{}]}).json

    assert owner.get(f"{path(task)}/artifacts/{made['artifact_id']}").status == 200


def test_later_chunks_are_appended_until_the_last(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, parts=[{"text": "a"}], name="kept", last_chunk=False)
    open_still = append_chunk(owner, task, parts=[{"text": "b"}], append=True, last_chunk=False).json

    last = append_chunk(owner, task, parts=[{"text": "c"}], append=True, last_chunk=True).json

    assert (open_still["chunk_count"], open_still["complete"]) == (2, False)
    assert (last["chunk_count"], last["complete"], last["name"], last["generation"]) == (3, True, "kept", 4)
    assert texts(owner, f"{path(task)}/artifacts/report") == ["a", "b", "c"]


def test_a_first_chunk_of_an_artifact_that_exists_is_refused(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task)
    before = snapshot(task)

    answer = append_chunk(owner, task)

    assert (answer.status, answer.code) == (409, "artifact-exists")
    assert snapshot(task) == before


def test_a_later_chunk_of_an_artifact_that_is_not_there_is_refused(owner: Caller) -> None:
    task = submit_task(owner)
    before = snapshot(task)

    answer = append_chunk(owner, task, append=True)

    assert (answer.status, answer.code) == (404, "artifact-not-found")
    assert snapshot(task) == before


def test_a_chunk_after_the_last_is_refused(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, last_chunk=True)
    before = snapshot(task)

    answer = append_chunk(owner, task, append=True)

    assert (answer.status, answer.code) == (409, "artifact-complete")
    assert snapshot(task) == before


def test_a_refused_artifact_leaves_no_gap_in_the_numbers(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, "a")
    append_chunk(owner, task, "a")

    append_chunk(owner, task, "b")

    after = get(owner, task)
    assert (after["artifact_count"], after["generation"]) == (2, 3)
    assert [artifact["artifact_id"] for artifact in after["artifacts"]] == ["a", "b"]


@pytest.mark.parametrize("fields", [{"name": ""}, {"description": "Late"}, {"metadata": {}}])
def test_what_belongs_to_the_first_chunk_is_refused_with_a_later_one(owner: Caller, fields: dict[str, Any]) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, last_chunk=False)

    answer = append_chunk(owner, task, append=True, **fields)

    assert (answer.status, answer.code) == (422, "invalid")
    assert [error["field"] for error in answer.json["errors"]] == list(fields)


def test_a_chunk_is_appended_if_the_task_is_what_the_caller_knows(owner: Caller) -> None:
    task = submit_task(owner)
    first = append_chunk(owner, task, last_chunk=False)

    matching = {"If_Match": first.headers["ETag"]}
    done = append_chunk(owner, task, append=True, last_chunk=False, headers=matching)
    stale = append_chunk(owner, task, append=True, last_chunk=False, headers=matching)

    assert (done.status, done.headers["ETag"]) == (201, owner.get(path(task)).headers["ETag"])
    assert (stale.status, stale.code) == (412, "precondition-failed")


def test_an_artifacts_etag_changes_with_its_chunks_only(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, last_chunk=False)
    artifact = f"{path(task)}/artifacts/report"
    first = owner.get(artifact).headers["ETag"]

    append(owner, task)
    after_message = owner.get(artifact).headers["ETag"]
    append_chunk(owner, task, append=True)

    assert (first, after_message, owner.get(artifact).headers["ETag"]) == ('"chunks-1"', '"chunks-1"', '"chunks-2"')


def test_an_artifacts_etag_matches_no_task(owner: Caller) -> None:
    """Not even one that has as many generations as the artifact has chunks."""
    task = submit_task(owner)
    append_chunk(owner, task, last_chunk=False)
    append_chunk(owner, task, append=True, last_chunk=False)
    before = snapshot(task)
    known = owner.get(f"{path(task)}/artifacts/report").headers["ETag"]

    answer = append_chunk(owner, task, append=True, headers={"If_Match": known})

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert snapshot(task) == before


def test_an_artifact_of_an_unknown_task_is_not_found(owner: Caller) -> None:
    answer = append_chunk(owner, {"id": str(uuid.uuid4())})

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize(
    "fields",
    [{"parts": []}, {"artifact_id": "a/b"}, {"artifact_id": ""}, {"name": "x" * 501}, {"append": "yes please"}],
)
def test_an_artifact_out_of_form_is_refused(owner: Caller, fields: dict[str, Any]) -> None:
    answer = append_chunk(owner, submit_task(owner), **fields)

    assert (answer.status, answer.code) == (422, "invalid")


def test_the_same_artifact_id_serves_in_two_tasks(owner: Caller) -> None:
    first, second = submit_task(owner), submit_task(owner)

    answers = [append_chunk(owner, first, parts=[{"text": "a"}]), append_chunk(owner, second, parts=[{"text": "b"}])]

    assert [answer.status for answer in answers] == [201, 201]
    assert texts(owner, f"{path(second)}/artifacts/report") == ["b"]


def test_an_append_of_a_chunk_is_one_statement(owner: Caller) -> None:
    task = submit_task(owner)

    with statements() as sent:
        append_chunk(owner, task, last_chunk=False)
        append_chunk(owner, task, append=True)

    assert len(sent) == 2


def test_the_artifacts_are_paged_in_the_order_they_were_begun(owner: Caller) -> None:
    task = submit_task(owner)
    for name in ("c", "a", "b"):
        append_chunk(owner, task, name)

    first = owner.get(f"{path(task)}/artifacts?limit=2").json
    second = owner.get(f"{path(task)}/artifacts?limit=2&cursor={first['next_cursor']}").json

    assert [item["artifact_id"] for item in first["items"]] == ["c", "a"]
    assert ([item["artifact_id"] for item in second["items"]], second["next_cursor"]) == (["b"], None)


def test_the_chunks_are_paged_in_order(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, last_chunk=False)
    for _ in range(2):
        append_chunk(owner, task, append=True, last_chunk=False)
    chunks = f"{path(task)}/artifacts/report/chunks"

    first = owner.get(f"{chunks}?limit=2").json
    second = owner.get(f"{chunks}?limit=2&cursor={first['next_cursor']}").json

    assert [item["number"] for item in first["items"]] == [1, 2]
    assert ([item["number"] for item in second["items"]], second["next_cursor"]) == ([3], None)


def test_the_lists_are_two_and_three_queries_beside_the_tenancy(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task)

    with statements() as sent:
        owner.get(f"{path(task)}/artifacts")
        owner.get(f"{path(task)}/artifacts/report/chunks")

    assert len(sent) == 7


def test_an_artifact_that_is_not_there_is_not_found(owner: Caller) -> None:
    task = submit_task(owner)

    answers = [owner.get(f"{path(task)}/artifacts/none"), owner.get(f"{path(task)}/artifacts/none/chunks")]

    assert {(answer.status, answer.code) for answer in answers} == {(404, "not-found")}


def test_concurrent_chunks_are_numbered_without_gaps(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task, parts=[{"text": "first"}], last_chunk=False)

    def write(writer: int) -> list[int]:
        chunks = ([{"text": f"{writer}/{number}"}] for number in range(CHUNKS))
        return [append_chunk(owner, task, parts=parts, append=True, last_chunk=False).status for parts in chunks]

    statuses = at_once(*(partial(write, writer) for writer in range(WRITERS)))

    assert statuses == [[201] * CHUNKS] * WRITERS
    expected = {"first"} | {f"{writer}/{number}" for writer in range(WRITERS) for number in range(CHUNKS)}
    assert set(texts(owner, f"{path(task)}/artifacts/report")) == expected
    events = events_of(task["id"])[1:]
    assert [event["generation"] for event in events] == list(range(2, WRITERS * CHUNKS + 3))
    assert [event["facts"]["chunk"] for event in events] == list(range(1, WRITERS * CHUNKS + 2))


def test_of_concurrent_first_chunks_of_one_artifact_one_is_taken(owner: Caller) -> None:
    task = submit_task(owner)

    answers = at_once(*(partial(append_chunk, owner, task) for _ in range(WRITERS)))

    statuses = Counter(answer.status for answer in answers if isinstance(answer, Answer))
    assert statuses == {201: 1, 409: WRITERS - 1}
    after = get(owner, task)
    assert (after["artifact_count"], after["generation"]) == (1, 2)


def test_the_artifacts_of_a_task_that_has_ended_stay_readable(owner: Caller) -> None:
    task = submit_task(owner)
    append_chunk(owner, task)
    put_state(owner, task, "completed")

    assert texts(owner, f"{path(task)}/artifacts/report") == ["chunk"]
