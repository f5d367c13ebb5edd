"""What concurrent writers of one session may not break; each has a connection of its own."""

from collections import Counter
from functools import partial

from orgs import tenancy
from orgs.models import Organization
from sessions_store.models import Session
from tests.factories import Answer, Caller, create_session
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, events_of, wait_until_someone_waits

WRITERS = 8
PATCHES = 13  # for each writer: 104 in all


def test_a_hundred_concurrent_patches_lose_no_update(owner: Caller) -> None:
    session = create_session(owner)

    def write(writer: int) -> list[int]:
        path = f"/sessions/{session['id']}/state"
        return [owner.patch(path, {f"{writer}": {f"{number}": number}}).status for number in range(PATCHES)]

    statuses = at_once(*(partial(write, writer) for writer in range(WRITERS)))

    assert statuses == [[200] * PATCHES] * WRITERS
    everything = {f"{writer}": {f"{number}": number for number in range(PATCHES)} for writer in range(WRITERS)}
    assert owner.get(f"/sessions/{session['id']}").json["state"] == everything
    generations = [event["generation"] for event in events_of(session["id"])]
    assert generations == list(range(1, WRITERS * PATCHES + 2))


def test_of_concurrent_conditional_writes_exactly_one_wins(owner: Caller) -> None:
    session = create_session(owner)

    def write(writer: int) -> Answer:
        return owner.put(f"/sessions/{session['id']}/state", {"winner": writer}, If_Match='"1"')

    answers = at_once(*(partial(write, writer) for writer in range(WRITERS)))

    statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
    assert Counter(statuses) == {200: 1, 412: WRITERS - 1}
    after = owner.get(f"/sessions/{session['id']}").json
    assert (after["generation"], after["state"]) == (2, {"winner": statuses.index(200)})
    assert len(events_of(session["id"])) == 2


def test_of_concurrent_conditional_patches_exactly_one_wins(owner: Caller) -> None:
    session = create_session(owner)

    def write(writer: int) -> Answer:
        return owner.patch(f"/sessions/{session['id']}/state", {f"{writer}": 1}, If_Match='"1"')

    answers = at_once(*(partial(write, writer) for writer in range(WRITERS)))

    statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
    assert Counter(statuses) == {200: 1, 412: WRITERS - 1}
    assert owner.get(f"/sessions/{session['id']}").json["state"] == {f"{statuses.index(200)}": 1}


def test_a_patch_that_waited_for_a_put_is_merged_into_what_the_put_wrote(
    owner: Caller, organization: Organization
) -> None:
    session = create_session(owner, state={"old": True})
    path = f"/sessions/{session['id']}/state"

    def hold_and_put() -> None:
        with tenancy.organization(organization.id):
            Session.objects.select_for_update().get(id=session["id"])
            wait_until_someone_waits()
            Session.objects.filter(id=session["id"]).update(state={"new": True})

    def patch() -> int:
        wait_until_held(Session, organization.id, session["id"])
        return owner.patch(path, {"patched": True}).status

    _, status = at_once(hold_and_put, patch)

    assert status == 200
    assert owner.get(f"/sessions/{session['id']}").json["state"] == {"new": True, "patched": True}


def test_a_put_that_waited_for_the_deletion_is_not_found(owner: Caller, organization: Organization) -> None:
    session = create_session(owner)

    def delete() -> None:
        with tenancy.organization(organization.id):
            Session.objects.filter(id=session["id"]).delete()
            wait_until_someone_waits()

    def put() -> tuple[int, str]:
        wait_until_held(Session, organization.id, session["id"])
        answer = owner.put(f"/sessions/{session['id']}/state", {"late": True}, If_Match='"1"')
        return answer.status, answer.code

    _, refused = at_once(delete, put)

    assert refused == (404, "not-found")


def test_writes_and_a_deletion_that_race_leave_a_history_that_ends_in_the_deletion(owner: Caller) -> None:
    for _ in range(5):
        session = create_session(owner)
        path = f"/sessions/{session['id']}"

        answers = at_once(
            lambda path=path: owner.put(f"{path}/state", {"a": 1}),  # type: ignore[misc]
            lambda path=path: owner.delete(path),  # type: ignore[misc]
            lambda path=path: owner.patch(f"{path}/state", {"b": 2}),  # type: ignore[misc]
        )

        statuses = [answer.status for answer in answers if isinstance(answer, Answer)]
        assert statuses[1] == 204
        assert set(statuses) <= {200, 204, 404}
        events = events_of(session["id"])
        assert [event["generation"] for event in events] == list(range(1, len(events) + 1))
        assert events[-1]["type"] == "session.deleted"
        assert len(events) == 2 + statuses.count(200)
