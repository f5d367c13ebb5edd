"""What a lease protects, and what happens to writes under one that is over."""

import uuid
from collections.abc import Callable
from datetime import datetime

import pytest

from orgs.models import Organization
from tests.factories import Answer, Caller, submit_task
from tests.statements import events_of, statements
from tests.tasks.work import (
    Made,
    append,
    append_chunk,
    claim,
    claim_one,
    expire_lease,
    get,
    heartbeat,
    path,
    put_state,
    snapshot,
    under,
)

Write = Callable[[Caller, Made, int], Answer]
WRITES: dict[str, Write] = {
    "user message": lambda caller, task, token: append(caller, task, "user", **under(token)),
    "agent message": lambda caller, task, token: append(caller, task, "agent", **under(token)),
    "artifact": lambda caller, task, token: append_chunk(caller, task, headers=under(token)),
    "later chunk": lambda caller, task, token: append_chunk(caller, task, append=True, headers=under(token)),
    "completion": lambda caller, task, token: put_state(caller, task, "completed", **under(token)),
    "return": lambda caller, task, token: put_state(caller, task, "submitted", **under(token)),
    "no change": lambda caller, task, token: put_state(caller, task, "working", **under(token)),
    "conditional": lambda caller, task, token: put_state(caller, task, "failed", If_Match='"1"', **under(token)),
    "heartbeat": heartbeat,
}


def claim_after_expiry(caller: Caller, organization: Organization, task: Made) -> list[Made]:
    expire_lease(organization, task)
    return claim(caller)


ENDINGS: dict[str, Callable[[Caller, Organization, Made, int], object]] = {
    "claimed again": lambda caller, organization, task, token: claim_after_expiry(caller, organization, task),
    "given back": lambda caller, organization, task, token: put_state(caller, task, "submitted", **under(token)),
    "canceled": lambda caller, organization, task, token: put_state(caller, task, "canceled"),
    "completed": lambda caller, organization, task, token: put_state(caller, task, "completed", **under(token)),
    "waiting": lambda caller, organization, task, token: put_state(caller, task, "input-required", **under(token)),
}


@pytest.fixture
def leased(owner: Caller) -> tuple[Made, int]:
    """A task under a live lease, and its token."""
    submit_task(owner)
    return claim_one(owner)


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
@pytest.mark.parametrize("end", ENDINGS.values(), ids=ENDINGS)
def test_a_write_under_a_lease_that_is_over_is_refused(
    owner: Caller,
    organization: Organization,
    leased: tuple[Made, int],
    end: Callable[[Caller, Organization, Made, int], object],
    write: Write,
) -> None:
    task, token = leased
    append_chunk(owner, task, last_chunk=False, headers=under(token))
    end(owner, organization, task, token)
    before = snapshot(task)

    answer = write(owner, task, token)

    assert (answer.status, answer.code) == (409, "lease-lost")
    assert snapshot(task) == before


@pytest.mark.parametrize("write", WRITES.values(), ids=WRITES)
def test_a_token_that_was_never_given_is_refused(owner: Caller, write: Write) -> None:
    task = submit_task(owner)

    answer = write(owner, task, 1)

    assert (answer.status, answer.code) == (409, "lease-lost")


@pytest.mark.parametrize("name", ["user message", "agent message", "artifact", "completion", "return", "heartbeat"])
def test_the_holder_of_the_lease_writes(owner: Caller, leased: tuple[Made, int], name: str) -> None:
    task, token = leased

    answer = WRITES[name](owner, task, token)

    assert answer.status in (200, 201)


@pytest.mark.parametrize("name", ["user message", "agent message", "artifact", "completion", "return", "heartbeat"])
def test_the_holder_of_an_expired_lease_writes_until_it_is_claimed(
    owner: Caller, organization: Organization, leased: tuple[Made, int], name: str
) -> None:
    task, token = leased
    expire_lease(organization, task)

    answer = WRITES[name](owner, task, token)

    assert answer.status in (200, 201)


