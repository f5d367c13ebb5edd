"""DELETE /orgs/{id} and POST /orgs/{id}/restore: asking for the end of an organization, and taking it back."""

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from accounts.models import Erasure, User
from orgs import tenancy
from orgs.models import Organization, Role
from orgs.person_erasing import leave_organizations
from orgs.services import organization_deletion, person_erasing
from orgs.services.members import LastOwner
from tests import factories
from tests.factories import Answer, Caller
from tests.orgs.console import Browser
from tests.orgs.places import roles_of
from tests.statements import at_once, audit_of, elsewhere, events_of, wait_until_someone_waits

ORGANIZATIONS = "/admin/orgs/organization/"


def delete(caller: Caller, organization: Organization, **headers: str) -> Answer:
    return caller.delete(f"/orgs/{organization.id}?confirm={organization.slug}", **headers)


def restore(caller: Caller, organization: Organization, **headers: str) -> Answer:
    return caller.post(f"/orgs/{organization.id}/restore", **headers)


def due_at(organization: Organization) -> datetime | None:
    with tenancy.system():
        return Organization.objects.get(id=organization.id).deletes_at


def erase_owner(organization: Organization) -> Erasure:
    return person_erasing.request_erasure(organization.owner_id, by="operator:shell", now=datetime.now(UTC))


def test_a_deletion_is_put_off_by_the_delay(owner: Caller, organization: Organization) -> None:
    owner.patch(f"/orgs/{organization.id}/settings", {"deletion": {"delay_days": 3}})
    before = datetime.now(UTC)

    answer = delete(owner, organization, If_Match='"2"')

    assert (answer.status, answer.headers["ETag"]) == (202, '"3"')
    deletes_at = datetime.fromisoformat(answer.json["deletes_at"])
    assert before + timedelta(days=3) <= deletes_at <= datetime.now(UTC) + timedelta(days=3)


def test_until_then_everything_works_and_shows_it(owner: Caller, organization: Organization) -> None:
    asked = delete(owner, organization).json

    made = owner.post("/agents", {"name": "New", "slug": "new"})

    assert made.status == 201
    assert owner.get(f"/orgs/{organization.id}").json == asked
    assert owner.get("/me").json["organization"]["deletes_at"] == asked["deletes_at"]


def test_another_delay_does_not_move_a_deletion_that_was_asked_for(owner: Caller, organization: Organization) -> None:
    asked = delete(owner, organization).json["deletes_at"]

    owner.patch(f"/orgs/{organization.id}/settings", {"deletion": {"delay_days": 90}})

    assert owner.get(f"/orgs/{organization.id}").json["deletes_at"] == asked


@pytest.mark.parametrize("query", ["", "?confirm=", "?confirm=another"])
def test_a_slip_deletes_nothing(owner: Caller, organization: Organization, query: str) -> None:
    answer = owner.delete(f"/orgs/{organization.id}{query}")

    assert (answer.status, answer.code) == (422, "confirmation-missing")
    assert due_at(organization) is None


