"""What does not grow with a task's history or an organization's past: pages touched, not time."""

import json
from typing import Any

from orgs import tenancy
from orgs.authentication import authenticate_key
from orgs.models import Organization
from tests.factories import Caller, submit_task
from tests.statements import rows
from tests.tasks.work import Made, append, get

LONG = 10_000
SHORT = 10
APPENDS = 100
# A page for each index that is a level deeper, for a page just filled, for entries of rows that have moved on.
LEEWAY = 16

MESSAGES = """
INSERT INTO tasks_message (organization_id, task_id, number, owner_id, message_id, role, parts, metadata,
                           bytes_before, generation)
SELECT organization_id, id, n, owner_id, 'm-' || n, 'user', %s, '{}', message_bytes + (n - 2) * 400, n
FROM tasks_task, generate_series(2, %s) n
WHERE id = %s
"""
COUNT = """
UPDATE tasks_task SET message_count = %s, message_bytes = message_bytes + (%s - 1) * 400, generation = %s WHERE id = %s
"""
EVENTS = """
INSERT INTO events_event (organization_id, subject_type, subject_id, generation, type, owner_id, actor, request_id,
                          facts)
SELECT organization_id, 'task', id, n, 'task.message.appended', owner_id, 'test', 'test', '{}'
FROM tasks_task, generate_series(2, %s) n WHERE id = %s
"""
PARTS = json.dumps([{"kind": "text", "text": "x" * 300}])

GET = "SELECT * FROM tasks_get(%s, %s, 10)"
APPEND = "SELECT * FROM tasks_append_message(%s, %s, NULL, NULL, 'm', 'user', %s, '{}', %s, 'test', 'test')"
CLAIM = "SELECT * FROM tasks_claim(%s, NULL, 1, 60, 10, 'test', 'test')"
ARTIFACTS = """
INSERT INTO tasks_artifact (organization_id, task_id, artifact_id, owner_id, number, name, description, metadata,
                            chunk_count, chunk_bytes, complete, generation)
SELECT organization_id, id, gen_random_uuid(), owner_id, n, '', '', '{}', 1, 10, true, n
FROM tasks_task, generate_series(1, %s) n WHERE id = %s
"""
OLD_TASKS = """
INSERT INTO tasks_task (id, organization_id, context_id, owner_id, state, metadata, generation, message_count,
                        message_bytes, artifact_count, lease_token)
SELECT gen_random_uuid(), organization_id, context_id, owner_id, 'completed', '{}', 1, 0, 0, 0, 0
FROM tasks_task, generate_series(1, 5000) WHERE id = %s
"""
# Older than any other: in the order of their ids they come first.
LEASED_TASKS = """
INSERT INTO tasks_task (id, organization_id, context_id, owner_id, state, metadata, generation, message_count,
                        message_bytes, artifact_count, lease_token, lease_expires_at)
SELECT overlay(gen_random_uuid()::text PLACING '00' FROM 1)::uuid, organization_id, context_id, owner_id, 'working',
       '{}', 1, 0, 0, 0, 1, clock_timestamp() + interval '1 hour'
FROM tasks_task, generate_series(1, 10000) WHERE id = %s
"""
HOT_UPDATES = "SELECT n_tup_upd, n_tup_hot_upd FROM pg_stat_user_tables WHERE relname = %s"
SCANNING = """
SELECT proname FROM pg_proc
WHERE pronamespace = current_schema()::regnamespace AND prosrc LIKE '%%set_config(''role'', ''holdfast_app''%%'
  AND NOT coalesce('enable_seqscan=off' = ANY (proconfig), false)
"""


def task_of(caller: Caller, messages: int) -> Made:
    """Make a task with so many messages, each with its event, faster than by appending them."""
    task = submit_task(caller)
    with tenancy.system():
        rows(MESSAGES, PARTS, messages, task["id"])
        rows(EVENTS, messages, task["id"])
        rows(COUNT, messages, messages, messages, task["id"])
    return task


