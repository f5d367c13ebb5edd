"""POST and GET /tasks/{id}/messages."""

import uuid
from functools import partial

import pytest

from tests.factories import Caller, submit_task, text_message
from tests.statements import at_once, events_of, statements
from tests.tasks.work import append, get, path, put_state, task_in

APPENDERS = 8
EACH = 12


def test_append_answers_where_the_message_stands(owner: Caller) -> None:
    task = submit_task(owner)

    answer = owner.post(f"{path(task)}/messages", text_message(message_id="m-2"))

    assert (answer.status, answer.headers["ETag"]) == (201, '"2"')
    assert answer.json | {"created_at": ""} == {
        "task_id": task["id"],
        "message_id": "m-2",
        "number": 2,
        "generation": 2,
        "state": "submitted",
        "created_at": "",
    }


def test_an_appended_message_comes_back_as_it_was_sent(owner: Caller) -> None:
    task = submit_task(owner)
    parts = [{"kind": "data", "data": {"n": 2**80, "text": "é\U0001f600"}}]

    appended = owner.post(f"{path(task)}/messages", {"parts": parts, "role": "agent", "metadata": {"k": [None]}}).json

    message = get(owner, task)["history"][1]
    assert (message["parts"], message["role"], message["metadata"]) == (parts, "agent", {"k": [None]})
    assert (message["message_id"], message["created_at"]) == (appended["message_id"], appended["created_at"])


def test_a_message_belongs_to_the_actor_who_sent_it(owner: Caller, member: Caller) -> None:
    task = submit_task(owner)

    append(member, task)

    assert get(owner, task)["history"][1]["owner_id"] == member.get("/me").json["actor_id"]


def test_append_is_one_statement(owner: Caller) -> None:
    task = submit_task(owner)

    with statements() as sent:
        append(owner, task)

    assert len(sent) == 1


def test_append_to_an_unknown_task_is_not_found(owner: Caller) -> None:
    answer = append(owner, {"id": str(uuid.uuid4())})

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("state", ["input-required", "auth-required"])
def test_a_users_message_puts_a_waiting_task_back_to_submitted(owner: Caller, state: str) -> None:
    task = task_in(owner, state)

    answer = append(owner, task)

    after = get(owner, task)
    assert (answer.json["state"], answer.json["generation"]) == ("submitted", task["generation"] + 1)
    assert (after["state"], after["generation"]) == ("submitted", task["generation"] + 1)
    assert after["state_at"] > task["state_at"]
    assert len(events_of(task["id"])) == task["generation"] + 1


@pytest.mark.parametrize("state", ["input-required", "auth-required"])
def test_an_agents_message_leaves_a_waiting_task_waiting(owner: Caller, state: str) -> None:
    task = task_in(owner, state)

    answer = append(owner, task, "agent")

    after = get(owner, task)
    assert (answer.json["state"], after["state"], after["state_at"]) == (state, state, task["state_at"])


@pytest.mark.parametrize("state", ["submitted", "working"])
def test_a_users_message_leaves_an_active_task_in_its_state(owner: Caller, state: str) -> None:
    task = task_in(owner, state)

    answer = append(owner, task)

    assert (answer.json["state"], get(owner, task)["state_at"]) == (state, task["state_at"])


def test_concurrent_messages_are_numbered_without_gaps_and_none_is_lost(owner: Caller) -> None:
    task = submit_task(owner)

    def write(appender: int) -> list[tuple[int, str]]:
        texts = [f"{appender}/{number}" for number in range(EACH)]
        return [(append(owner, task, text=text).json["number"], text) for text in texts]

    written = at_once(*(partial(write, appender) for appender in range(APPENDERS)))

    acknowledged = {number: text for pairs in written if isinstance(pairs, list) for number, text in pairs}
    history = owner.get(f"{path(task)}?history_length=1000").json["history"][1:]
    assert sorted(acknowledged) == list(range(2, APPENDERS * EACH + 2))
    assert {message["number"]: message["parts"][0]["text"] for message in history} == acknowledged
    assert [message["generation"] for message in history] == list(range(2, APPENDERS * EACH + 2))
    assert [event["facts"]["number"] for event in events_of(task["id"])] == list(range(1, APPENDERS * EACH + 2))


def test_the_messages_are_paged_oldest_first(owner: Caller) -> None:
    task = submit_task(owner)
    for _ in range(4):
        append(owner, task)

    pages = [owner.get(f"{path(task)}/messages?limit=2").json]
    while pages[-1]["next_cursor"]:
        pages.append(owner.get(f"{path(task)}/messages?limit=2&cursor={pages[-1]['next_cursor']}").json)

    assert [[item["number"] for item in page["items"]] for page in pages] == [[1, 2], [3, 4], [5]]


def test_the_list_gives_messages_as_the_history_does(owner: Caller) -> None:
    task = submit_task(owner)
    append(owner, task)

    assert owner.get(f"{path(task)}/messages").json["items"] == get(owner, task)["history"]


def test_a_cursor_of_another_tasks_messages_is_refused(owner: Caller) -> None:
    task, other = submit_task(owner), submit_task(owner)
    append(owner, task)
    cursor = owner.get(f"{path(task)}/messages?limit=1").json["next_cursor"]

    answer = owner.get(f"{path(other)}/messages?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_the_messages_are_three_queries_beside_the_tenancy(owner: Caller) -> None:
    task = submit_task(owner)

    with statements() as sent:
        owner.get(f"{path(task)}/messages")

    assert len(sent) == 4


def test_the_messages_of_a_task_that_has_ended_stay_readable(owner: Caller) -> None:
    task = submit_task(owner)
    put_state(owner, task, "completed")

    assert [item["number"] for item in owner.get(f"{path(task)}/messages").json["items"]] == [1]


def test_a_repeated_append_with_its_key_appends_once(owner: Caller) -> None:
    task = submit_task(owner)

    first = append(owner, task, Idempotency_Key="k1")
    again = append(owner, task, Idempotency_Key="k1")

    assert again.raw == first.raw
    assert get(owner, task)["message_count"] == 2
