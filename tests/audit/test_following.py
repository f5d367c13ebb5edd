"""A follower of the trail misses no entry, however late its transaction commits."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connections, transaction

from audit.following import settled_before
from audit.models import Action, Entry
from audit.services import record
from orgs import tenancy
from orgs.models import Organization
from tests.audit.test_trail import new_agent
from tests.factories import Answer, Caller
from tests.orgs.servers import superuser
from tests.statements import at_once, rows

EXPORT = "/audit/export?action=user.created,agent.created"


def subjects(answer: Answer) -> list[str]:
    return [json.loads(line)["subject_id"] for line in answer.raw.splitlines()]


def note(organization: Organization, subject_id: str) -> None:
    record(
        Action.USER_CREATED,
        organization_id=organization.id,
        actor="test",
        subject_type="user",
        subject_id=subject_id,
    )


@contextmanager
def late_writer(organization: Organization, subject_id: str) -> Iterator[None]:
    """Have another connection write an entry at the beginning of the block, and commit it at its end."""
    written, leave = threading.Event(), threading.Event()

    def write() -> None:
        try:
            with tenancy.organization(organization.id):
                note(organization, subject_id)
                written.set()
                leave.wait(10)
        finally:
            connections.close_all()

    thread = threading.Thread(target=write)
    thread.start()
    assert written.wait(10)
    try:
        yield
    finally:
        leave.set()
        thread.join(10)


def test_an_entry_committed_late_is_passed_over_by_no_cursor(owner: Caller, organization: Organization) -> None:
    with late_writer(organization, "late"):
        with tenancy.organization(organization.id):
            note(organization, "early")
        during = owner.get(EXPORT)

    after = owner.get(f"{EXPORT}&cursor={during.headers['Holdfast-Next-Cursor']}")

    assert (subjects(during), subjects(after)) == ([], ["late", "early"])


def test_what_came_before_a_running_transaction_is_given(owner: Caller, organization: Organization) -> None:
    with tenancy.organization(organization.id):
        note(organization, "before")

    with late_writer(organization, "late"):
        during = owner.get(EXPORT)

    assert subjects(during) == ["before"]


def test_the_list_shows_what_is_committed_whoever_still_writes(owner: Caller, organization: Organization) -> None:
    with late_writer(organization, "late"):
        with tenancy.organization(organization.id):
            note(organization, "early")
        listed = owner.get("/audit?action=user.created").json["items"]

    assert [entry["subject_id"] for entry in listed] == ["early"]


def test_a_follower_of_many_writers_gets_every_entry_once_and_in_order(
    owner: Caller, organization: Organization
) -> None:
    seen: list[str] = []
    writing = threading.Event()

    def write() -> list[str]:
        return [new_agent(owner).json["id"] for _ in range(15)]

    def follow() -> list[str]:
        cursor = ""
        while True:
            last = writing.is_set()
            answer = owner.get(f"{EXPORT}&limit=4{cursor and f'&cursor={cursor}'}")
            cursor = answer.headers["Holdfast-Next-Cursor"]
            seen.extend(subjects(answer))
            if last and answer.headers["Holdfast-More"] == "false":
                return seen

    def write_all() -> list[str]:
        made = at_once(write, write, write)
        writing.set()
        return [agent for agents in made if isinstance(agents, list) for agent in agents]

    made, followed = at_once(write_all, follow)

    assert isinstance(made, list)
    assert isinstance(followed, list)
    assert len(made) == 45
    assert sorted(followed) == sorted(made)
    with tenancy.organization(organization.id):
        kept = Entry.objects.filter(action=Action.AGENT_CREATED).order_by("created_at", "id")
        assert followed == list(kept.values_list("subject_id", flat=True))


def test_the_trail_stands_still_up_to_now_where_nobody_writes() -> None:
    [(before,)] = rows("SELECT clock_timestamp()")

    settled = settled_before()

    assert settled > before


def test_nothing_stands_still_while_a_transaction_writes_that_does_not_show_its_age(organization: Organization) -> None:
    """The sessions of a role that is not the service's own show neither their begin nor their state."""
    with superuser() as alias, transaction.atomic(alias), connections[alias].cursor() as other:
        other.execute("INSERT INTO audit_entry SELECT * FROM audit_entry LIMIT 0")

        settled = settled_before()

    assert settled.year == 1970


def test_another_role_that_only_reads_holds_no_follower_up(owner: Caller, organization: Organization) -> None:
    with tenancy.organization(organization.id):
        note(organization, "noted")
    with superuser() as alias, transaction.atomic(alias), connections[alias].cursor() as other:
        other.execute("SELECT count(*) FROM audit_entry")

        during = owner.get(EXPORT)

    assert subjects(during) == ["noted"]
