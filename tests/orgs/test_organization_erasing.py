"""The end of an organization leaves nothing of it, and takes nothing of any other."""

import uuid
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections
from django.utils import timezone

from coordination.models import OrganizationRateLimits
from orgs import organization_erasers, tenancy
from orgs.checks import tenant_tables
from orgs.models import Organization, OrganizationErasure
from orgs.services import organization_erasing, person_erasing
from tests import factories
from tests.factories import Caller
from tests.orgs.console import Browser
from tests.orgs.organization_erasing import SETTLED, close, erase, erase_row, erasure_of, finish, request_deletion
from tests.orgs.servers import superuser
from tests.service.calls import CALLS, Scene, operations
from tests.statements import named, system_rows

COUNT = "SELECT count(*) FROM {table} WHERE {column} = %s"
TABLES = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY 1"


def populate() -> Scene:
    """Return an organization for which every operation that makes or changes something was called."""
    scene = Scene()
    # Before the task ends.
    assert scene.artifact_id
    assert scene.lease
    for name in sorted(CALLS):
        operation = operations()[name]
        if operation.method not in ("GET", "DELETE") and name != "sign_up":
            call = CALLS[name](scene)
            if operation.method == "POST":
                call = replace(call, headers={**call.headers, "Idempotency_Key": uuid.uuid4().hex})
            call.by(scene.owner, operation)
    with tenancy.system():
        OrganizationRateLimits.objects.create(organization=scene.organization, key_requests=1_000_000)
    return scene


def counts(organization_id: uuid.UUID) -> dict[str, int]:
    """Return how many rows each tenant table has of an organization."""
    columns = {table: "id" if table == "orgs_organization" else "organization_id" for table in tenant_tables()}
    return {
        table: system_rows(COUNT.format(table=table, column=column), organization_id)[0][0]
        for table, column in columns.items()
    }


def traces(*words: str) -> list[tuple[str, str]]:
    """Return every row of every table, whoever may see it, in which one of the words stands."""
    with superuser() as alias, connections[alias].cursor() as cursor:
        cursor.execute(TABLES)
        found = []
        for (table,) in cursor.fetchall():
            cursor.execute(
                f"SELECT t::text FROM {table} t WHERE t::text ILIKE ANY (%s)", [[f"%{word}%" for word in words]]
            )
            found += [(table, text) for (text,) in cursor.fetchall()]
    return found


def entry_of(organization_id: uuid.UUID) -> dict[str, Any]:
    """Return the one entry that an erased organization leaves."""
    names = ("actor", "subject_type", "organization_id", "detail")
    sql = f"SELECT {', '.join(names)}::text FROM audit_entry WHERE action = 'organization.erased' AND subject_id = %s"
    [row] = system_rows(sql, str(organization_id))
    return named(names, row)


def erased_rows(organization_id: uuid.UUID) -> dict[str, int]:
    found: dict[str, int] = entry_of(organization_id)["detail"]["rows"]
    return found


def test_every_tenant_table_is_erased() -> None:
    found = [one for after in (False, True) for one in organization_erasers.erasers(after_organization=after)]

    erased = {"orgs_organization", *(table for eraser in found for table in eraser.tables)}
    assert erased >= set(tenant_tables())


def test_nothing_of_an_organization_is_left_but_the_entry_that_says_so(browser: Browser) -> None:
    scene = populate()
    organization = scene.organization
    browser.send(f"/admin/orgs/agent/{scene.agent_id}/change/", {"name": "By an operator", "slug": organization.slug})
    with tenancy.system():
        slug = Organization.objects.get(id=organization.id).slug
    before = counts(organization.id)
    assert all(before.values()), before

    erase(organization)

    left = traces(str(organization.id), organization.id.hex, organization.slug, slug)
    assert [table for table, _ in left] == ["audit_entry"], left
    entry = entry_of(organization.id)
    assert (entry["actor"], entry["subject_type"], entry["organization_id"]) == ("system", "organization", None)
    assert entry["detail"].keys() == {"rows"}
    assert set(tenant_tables()) <= entry["detail"]["rows"].keys()


