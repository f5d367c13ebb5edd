"""An organization ends while others still write to it, cancel its end, or kill the process that erases it."""

import logging
import threading
import uuid
from collections.abc import Callable
from functools import partial

import pytest
from django.db import IntegrityError, ProgrammingError, connections

from audit.models import Action
from audit.services import record
from orgs import tenancy
from orgs.models import Agent, Organization, OrganizationErasure
from orgs.services import organization_deletion, organization_erasing
from sessions_store.models import Session
from tests import factories
from tests.factories import Caller
from tests.orgs.organization_erasing import DUE, GONE, close, erase_row, erasure_of, finish, request_deletion
from tests.orgs.servers import superuser
from tests.statements import at_once, system_rows, wait_until_someone_waits


def cancel(organization: Organization) -> Organization:
    with tenancy.organization(organization.id):
        return organization_deletion.cancel_deletion(organization.id, actor="test")


def add_session(organization: Organization) -> None:
    Session.objects.create(organization=organization, owner_id=organization.owner_id, state={}, metadata={})


def add_entry(organization: Organization) -> None:
    record(Action.ACCESS_REFUSED, organization_id=organization.id, actor="test", subject_type="operation")


def left_of(organization: Organization, table: str) -> int:
    found: int = system_rows(f"SELECT count(*) FROM {table} WHERE organization_id = %s", organization.id)[0][0]
    return found


def writing(
    organization: Organization, write: Callable[[Organization], None], during: Callable[[], None]
) -> Callable[[], None]:
    """Return a call that writes in the organization's scope, and commits once `during` is done."""

    def call() -> None:
        with tenancy.organization(organization.id):
            write(organization)
            during()

    return call


def test_a_deletion_that_is_being_cancelled_is_passed_over(organization: Organization) -> None:
    request_deletion(organization)
    cancelled, looked = threading.Event(), threading.Event()

    def hold() -> None:
        with tenancy.organization(organization.id):
            organization_deletion.cancel_deletion(organization.id, actor="test")
            cancelled.set()
            assert looked.wait(10)

    def look() -> None:
        assert cancelled.wait(10)
        organization_erasing.delete_due(now=DUE)
        looked.set()

    assert at_once(hold, look) == [None, None]
    assert erasure_of(organization.id) is None
    with tenancy.system():
        assert Organization.objects.get(id=organization.id).deletes_at is None


def test_a_cancellation_that_waits_for_the_closing_comes_too_late(organization: Organization) -> None:
    request_deletion(organization)
    closed = threading.Event()

    def close_slowly() -> None:
        with tenancy.system():
            while organization_erasing._close_next(DUE):
                pass
            closed.set()
            wait_until_someone_waits()

    def cancel_late() -> Organization:
        assert closed.wait(10)
        return cancel(organization)

    _, refused = at_once(close_slowly, cancel_late)

    assert isinstance(refused, Organization.DoesNotExist)
    assert erasure_of(organization.id) is not None


def test_of_a_cancellation_and_the_time_exactly_one_wins() -> None:
    for _ in range(10):
        organization = factories.make_organization()
        request_deletion(organization)

        cancelled, _over = at_once(partial(cancel, organization), partial(organization_erasing.delete_due, now=DUE))

        closed = erasure_of(organization.id) is not None
        assert closed == isinstance(cancelled, Organization.DoesNotExist), cancelled


def test_two_who_erase_at_once_count_every_row_once(owner: Caller, organization: Organization) -> None:
    for _ in range(20):
        factories.create_session(owner)
    close(organization)

    at_once(partial(erase_row, organization), partial(erase_row, organization))
    finish(organization)

    [(count,)] = system_rows(
        "SELECT detail->'rows'->>'sessions_store_session' FROM audit_entry WHERE subject_id = %s"
        " AND action = 'organization.erased'",
        str(organization.id),
    )
    assert count == "20"


def test_what_is_under_way_when_the_organization_goes_is_taken_back(organization: Organization) -> None:
    close(organization)

    [refused] = at_once(writing(organization, add_session, partial(in_thread, partial(erase_row, organization))))
    finish(organization)

    assert isinstance(refused, IntegrityError)
    assert left_of(organization, "sessions_store_session") == 0


def in_thread(work: Callable[[], None]) -> None:
    assert at_once(work) == [None]


def test_what_came_after_its_table_is_erased_in_another_round(
    organization: Organization, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("holdfast"), "propagate", True)
    factories.make_agent(organization)
    close(organization)
    with tenancy.system():
        OrganizationErasure.objects.filter(id=organization.id).update(eraser=organization_erasing.OVER)

    erase_row(organization)
    refused = erasure_of(organization.id)
    erase_row(organization)
    finish(organization)

    assert refused is not None
    assert refused.row_gone_at is None
    assert "is gone through again" in caplog.text
    assert left_of(organization, "orgs_agent") == 0


def test_an_entry_that_is_written_while_the_organization_goes_is_waited_for(organization: Organization) -> None:
    close(organization)
    waited = []

    def erase_meanwhile() -> None:
        erase_row(organization)
        organization_erasing.delete_due(now=GONE)
        waited.append(erasure_of(organization.id))

    at_once(writing(organization, add_entry, partial(in_thread, erase_meanwhile)))
    written = left_of(organization, "audit_entry")
    finish(organization)

    assert waited[0] is not None
    assert waited[0].row_gone_at is not None
    assert written > 0
    assert left_of(organization, "audit_entry") == 0


@pytest.mark.parametrize("table", ["audit_entry", "api_idempotentanswer"])
def test_a_tenant_writes_nothing_for_an_organization_that_is_gone(organization: Organization, table: str) -> None:
    close(organization)
    erase_row(organization)
    values = {
        "audit_entry": "(id, organization_id, actor, action, subject_type, subject_id, outcome, request_id, detail)"
        " VALUES (gen_random_uuid(), %s, 'a', 'a', 'a', '', 'success', '', '{}')",
        "api_idempotentanswer": "(organization_id, owner_id, principal, key, fingerprint, answer, expires_at)"
        " VALUES (%s, gen_random_uuid(), gen_random_uuid()::text, 'k', '', '', now())",
    }

    with (
        pytest.raises(ProgrammingError, match="row-level security"),
        tenancy.organization(organization.id),
        connections["default"].cursor() as cursor,
    ):
        cursor.execute(f"INSERT INTO {table} {values[table]}", [organization.id])

    finish(organization)


def test_a_process_that_is_killed_in_a_step_leaves_work_that_another_finishes(
    owner: Caller, organization: Organization
) -> None:
    session_id = uuid.UUID(factories.create_session(owner)["id"])
    close(organization)
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with tenancy.organization(organization.id):
            Session.objects.select_for_update().get(id=session_id)
            held.set()
            assert over.wait(20)

    def erase_until_killed() -> None:
        assert held.wait(10)
        erase_row(organization)

    def kill() -> None:
        assert held.wait(10)
        wait_until_someone_waits()
        with superuser() as alias, connections[alias].cursor() as cursor:
            cursor.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_locks JOIN pg_stat_activity USING (pid)"
                " WHERE NOT granted AND datname = current_database()"
            )
        over.set()

    at_once(hold, erase_until_killed, kill)
    stopped = erasure_of(organization.id)
    erase_row(organization)
    finish(organization)

    assert stopped is not None
    assert stopped.row_gone_at is None
    assert left_of(organization, "sessions_store_session") == 0
    with tenancy.system():
        assert not Agent.objects.filter(organization_id=organization.id).exists()
        assert not Organization.objects.filter(id=organization.id).exists()