@pytest.mark.parametrize(
    "write",
    [
        lambda caller, task: append(caller, task, "agent"),
        append_chunk,
        *[
            lambda caller, task, state=state: put_state(caller, task, state)
            for state in ("submitted", "working", "input-required", "auth-required", "completed", "failed", "rejected")
        ],
    ],
)
def test_a_workers_write_without_the_token_is_refused_while_the_lease_is_live(
    owner: Caller, leased: tuple[Made, int], write: Callable[[Caller, Made], Answer]
) -> None:
    task, _ = leased
    before = snapshot(task)

    answer = write(owner, task)

    assert (answer.status, answer.code) == (409, "task-leased")
    assert snapshot(task) == before


def test_a_users_message_needs_no_token(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased

    answer = append(owner, task, "user")

    assert (answer.status, answer.json["state"]) == (201, "working")
    assert heartbeat(owner, task, token).status == 200


def test_canceling_needs_no_token_and_ends_the_lease(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased

    answer = put_state(owner, task, "canceled")

    assert (answer.status, answer.json["state"]) == (200, "canceled")
    assert heartbeat(owner, task, token).code == "lease-lost"


@pytest.mark.parametrize(
    "write",
    [
        lambda caller, task: append(caller, task, "agent"),
        append_chunk,
        lambda caller, task: put_state(caller, task, "completed"),
    ],
)
def test_a_write_without_the_token_is_done_once_the_lease_has_run_out(
    owner: Caller, organization: Organization, leased: tuple[Made, int], write: Callable[[Caller, Made], Answer]
) -> None:
    task, _ = leased
    expire_lease(organization, task)

    answer = write(owner, task)

    assert answer.status in (200, 201)


def test_a_task_that_is_given_back_has_no_lease(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased

    answer = put_state(owner, task, "submitted", **under(token))

    assert answer.json["state"] == "submitted"
    assert heartbeat(owner, task, token).code == "lease-lost"


def test_a_heartbeat_moves_the_end_of_the_lease(owner: Caller) -> None:
    task = submit_task(owner)
    (item,) = claim(owner)

    answer = heartbeat(owner, task, item["lease_token"], 3600)

    before, after = (datetime.fromisoformat(found["lease_expires_at"]) for found in (item, answer.json))
    assert answer.json == {**answer.json, "task_id": task["id"], "lease_token": item["lease_token"]}
    assert (after - before).total_seconds() > 3500


def test_a_heartbeat_changes_nothing_that_the_etag_stands_for(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased
    before, listed = owner.get(path(task)), owner.get("/tasks")

    heartbeat(owner, task, token, 3600)

    after = owner.get(path(task))
    assert (after.headers["ETag"], after.raw) == (before.headers["ETag"], before.raw)
    assert owner.get("/tasks").raw == listed.raw


def test_a_heartbeat_is_no_generation(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased

    heartbeat(owner, task, token)

    assert get(owner, task)["generation"] == task["generation"] == len(events_of(task["id"]))


def test_a_heartbeat_revives_an_expired_lease_that_nobody_claimed(
    owner: Caller, organization: Organization, leased: tuple[Made, int]
) -> None:
    task, token = leased
    expire_lease(organization, task)

    heartbeat(owner, task, token)

    assert claim(owner) == []


def test_a_heartbeat_is_one_statement(owner: Caller, leased: tuple[Made, int]) -> None:
    task, token = leased

    with statements() as sent:
        heartbeat(owner, task, token)

    assert len(sent) == 1


def test_a_heartbeat_without_a_token_is_refused(owner: Caller, leased: tuple[Made, int]) -> None:
    task, _ = leased

    answer = owner.put(f"{path(task)}/lease", {})

    assert (answer.status, answer.code) == (422, "lease-token-missing")


def test_a_heartbeat_of_an_unknown_task_is_not_found(owner: Caller) -> None:
    answer = heartbeat(owner, {"id": str(uuid.uuid4())}, 1)

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("seconds", [0, 3601])
def test_a_lease_out_of_bounds_is_refused(owner: Caller, leased: tuple[Made, int], seconds: int) -> None:
    task, token = leased

    answer = heartbeat(owner, task, token, seconds)

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize("token", ["0", "-1", "1.0", "one", "", str(2**63), "9" * 30, "\u0661"])
def test_a_token_that_is_no_token_is_refused(owner: Caller, leased: tuple[Made, int], token: str) -> None:
    task, _ = leased

    answer = append(owner, task, Holdfast_Lease_Token=token)

    assert (answer.status, answer.code) == (400, "invalid-header")
