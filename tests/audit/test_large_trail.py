"""What is rare in a trail of 100,000 entries is found by an index, not by a search through it."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from orgs import tenancy
from orgs.audit_trail import page
from orgs.models import Organization
from orgs.schemas.audit import AuditFilter
from tests import factories
from tests.audit.trail import ADA, add_entry
from tests.statements import rows

LARGE = """
INSERT INTO audit_entry (id, organization_id, actor, action, subject_type, subject_id, outcome, address, request_id,
                         detail, created_at)
SELECT gen_random_uuid(), %s, 'user:' || n %% 3, CASE n %% 2 WHEN 0 THEN 'agent.changed' ELSE 'agent.created' END,
       'agent', 'subject-' || n %% 5, 'success', '192.0.2.1', 'request-' || n, '{}',
       timestamptz '2025-01-01 00:00Z' + n * interval '1 minute'
FROM generate_series(1, 100000) n
"""
RARE: list[dict[str, Any]] = [
    {"actor": ADA},
    {"action": "user.created"},
    {"action": "api-key.created,user.created"},
    {"subject_id": "rare"},
    {"outcome": "refused"},
    {"request_id": "rare"},
    {"address": "203.0.113.1"},
    {"since": "2026-01-01T00:00:00Z"},
    {"until": "2025-01-01T00:00:30Z"},
    {"actor": ADA, "action": "agent.changed,agent.created", "outcome": "success"},
]


@pytest.fixture(scope="module")
def large() -> Organization:
    """A large trail with a few rare entries, beside one of another organization where the rare ones are many."""
    organization, other = factories.make_organization(), factories.make_organization()
    for each in (organization, other):
        with tenancy.organization(each.id):
            rows(LARGE, each.id)
    with tenancy.organization(other.id):
        rows(
            "INSERT INTO audit_entry SELECT gen_random_uuid(), organization_id, %s, 'user.created', subject_type, "
            "'rare', 'refused', '203.0.113.1', 'rare', detail, created_at FROM audit_entry LIMIT 20000",
            ADA,
        )
    for number in range(3):
        add_entry(
            organization, number, actor=ADA, action="user.created", subject_id="rare", outcome="refused",
            request_id="rare", address="203.0.113.1",
        )  # fmt: skip
    rows("ANALYZE audit_entry")
    return organization


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", ()):
        yield from _nodes(child)


def _looked_at(organization: Organization, filters: AuditFilter) -> int:
    """Return how many entries the scans of one page looked at."""
    plans: list[dict[str, Any]] = []

    def explain(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if sql.startswith(("SELECT", "(SELECT")) and '"audit_entry"' in sql:
            execute(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", params, many, context)
            [(found,)] = context["cursor"].fetchall()
            plans.append((json.loads(found) if isinstance(found, str) else found)[0]["Plan"])
        return execute(sql, params, many, context)

    with connection.execute_wrapper(explain):
        page(organization.id, filters, cursor=None, limit=50)
    scans = [node for plan in plans for node in _nodes(plan) if "Scan" in node["Node Type"]]
    assert scans
    return sum(
        int((node["Actual Rows"] + node.get("Rows Removed by Filter", 0)) * node["Actual Loops"]) for node in scans
    )


@pytest.mark.parametrize("given", RARE, ids="+".join)
def test_few_entries_of_many_are_found_without_a_search(large: Organization, given: dict[str, Any]) -> None:
    looked_at = _looked_at(large, AuditFilter.model_validate(given))

    assert looked_at <= 200


def test_a_page_of_the_whole_trail_reads_no_more_than_itself(large: Organization) -> None:
    assert _looked_at(large, AuditFilter.model_validate({})) == 51


def test_a_page_deep_in_the_trail_reads_no_more_than_itself(large: Organization) -> None:
    filters = AuditFilter.model_validate({"until": "2025-02-01T00:00:00Z"})

    assert _looked_at(large, filters) == 51
