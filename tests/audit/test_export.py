"""GET /audit/export: the trail as JSON lines, oldest first."""

import json
from typing import Any

import pytest

from api.requests import MIB
from orgs.models import Organization
from tests import factories
from tests.audit.trail import ADA, BEN, add_entry, add_many
from tests.factories import Answer, Caller
from tests.statements import audit_of, statements

MADE = "/audit/export?action=agent.changed"


def lines(answer: Answer) -> list[dict[str, Any]]:
    assert answer.status == 200, answer
    return [json.loads(line) for line in answer.raw.splitlines()]


def ids(answer: Answer) -> list[str]:
    return [line["id"] for line in lines(answer)]


def cursor(answer: Answer) -> str:
    return answer.headers["Holdfast-Next-Cursor"]


def test_lines_are_entries_as_they_are_read_one_by_one_oldest_first(owner: Caller, organization: Organization) -> None:
    later = add_entry(organization, 2, actor=ADA, address="192.0.2.1", detail={"fields": ["näme"]})
    earlier = add_entry(organization, 1)

    answer = owner.get(MADE)

    assert lines(answer) == [owner.get(f"/audit/{entry}").json for entry in (earlier, later)]
    assert answer.raw.endswith(b"\n")


def test_an_export_is_a_file_of_json_lines(owner: Caller) -> None:
    answer = owner.get("/audit/export")

    assert answer.headers["Content-Type"] == "application/x-ndjson"
    assert answer.headers["Content-Disposition"] == 'attachment; filename="audit.jsonl"'
    assert answer.headers["Cache-Control"] == "no-store"


def test_an_export_ends_at_its_limit_and_links_to_the_rest(owner: Caller, organization: Organization) -> None:
    made = [add_entry(organization, minute) for minute in range(3)]

    first = owner.get(f"{MADE}&limit=2&since=2026-01-01T00:00:00%2B00:00")
    link, _, relation = first.headers["Link"].partition("; ")
    second = owner.get(link.strip("<>"))

    assert (first.headers["Holdfast-More"], relation) == ("true", 'rel="next"')
    assert (ids(first), ids(second)) == (made[:2], made[2:])


def test_at_the_end_the_cursor_waits_for_what_comes(owner: Caller, organization: Organization) -> None:
    made = [add_entry(organization)]
    first = owner.get(MADE)
    empty = owner.get(f"{MADE}&cursor={cursor(first)}")
    made.append(add_entry(organization, 1))

    second = owner.get(f"{MADE}&cursor={cursor(empty)}")

    assert ("Link" not in first.headers, first.headers["Holdfast-More"]) == (True, "false")
    assert (ids(first), ids(empty), ids(second)) == (made[:1], [], made[1:])


def test_a_trail_without_a_line_has_a_cursor_too(owner: Caller, organization: Organization) -> None:
    empty = owner.get(MADE)
    made = add_entry(organization)

    answer = owner.get(f"{MADE}&cursor={cursor(empty)}")

    assert (ids(empty), ids(answer)) == ([], [made])


def test_lines_continue_where_many_share_one_moment(owner: Caller, organization: Organization) -> None:
    made = sorted(add_entry(organization) for _ in range(5))

    first = owner.get(f"{MADE}&limit=3")
    second = owner.get(f"{MADE}&cursor={cursor(first)}")

    assert ids(first) + ids(second) == made


def test_a_long_export_is_read_in_chunks(owner: Caller, organization: Organization) -> None:
    add_many(organization, 1200)

    with statements() as sent:
        answer = owner.get(f"{MADE}&limit=1100")

    read = [sql for sql in sent if sql.startswith("SELECT") and '"audit_entry"' in sql]
    assert (len(set(ids(answer))), len(read), answer.headers["Holdfast-More"]) == (1100, 3, "true")


def test_an_export_ends_before_the_line_that_passes_8_mebibytes(owner: Caller, organization: Organization) -> None:
    made = [add_entry(organization, minute, detail={"text": "x" * 3 * MIB}) for minute in range(3)]

    first = owner.get(MADE)
    second = owner.get(f"{MADE}&cursor={cursor(first)}")

    assert (ids(first), ids(second)) == (made[:2], made[2:])
    assert first.headers["Holdfast-More"] == "true"


def test_a_line_longer_than_8_mebibytes_is_given_by_itself(owner: Caller, organization: Organization) -> None:
    made = [add_entry(organization, minute, detail={"text": "x" * 9 * MIB}) for minute in range(2)]

    first = owner.get(MADE)
    second = owner.get(f"{MADE}&cursor={cursor(first)}")

    assert (ids(first), ids(second)) == (made[:1], made[1:])


def test_filters_apply_to_an_export(owner: Caller, organization: Organization) -> None:
    meant = [add_entry(organization, minute, actor=ADA) for minute in (1, 2)]
    add_entry(organization, 1, actor=BEN)
    add_entry(organization, 9, actor=ADA)

    answer = owner.get(f"/audit/export?actor={ADA}&since=2026-01-01T00:00:00Z&until=2026-01-01T00:09:00Z")

    assert ids(answer) == meant


@pytest.mark.parametrize("limit", ["0", "10001", "-1", "", "1.5", "ten"])
def test_a_limit_outside_of_1_to_10000_is_refused(owner: Caller, limit: str) -> None:
    answer = owner.get(f"/audit/export?limit={limit}")

    assert (answer.status, answer.code) == (422, "invalid")


def test_a_cursor_of_the_list_is_none_of_the_export(owner: Caller) -> None:
    listed = owner.get("/audit?limit=1").json["next_cursor"]

    answer = owner.get(f"/audit/export?cursor={listed}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_an_export_is_recorded_and_is_not_in_its_own_answer(owner: Caller, organization: Organization) -> None:
    add_entry(organization)

    answer = owner.get(MADE)

    assert [line["action"] for line in lines(answer)] == ["agent.changed"]
    entry = audit_of(organization)[-1]
    assert (entry["action"], entry["subject_type"], entry["outcome"]) == ("audit.exported", "audit", "success")
    assert entry["actor"] == f"api-key:{owner.get('/me').json['api_key_id']}"
    assert entry["detail"] == {"lines": 1, "filters": {"action": "agent.changed"}}


def test_a_follower_comes_to_the_end_of_a_trail_that_records_it(owner: Caller, organization: Organization) -> None:
    first = owner.get("/audit/export")
    second = owner.get(f"/audit/export?cursor={cursor(first)}")
    before = audit_of(organization)

    third = owner.get(f"/audit/export?cursor={cursor(second)}")

    assert [line["action"] for line in lines(second)] == ["audit.exported"]
    assert lines(third) == []
    assert audit_of(organization) == before


def test_reading_the_trail_is_not_recorded(owner: Caller, organization: Organization) -> None:
    before = audit_of(organization)

    entry = owner.get("/audit").json["items"][0]
    owner.get(f"/audit/{entry['id']}")

    assert audit_of(organization) == before


def test_an_export_needs_its_scope(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization, scopes=("orgs:admin",)).text)

    answer = caller.get("/audit/export")

    assert (answer.status, answer.code) == (403, "scope-missing")


def test_the_document_tells_of_json_lines(owner: Caller) -> None:
    document = owner.get("/openapi.json").json

    answer = document["paths"]["/api/v1/audit/export"]["get"]["responses"]["200"]
    assert list(answer["content"]) == ["application/x-ndjson"]
    of_limits = {"RateLimit", "RateLimit-Policy"}
    assert set(answer["headers"]) == {"Holdfast-Next-Cursor", "Holdfast-More", "Link"} | of_limits
