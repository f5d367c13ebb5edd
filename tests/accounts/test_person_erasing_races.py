"""What comes while a person is erased; each side has a connection of its own."""

from functools import partial
from typing import Any

import pytest
from django.db.models import Q

from accounts.models import Erasure, User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import person_erasing
from orgs.services.members import LastOwner
from tasks.erasing import delete_contexts_batch, delete_tasks_batch
from tasks.models import Context, Task
from tests import factories
from tests.accounts.persons import NOW, Person, join, make_person, tables_with, work
from tests.factories import Answer, Caller, text_message
from tests.sessions_store.holding import wait_until_held
from tests.statements import at_once, elsewhere, wait_until_someone_waits

ROUNDS = 5
ENDED = NOW + person_erasing.settle_time()


@pytest.fixture
def person(organization: Organization) -> Person:
    person = make_person()
    join(person, organization)
    work(person, organization)
    return person


def begin(person: Person) -> Erasure:
    return person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)


def write_on(caller: Caller, path: str, body: dict[str, Any]) -> list[int]:
    return [caller.post(path, body).status for _ in range(10)]


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_what_a_believed_key_makes_meanwhile_nothing_is_left(
    person: Person, organization: Organization, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    caller, task = person.callers[organization.id], person.tasks[0]
    # As a process that did not end the key itself: it believes the key for four seconds more.
    monkeypatch.setattr("orgs.services.members.forget", lambda key_id: None)
    monkeypatch.setattr("orgs.person_erasing.forget", lambda key_id: None)
    assert caller.get("/me").status == 200
    begun = elsewhere(lambda: begin(person))
    body = text_message(person.phrase)

    answers = at_once(
        partial(write_on, caller, f"/tasks/{task['id']}/messages", body),
        partial(write_on, caller, "/sessions", {"title": person.phrase}),
        partial(write_on, caller, "/tasks", {"message": body}),
        lambda: person_erasing.carry_on(begun.id, now=NOW),
    )
    ended = person_erasing.carry_on(begun.id, now=ENDED)

    assert not [answer for answer in answers if isinstance(answer, Exception)]
    assert answers[1] == answers[2] == [201] * 10
    assert ended.finished_at == ENDED
    assert tables_with(person.phrase) == {}


def test_an_append_that_waits_for_the_erasure_finds_no_task(person: Person, organization: Organization) -> None:
    owner, task = Caller(factories.make_key(organization).text), person.tasks[0]

    def erase_tasks() -> None:
        with tenancy.system():
            Task.objects.select_for_update().get(id=task["id"])
            wait_until_someone_waits()
            delete_tasks_batch(Q(id=task["id"]), actor="operator:shell")

    def append() -> Answer:
        wait_until_held(Task, organization.id, task["id"])
        return owner.post(f"/tasks/{task['id']}/messages", text_message())

    _, answer = at_once(erase_tasks, append)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (404, "not-found")


def test_a_task_submitted_into_a_context_that_goes_is_refused(person: Person, organization: Organization) -> None:
    owner, context_id = Caller(factories.make_key(organization).text), person.tasks[0]["context_id"]
    body = {"message": text_message(), "context_id": context_id}

    def erase_context() -> None:
        with tenancy.system():
            Context.objects.select_for_update().get(id=context_id)
            wait_until_someone_waits()
            delete_tasks_batch(Q(context_id=context_id), actor="operator:shell")
            delete_contexts_batch(Q(id=context_id), actor="operator:shell")

    def submit() -> Answer:
        wait_until_held(Context, organization.id, context_id)
        return owner.post("/tasks", body)

    _, answer = at_once(erase_context, submit)

    assert isinstance(answer, Answer)
    assert (answer.status, answer.code) == (422, "unknown-reference")


@pytest.mark.parametrize("number", range(ROUNDS))
def test_a_context_in_which_another_submits_meanwhile_stays_with_the_task(
    person: Person, organization: Organization, number: int
) -> None:
    owner, context_id = Caller(factories.make_key(organization).text), person.tasks[0]["context_id"]
    begun = begin(person)

    submitted, _ = at_once(
        partial(owner.post, "/tasks", {"message": text_message(), "context_id": context_id}),
        lambda: person_erasing.carry_on(begun.id, now=NOW),
    )

    assert isinstance(submitted, Answer)
    left = owner.get(f"/contexts/{context_id}").status
    assert (submitted.status, left) in ((201, 200), (422, 404))


def test_two_erasures_of_one_person_at_once_are_one(person: Person) -> None:
    begun = at_once(lambda: begin(person), lambda: begin(person))
    ended = at_once(*[lambda: person_erasing.carry_on(begun[0].id, now=ENDED)] * 2)  # type: ignore[union-attr]

    assert len({erasure.id for erasure in begun if isinstance(erasure, Erasure)}) == 1
    receipts = [erasure.receipt for erasure in ended if isinstance(erasure, Erasure)]
    assert receipts[0] is not None
    assert receipts[0] == receipts[1]
    assert receipts[0]["erased"]["sessions"] == 1


@pytest.mark.parametrize("number", range(ROUNDS))
def test_of_two_last_owners_erased_at_once_one_stays(organization: Organization, number: int) -> None:
    other = factories.make_member(organization, Role.OWNER)

    results = at_once(
        *(
            partial(person_erasing.request_erasure, user_id, by="operator:shell", now=NOW)
            for user_id in (organization.owner_id, other.id)
        )
    )

    assert {type(result) for result in results} == {Erasure, LastOwner}
    with tenancy.system():
        assert User.objects.filter(id__in=[organization.owner_id, other.id], is_active=True).count() == 1
