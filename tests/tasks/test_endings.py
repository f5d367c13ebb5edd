"""Writers that race to end a task: it ends once, and stays ended; what was acknowledged is there."""

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from tests.factories import Answer, Caller, submit_task
from tests.statements import at_once, events_of
from tests.tasks.work import ENDINGS, Made, append, append_chunk, claim_one, get, path, put_state, task_in, under

ROUNDS = 20  # of each race; 100 and more were run while this was written

ALREADY_ENDED = {"task-terminal", "lease-lost"}


def check_that_it_ended_once(caller: Caller, task: Made, answers: list[Answer], endings: list[Answer]) -> None:
    refusals = {answer.code for answer in answers if answer.status >= 400}
    assert refusals <= ALREADY_ENDED
    won = [answer for answer in endings if answer.status == 200]
    assert len(won) == 1
    after = get(caller, task)
    assert after["state"] == won[0].json["state"]
    events = events_of(task["id"])
    assert [event["generation"] for event in events] == list(range(1, after["generation"] + 1))
    assert [event["type"] in ENDINGS for event in events].index(True) == len(events) - 1
    check_that_each_change_begins_where_the_last_one_ended([event["facts"] for event in events])


def check_that_each_change_begins_where_the_last_one_ended(facts: list[dict[str, Any]]) -> None:
    for number in range(1, len(facts)):
        if "from" in facts[number]:
            assert facts[number]["from"] == facts[number - 1]["state"]


def check_that_nothing_acknowledged_is_lost(caller: Caller, task: Made, appends: list[Answer]) -> None:
    acknowledged = {answer.json["number"]: answer.json["message_id"] for answer in appends if answer.status == 201}
    stored = {item["number"]: item["message_id"] for item in caller.get(f"{path(task)}/messages").json["items"]}
    assert acknowledged.items() <= stored.items()
    assert sorted(stored) == list(range(1, len(acknowledged) + 2))


def race(*works: Callable[[], Answer]) -> list[Answer]:
    answers = at_once(*works)
    failures = [answer for answer in answers if not isinstance(answer, Answer)]
    assert not failures
    return [answer for answer in answers if isinstance(answer, Answer)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_completing_canceling_and_appending_end_a_task_once(owner: Caller, number: int) -> None:
    task = submit_task(owner)
    _, token = claim_one(owner)

    completed, canceled, user, agent = race(
        partial(put_state, owner, task, "completed", **under(token)),
        partial(put_state, owner, task, "canceled"),
        partial(append, owner, task, "user"),
        partial(append, owner, task, "agent", **under(token)),
    )

    check_that_it_ended_once(owner, task, [completed, canceled, user, agent], [completed, canceled])
    check_that_nothing_acknowledged_is_lost(owner, task, [user, agent])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_continued_task_that_is_canceled_is_not_resurrected(owner: Caller, number: int) -> None:
    task = task_in(owner, "input-required")

    canceled, continued, failed = race(
        partial(put_state, owner, task, "canceled"),
        partial(append, owner, task, "user"),
        partial(put_state, owner, task, "failed"),
    )

    check_that_it_ended_once(owner, task, [canceled, continued, failed], [canceled, failed])
    check_that_nothing_acknowledged_is_lost(owner, task, [continued])


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_task_that_is_claimed_while_it_is_canceled_stays_canceled(owner: Caller, number: int) -> None:
    task = submit_task(owner)

    claimed, canceled = race(
        partial(owner.post, "/tasks/claim", {}),
        partial(put_state, owner, task, "canceled"),
    )

    check_that_it_ended_once(owner, task, [claimed, canceled], [canceled])
    for item in claimed.json["items"]:
        late = append_chunk(owner, task, headers=under(item["lease_token"]))
        assert (late.status, late.code) == (409, "lease-lost")