def test_a_neighbour_keeps_everything() -> None:
    scene, neighbour = populate(), populate()
    before, seen = counts(neighbour.organization.id), neighbour.snapshot()
    assert all(before.values()), before

    erase(scene.organization)

    assert counts(neighbour.organization.id) == before
    assert neighbour.snapshot() == seen


def test_users_stay(organization: Organization) -> None:
    member = factories.make_member(organization)

    erase(organization)

    kept = system_rows("SELECT id FROM accounts_user WHERE id = ANY (%s)", [member.id, organization.owner_id])
    assert {user_id for (user_id,) in kept} == {member.id, organization.owner_id}


def test_an_owner_who_is_erased_from_what_is_closed_leaves_nothing_there(organization: Organization) -> None:
    close(organization)

    person_erasing.request_erasure(organization.owner_id, by="operator:shell", now=timezone.now())
    erase_row(organization)
    finish(organization)

    left = traces(str(organization.id), organization.id.hex, organization.slug)
    assert [table for table, _ in left] == ["audit_entry"], left
    assert erased_rows(organization.id)["events_event"] >= 2


def test_the_slug_is_free_again(organization: Organization) -> None:
    erase(organization)

    with tenancy.system():
        again = Organization.objects.create(name="Again", slug=organization.slug, owner_id=organization.owner_id)

    assert again.id != organization.id


def test_what_is_not_due_stays(organization: Organization, owner: Caller) -> None:
    request_deletion(organization)
    with tenancy.system():
        due_at = Organization.objects.get(id=organization.id).deletes_at
    assert due_at is not None

    organization_erasing.delete_due(now=due_at - organization_erasing.SETTLING)

    assert erasure_of(organization.id) is None
    assert owner.get("/me").status == 200


def test_the_keys_of_a_closed_organization_are_not_known(organization: Organization) -> None:
    minted = factories.make_key(organization)

    close(organization)

    answer = Caller(minted.text).get("/me")
    assert (answer.status, answer.code) == (401, "unauthenticated")


def test_a_refused_key_leaves_no_entry_in_a_closed_organization(organization: Organization) -> None:
    minted = factories.make_key(organization)
    close(organization)
    before = counts(organization.id)

    Caller(minted.text).get("/me")

    assert counts(organization.id) == before


def test_a_closed_organization_waits_for_what_was_under_way(organization: Organization, owner: Caller) -> None:
    factories.create_session(owner)
    close(organization)
    before = counts(organization.id)

    organization_erasing.delete_due(now=SETTLED - organization_erasing.SETTLING / 2)

    assert counts(organization.id) == before


def test_the_trail_goes_after_the_organization_itself(organization: Organization) -> None:
    close(organization)

    erase_row(organization)

    left = {table for table, count in counts(organization.id).items() if count}
    assert left == {"audit_entry", "events_event"}


def test_erasing_goes_on_where_it_stopped(owner: Caller, organization: Organization) -> None:
    for _ in range(3):
        factories.create_session(owner)
    close(organization)
    waited = 0

    organization_erasing.delete_due(now=SETTLED, most_steps=1)
    while (found := erasure_of(organization.id)) is not None:
        waited += 1
        if found.row_gone_at is not None:
            break
        organization_erasing.delete_due(now=SETTLED, most_steps=1)

    finish(organization)
    assert waited > 5
    assert erased_rows(organization.id)["sessions_store_session"] == 3


def test_many_rows_go_batch_after_batch(
    owner: Caller, organization: Organization, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(organization_erasing, "BATCH", 2)
    task = factories.submit_task(owner)
    for _ in range(6):
        assert owner.post(f"/tasks/{task['id']}/messages", factories.text_message()).status == 201

    erase(organization)

    rows = erased_rows(organization.id)
    assert (rows["tasks_message"], rows["tasks_task"]) == (7, 1)


def test_an_eraser_that_is_not_known_any_more_begins_the_round_anew(organization: Organization) -> None:
    close(organization)
    with tenancy.system():
        OrganizationErasure.objects.filter(id=organization.id).update(eraser="of another release")

    erase_row(organization)
    finish(organization)

    assert traces(str(organization.id)) != []
    assert sum(counts(organization.id).values()) == 0