def pages(sql: str, *params: Any) -> int:
    """Return how many pages the call looks at, the least of several: the first ones also load catalogs and plans."""
    found: list[int] = []
    for _ in range(5):
        ((plan,),) = rows(f"EXPLAIN (ANALYZE, BUFFERS, TIMING OFF, FORMAT JSON) {sql}", *params)
        top = (json.loads(plan) if isinstance(plan, str) else plan)[0]["Plan"]
        found.append(top["Shared Hit Blocks"] + top["Shared Read Blocks"])
    return min(found)


def test_reading_the_last_ten_of_ten_thousand_messages_touches_no_more_pages(
    owner: Caller, organization: Organization
) -> None:
    short, long = task_of(owner, SHORT), task_of(owner, LONG)

    few = pages(GET, organization.id, short["id"])
    many = pages(GET, organization.id, long["id"])

    assert [message["number"] for message in get(owner, long)["history"][-2:]] == [LONG - 1, LONG]
    assert many <= few + LEEWAY


def test_appending_to_ten_thousand_messages_touches_no_more_pages(owner: Caller, organization: Organization) -> None:
    actor = authenticate_key(owner.key).actor_id
    short, long = task_of(owner, SHORT), task_of(owner, LONG)

    few = pages(APPEND, organization.id, short["id"], PARTS, actor)
    many = pages(APPEND, organization.id, long["id"], PARTS, actor)

    assert many <= few + LEEWAY


def test_reading_a_task_of_many_artifacts_touches_no_more_pages_than_for_the_first_hundred(
    owner: Caller, organization: Organization
) -> None:
    short, long = submit_task(owner), submit_task(owner)
    with tenancy.system():
        rows(ARTIFACTS, 100, short["id"])
        rows(ARTIFACTS, LONG, long["id"])

    few = pages(GET, organization.id, short["id"])
    many = pages(GET, organization.id, long["id"])

    assert len(get(owner, long)["artifacts"]) == 100
    assert many <= few + LEEWAY


def test_a_claim_touches_no_more_pages_for_the_tasks_that_have_ended(owner: Caller, organization: Organization) -> None:
    first = submit_task(owner)
    for _ in range(12):
        submit_task(owner)
    few = pages(CLAIM, organization.id)
    with tenancy.system():
        rows(OLD_TASKS, first["id"])

    many = pages(CLAIM, organization.id)

    assert many <= few + LEEWAY


def test_a_claim_touches_no_more_pages_for_the_tasks_under_live_leases(
    owner: Caller, organization: Organization
) -> None:
    first = submit_task(owner)
    for _ in range(12):
        submit_task(owner)
    few = pages(CLAIM, organization.id)
    with tenancy.system():
        rows(LEASED_TASKS, first["id"])

    many = pages(CLAIM, organization.id)

    assert many <= few + LEEWAY


def test_appends_update_the_task_in_place(owner: Caller) -> None:
    task = submit_task(owner)
    updated, in_place = updates("tasks_task")

    for _ in range(APPENDS):
        append(owner, task)

    more, more_in_place = updates("tasks_task")
    assert (more - updated, more_in_place - in_place) == (APPENDS, APPENDS)


def updates(table: str) -> tuple[int, int]:
    """Return the table's updates and how many of them were in place (HOT), this connection's own included."""
    rows("SELECT pg_stat_force_next_flush()")
    ((total, in_place),) = rows(HOT_UPDATES, table)
    return total, in_place


def test_changes_of_a_sessions_state_stay_on_its_page(owner: Caller) -> None:
    session = owner.post("/sessions", {"state": {"n": 0}}).json
    updated, in_place = updates("sessions_store_session")

    for number in range(APPENDS):
        owner.put(f"/sessions/{session['id']}/state", {"n": number})

    more, more_in_place = updates("sessions_store_session")
    assert more - updated == APPENDS
    assert more_in_place - in_place >= APPENDS * 0.95


def test_no_hot_path_may_scan_a_table() -> None:
    """A plan made while a table was small would be kept while it grows: seen as a get that took longer and longer."""
    assert rows(SCANNING) == []