def test_another_generation_deletes_nothing(owner: Caller, organization: Organization) -> None:
    answer = delete(owner, organization, If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert due_at(organization) is None


def test_asked_again_the_first_time_stands(owner: Caller, organization: Organization) -> None:
    first = delete(owner, organization)

    again = delete(owner, organization)

    assert (again.status, again.json) == (202, first.json)


def test_of_two_requests_at_once_one_is_noted(owner: Caller, organization: Organization) -> None:
    answers = at_once(*[partial(delete, owner, organization) for _ in range(3)])

    assert len({answer.raw for answer in answers if isinstance(answer, Answer)}) == 1
    kinds = [event["type"] for event in events_of(organization.id)]
    assert kinds == ["organization.created", "organization.deletion-requested"]


def test_request_and_cancellation_are_audited_and_become_events(owner: Caller, organization: Organization) -> None:
    asked = delete(owner, organization).json["deletes_at"]
    restore(owner, organization)

    kinds = ["organization.deletion-requested", "organization.deletion-cancelled"]
    entries, events = audit_of(organization)[-2:], events_of(organization.id)[-2:]
    assert [entry["action"] for entry in entries] == kinds
    assert [(event["type"], event["generation"]) for event in events] == [(kinds[0], 2), (kinds[1], 3)]
    told = datetime.fromisoformat(entries[0]["detail"]["deletes_at"])
    assert told == datetime.fromisoformat(asked)


def test_a_cancelled_deletion_is_over(owner: Caller, organization: Organization) -> None:
    delete(owner, organization)

    answer = restore(owner, organization, If_Match='"2"')

    assert (answer.status, answer.headers["ETag"], answer.json["deletes_at"]) == (200, '"3"', None)
    assert due_at(organization) is None


def test_a_repeated_cancellation_does_not_cancel_what_was_asked_for_since(
    owner: Caller, organization: Organization
) -> None:
    delete(owner, organization)
    first = restore(owner, organization, Idempotency_Key="once")
    delete(owner, organization)

    again = restore(owner, organization, Idempotency_Key="once")

    assert (again.status, again.raw) == (200, first.raw)
    assert again.headers["Idempotency-Replayed"] == "true"
    assert due_at(organization) is not None


def test_where_none_was_asked_for_a_cancellation_changes_nothing(owner: Caller, organization: Organization) -> None:
    answer = restore(owner, organization)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')


def test_another_generation_cancels_nothing(owner: Caller, organization: Organization) -> None:
    delete(owner, organization)

    answer = restore(owner, organization, If_Match='"1"')

    assert (answer.status, answer.code) == (412, "precondition-failed")
    assert due_at(organization) is not None


def test_what_has_no_owner_any_more_is_not_restored(owner: Caller, organization: Organization) -> None:
    asked = delete(owner, organization).json["deletes_at"]
    erase_owner(organization)

    answer = restore(owner, organization)

    assert (answer.status, answer.code) == (409, "last-owner")
    assert owner.get(f"/orgs/{organization.id}").json["deletes_at"] == asked


def test_it_is_restored_once_an_operator_has_named_an_owner(
    owner: Caller, organization: Organization, browser: Browser
) -> None:
    delete(owner, organization)
    erase_owner(organization)
    place = {"organization": str(organization.id), "user": str(factories.make_user().id), "role": Role.OWNER}

    browser.send("/admin/orgs/membership/add/", place)

    assert restore(owner, organization).status == 200


def test_an_operator_is_told_that_there_is_no_owner(
    owner: Caller, organization: Organization, browser: Browser
) -> None:
    delete(owner, organization)
    erase_owner(organization)

    browser.send(ORGANIZATIONS, {"action": "cancel_deletion", "_selected_action": str(organization.id)})

    assert f"{organization.slug} has no active owner any more" in browser.open(ORGANIZATIONS).content.decode()
    assert due_at(organization) is not None


@pytest.mark.parametrize("number", range(5))
def test_restored_and_erased_at_once_it_has_an_owner_or_ends(
    owner: Caller, organization: Organization, number: int
) -> None:
    delete(owner, organization)

    restored, erased = at_once(partial(restore, owner, organization), partial(erase_owner, organization))

    assert isinstance(restored, Answer)
    assert (restored.status, type(erased)) in ((200, LastOwner), (409, Erasure))
    assert (due_at(organization) is None, len(roles_of(organization))) in ((True, 1), (False, 0))


def test_a_restoration_that_waits_for_the_erasure_of_the_owner_is_refused(
    owner: Caller, organization: Organization
) -> None:
    delete(owner, organization)
    assert owner.get(f"/orgs/{organization.id}").status == 200

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        leave_organizations(organization.owner_id, actor="test")
        waiting = pool.submit(elsewhere, partial(restore, owner, organization))
        wait_until_someone_waits()
    answer = waiting.result()

    assert (answer.status, answer.code) == (409, "last-owner")


def test_an_erasure_that_waits_for_the_restoration_is_refused(owner: Caller, organization: Organization) -> None:
    delete(owner, organization)

    with ThreadPoolExecutor(1) as pool, tenancy.system():
        organization_deletion.cancel_deletion(organization.id, actor="test")
        waiting = pool.submit(elsewhere, partial(erase_owner, organization))
        wait_until_someone_waits()

    with pytest.raises(LastOwner, match=organization.slug):
        waiting.result()
    assert roles_of(organization) == [Role.OWNER]


@pytest.mark.parametrize("call", [delete, restore])
def test_an_admin_neither_deletes_nor_restores(organization: Organization, call: partial[Answer]) -> None:
    admin = Caller(factories.make_key(organization, user=factories.make_member(organization, Role.ADMIN)).text)

    answer = call(admin, organization)

    assert (answer.status, answer.code) == (403, "scope-missing")


@pytest.mark.parametrize("call", [delete, restore])
def test_an_outsider_finds_nothing_to_delete_or_restore(
    outsider: Caller, organization: Organization, call: partial[Answer]
) -> None:
    answer = call(outsider, organization)

    assert (answer.status, answer.code) == (404, "not-found")
    assert due_at(organization) is None


def test_an_operator_asks_for_a_deletion_and_cancels_it(
    browser: Browser, operator: User, organization: Organization
) -> None:
    chosen = {"_selected_action": str(organization.id)}

    asked = browser.send(ORGANIZATIONS, {"action": "request_deletion", **chosen})
    pending = due_at(organization)
    cancelled = browser.send(ORGANIZATIONS, {"action": "cancel_deletion", **chosen})

    assert (asked.status_code, cancelled.status_code) == (302, 302)
    assert pending is not None
    assert due_at(organization) is None
    assert {entry["actor"] for entry in audit_of(organization)[-2:]} == {f"operator:{operator.id}"}


def test_the_console_deletes_no_organization_at_once(browser: Browser, organization: Organization) -> None:
    answer = browser.open(f"{ORGANIZATIONS}{organization.id}/delete/")

    assert answer.status_code == 403
