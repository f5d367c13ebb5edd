"""What concurrent claims may not break; each claimer has a connection of its own."""

from collections import Counter
from functools import partial

import pytest

from orgs.models import Organization
from tests.factories import Answer, Caller, submit_task
from tests.statements import at_once, events_of
from tests.tasks.work import append, claim, expire_lease, get, heartbeat, put_state, under

CLAIMERS = 6
TASKS = 40
ROUNDS = 10


def claim_all(caller: Caller, count: int) -> list[str]:
    """Claim until nothing is left; return the ids of what was claimed."""
    found: list[str] = []
    while items := claim(caller, count=count):
        found += [item["task"]["id"] for item in items]
    return found


@pytest.mark.parametrize("count", [1, 3])
def test_concurrent_claimers_lease_each_task_once(owner: Caller, count: int) -> None:
    made = [submit_task(owner) for _ in range(TASKS)]

    claimed = at_once(*(partial(claim_all, owner, count) for _ in range(CLAIMERS)))

    taken = Counter(task_id for ids in claimed if isinstance(ids, list) for task_id in ids)
    assert taken == Counter(task["id"] for task in made)
    assert {get(owner, task)["generation"] for task in made} == {2}
    assert {len(events_of(task["id"])) for task in made} == {2}


def test_concurrent_claimers_of_one_expired_lease_get_one_token(owner: Caller, organization: Organization) -> None:
    task = submit_task(owner)
    claim(owner)
    expire_lease(organization, task)

    claimed = at_once(*(partial(claim, owner) for _ in range(CLAIMERS)))

    tokens = [item["lease_token"] for items in claimed if isinstance(items, list) for item in items]
    assert tokens == [2]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_late_heartbeat_and_a_new_claim_never_both_hold_the_task(
    owner: Caller, organization: Organization, number: int
) -> None:
    task = submit_task(owner)
    (item,) = claim(owner)
    expire_lease(organization, task)

    beat, claimed = at_once(
        partial(heartbeat, owner, task, item["lease_token"]), partial(owner.post, "/tasks/claim", {})
    )

    assert isinstance(beat, Answer)
    assert isinstance(claimed, Answer)
    outcome = (beat.status, [found["lease_token"] for found in claimed.json["items"]])
    assert outcome in ((200, []), (409, [2]))


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_start_without_a_lease_and_a_claim_end_in_a_claimed_task(owner: Caller, number: int) -> None:
    """Whichever comes first, the claimer holds the task; the other has started it before, or is told."""
    task = submit_task(owner)

    started, claimed = at_once(partial(put_state, owner, task, "working"), partial(owner.post, "/tasks/claim", {}))

    assert isinstance(started, Answer)
    assert isinstance(claimed, Answer)
    # A claim passes over a row that is being changed; nothing keeps the next one from the task.
    items = claimed.json["items"] or claim(owner)
    assert [item["lease_token"] for item in items] == [1]
    assert started.status == 200 or started.code == "task-leased"
    assert append(owner, task, "agent").code == "task-leased"


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_late_completion_and_a_new_claim_never_both_succeed(
    owner: Caller, organization: Organization, number: int
) -> None:
    task = submit_task(owner)
    (item,) = claim(owner)
    expire_lease(organization, task)

    completed, claimed = at_once(
        partial(put_state, owner, task, "completed", **under(item["lease_token"])),
        partial(owner.post, "/tasks/claim", {}),
    )

    assert isinstance(completed, Answer)
    assert isinstance(claimed, Answer)
    outcome = (completed.status, [found["lease_token"] for found in claimed.json["items"]], get(owner, task)["state"])
    assert outcome in ((200, [], "completed"), (409, [2], "working"))
