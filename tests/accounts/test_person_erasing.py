"""An erased person is gone from every table, and nobody else is."""

from datetime import timedelta

import pytest

from accounts.erasing import LastOperator
from accounts.holdings import holdings
from accounts.models import Erasure, User
from accounts.receipts import is_genuine
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.services import person_erasing
from orgs.services.members import LastOwner
from tests import factories
from tests.accounts.persons import NOW, Person, erase, join, make_person, operate, sizes, tables_with, work, write
from tests.factories import Caller, submit_task
from tests.orgs.console import make_person as make_operator
from tests.statements import audit_of, events_of, system_rows
from tests.tasks.work import get

# Where the id of somebody who is gone still stands; docs/explanation/what-is-kept-of-a-person.md says why.
PSEUDONYMS = {"accounts_erasure", "audit_entry", "events_event", "orgs_agent", "orgs_apikey", "tasks_message"}
PSEUDONYMS |= {"tasks_artifact", "tasks_artifactchunk", "tasks_context", "django_admin_log"}


@pytest.fixture
def person(organization: Organization) -> Person:
    """Somebody with one of everything, in the organization and in another."""
    person = make_person()
    for place in (organization, factories.make_organization()):
        join(person, place)
        work(person, place)
    operate(person)
    return person


@pytest.fixture
def neighbour(organization: Organization) -> Person:
    neighbour = make_person()
    join(neighbour, organization)
    work(neighbour, organization)
    operate(neighbour)
    return neighbour


def test_nothing_that_names_the_person_or_was_written_by_them_is_left(
    person: Person, neighbour: Person, organization: Organization
) -> None:
    write(person, organization, neighbour.tasks[0])
    before = [bool(tables_with(mark)) for mark in person.marks]

    erase(person.user)

    assert before == [True] * 4
    assert [tables_with(mark) for mark in person.marks] == [{}] * 4


def test_the_id_of_the_person_stays_where_it_is_documented_alone(
    person: Person, neighbour: Person, organization: Organization
) -> None:
    write(person, organization, neighbour.tasks[0])
    context = person.tasks[0]["context_id"]
    submit_task(neighbour.callers[organization.id], context_id=context)

    erase(person.user)

    assert set(tables_with(str(person.user.id))) == PSEUDONYMS


def test_a_neighbour_and_their_tables_stay_as_they_were(
    person: Person, neighbour: Person, organization: Organization
) -> None:
    caller = neighbour.callers[organization.id]
    before = [tables_with(mark) for mark in (*neighbour.marks, str(neighbour.user.id))]
    seen = get(caller, neighbour.tasks[0]), caller.get(f"/sessions/{neighbour.sessions[0]}").json

    erase(person.user)

    assert [tables_with(mark) for mark in (*neighbour.marks, str(neighbour.user.id))] == before
    assert (get(caller, neighbour.tasks[0]), caller.get(f"/sessions/{neighbour.sessions[0]}").json) == seen


def test_another_organization_is_left_alone(person: Person) -> None:
    elsewhere = factories.make_organization()
    work_there = make_person()
    join(work_there, elsewhere)
    work(work_there, elsewhere)
    before = sizes(elsewhere)

    erase(person.user)

    assert sizes(elsewhere) == before


def test_the_logs_of_what_was_erased_go_on_to_the_end(person: Person) -> None:
    task, session = person.tasks[0], person.sessions[0]
    before = events_of(task["id"])

    erase(person.user)

    assert [event["generation"] for event in events_of(task["id"])] == list(range(1, len(before) + 2))
    assert events_of(task["id"])[-1]["type"] == "task.erased"
    assert [event["type"] for event in events_of(session)] == ["session.created", "session.deleted"]
    assert events_of(task["context_id"])[-1]["type"] == "context.erased"


def test_words_in_a_task_of_another_are_emptied_in_their_place(
    person: Person, neighbour: Person, organization: Organization
) -> None:
    caller, task = neighbour.callers[organization.id], neighbour.tasks[0]
    write(person, organization, task)
    before = get(caller, task)

    erase(person.user)

    after = get(caller, task)
    assert len(after["history"]) == len(before["history"])
    assert after["history"][-1]["parts"] == [{"kind": "text", "text": "[erased]"}]
    assert after["generation"] == before["generation"] + 1
    assert events_of(task["id"])[-1]["facts"] == {"messages": 1, "artifact_chunks": 1, "artifacts": 1}


def test_a_worker_that_holds_a_lease_is_told_that_the_task_is_gone(person: Person, organization: Organization) -> None:
    worker = Caller(factories.make_key(organization).text)
    items = worker.post("/tasks/claim", {"count": 20}).json["items"]
    token = next(item["lease_token"] for item in items if item["task"]["id"] == person.tasks[0]["id"])

    erase(person.user)
    answer = worker.put(f"/tasks/{person.tasks[0]['id']}/lease", {}, Holdfast_Lease_Token=str(token))

    assert (answer.status, answer.code) == (404, "not-found")


def test_the_person_is_refused_as_soon_as_the_erasure_is_asked_for(person: Person, organization: Organization) -> None:
    caller = person.callers[organization.id]
    admitted = caller.get("/me").status

    person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)

    assert (admitted, caller.get("/me").code) == (200, "api-key-revoked")


def test_an_organization_is_told_who_left_it(person: Person, organization: Organization) -> None:
    erase(person.user)

    actions = [(entry["action"], entry["actor"]) for entry in audit_of(organization)]
    assert ("membership.removed", "operator:shell") in actions
    assert ("api-key.deleted", "operator:shell") in actions


def test_an_erasure_ends_with_a_genuine_receipt_and_an_entry(person: Person) -> None:
    erasure = erase(person.user)

    assert erasure.receipt is not None
    assert is_genuine(erasure.receipt)
    assert not is_genuine({**erasure.receipt, "erased": {}})
    assert (erasure.counts["sessions"], erasure.counts["tasks"], erasure.counts["memberships"]) == (2, 2, 2)
    entries = system_rows(
        "SELECT action FROM audit_entry WHERE subject_id = %s AND actor = %s AND organization_id IS NULL ORDER BY id",
        str(person.user.id),
        "operator:shell",
    )
    assert entries == [("user.erasure-requested",), ("user.erased",)]


def test_an_erasure_is_not_finished_before_all_that_was_under_way_has_ended(person: Person) -> None:
    begun = person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)

    early = person_erasing.carry_on(begun.id, now=NOW + person_erasing.settle_time() - timedelta(seconds=1))

    assert early.finished_at is None
    assert person_erasing.carry_on(begun.id, now=NOW + person_erasing.settle_time()).finished_at is not None


def test_what_comes_while_the_user_is_still_believed_is_swept_up(person: Person, organization: Organization) -> None:
    begun = person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)
    person_erasing.carry_on(begun.id, now=NOW)
    with tenancy.system():
        rows = "INSERT INTO tasks_context (id, organization_id, owner_id, metadata, generation)"
        system_rows(f"{rows} VALUES (gen_random_uuid(), %s, %s, '{{}}', 1)", organization.id, person.user.id)

    ended = person_erasing.carry_on(begun.id, now=NOW + person_erasing.settle_time())

    assert ended.counts["contexts"] == 3
    assert "tasks_context" not in tables_with(str(person.user.id))


def test_a_user_activated_anew_is_put_out_again_and_given_time(person: Person) -> None:
    begun = person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)
    with tenancy.system():
        User.objects.filter(id=person.user.id).update(is_active=True)

    later = NOW + person_erasing.settle_time()
    again = person_erasing.carry_on(begun.id, now=later)

    assert (again.finished_at, again.refused_at) == (None, later)


def test_an_erasure_asked_for_twice_is_one(person: Person) -> None:
    first = person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)
    second = person_erasing.request_erasure(person.user.id, by="operator:other", now=NOW + timedelta(minutes=1))

    assert (second.id, second.requested_by, second.refused_at) == (first.id, "operator:shell", NOW)


def test_an_erasure_killed_between_two_batches_goes_on_and_counts_each_row_once(person: Person) -> None:
    """Each batch commits with its count: one batch was made, then the process was gone."""
    begun = person_erasing.request_erasure(person.user.id, by="operator:shell", now=NOW)
    sessions = next(holding for holding in holdings() if holding.name == "sessions")
    assert person_erasing._erase_batch(begun.id, sessions, now=NOW)

    ended = person_erasing.carry_on(begun.id, now=NOW + person_erasing.settle_time())

    assert ended.counts["sessions"] == 2
    assert ended.finished_at is not None


def test_the_last_owner_is_told_which_organizations_need_another(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)

    with pytest.raises(LastOwner, match=organization.slug):
        person_erasing.request_erasure(owner.id, by="operator:shell", now=NOW)

    with tenancy.system():
        assert User.objects.get(id=owner.id).is_active
        assert not Erasure.objects.filter(user_id=owner.id).exists()


def test_an_owner_beside_another_is_erased(organization: Organization) -> None:
    with tenancy.system():
        owner = User.objects.get(id=organization.owner_id)
    factories.make_member(organization, Role.OWNER)

    assert erase(owner).finished_at is not None


def test_the_last_operator_is_not_erased(quick_passwords: None) -> None:
    operator = make_operator(operator=True)
    system_rows("UPDATE accounts_user SET is_staff = false WHERE id <> %s", operator.id)

    with pytest.raises(LastOperator):
        person_erasing.request_erasure(operator.id, by="operator:shell", now=NOW)
