"""The list of keys by last use and under its filters."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import pytest
from django.db import connection

from orgs.keys import Environment
from orgs.models import APIKey, Organization
from tests import factories
from tests.factories import Caller
from tests.statements import statements, system_rows

BY_USE = "/api-keys?order=last_used"
NOW = datetime.now(UTC)


def used(organization: Organization, *days_ago: float | None) -> list[str]:
    """Make keys that were last used so many days ago, or never."""
    made = [factories.make_key(organization).row for _ in days_ago]
    for key, days in zip(made, days_ago, strict=True):
        use(key.id, days)
    return [str(key.id) for key in made]


def use(row_id: object, days: float | None) -> None:
    at = None if days is None else NOW - timedelta(days=days)
    system_rows("UPDATE orgs_apikey SET last_used_at = %s WHERE id = %s", at, str(row_id))


def ids(answer: Any) -> list[str]:
    return [key["id"] for key in answer.json["items"]]


def walk(caller: Caller, path: str, limit: int) -> list[str]:
    found: list[str] = []
    cursor = ""
    while True:
        page = caller.get(f"{path}&limit={limit}{cursor}")
        found += ids(page)
        if page.json["next_cursor"] is None:
            return found
        cursor = f"&cursor={page.json['next_cursor']}"


@pytest.fixture
def caller(owner: Caller) -> Caller:
    """The owner, whose own key was used a moment ago: it always comes last."""
    owner.get("/me")
    return owner


def own_id(caller: Caller) -> str:
    own: str = caller.get("/me").json["api_key_id"]
    return own


def test_never_used_keys_come_first_and_then_those_unused_for_longest(
    caller: Caller, organization: Organization
) -> None:
    one, two, never, three = used(organization, 1, 3, None, 2)

    assert ids(caller.get(BY_USE)) == [never, two, three, one, own_id(caller)]


@pytest.mark.parametrize("limit", [1, 2, 3, 100])
def test_pages_hold_every_key_once_also_where_many_were_used_at_once(
    caller: Caller, organization: Organization, limit: int
) -> None:
    made = used(organization, 1, 1, 1, None, None, None, 2)

    assert walk(caller, BY_USE, limit) == [*made[3:6], made[6], *made[:3], own_id(caller)]


def test_a_key_used_between_two_pages_moves_to_the_end_and_hides_no_other(
    caller: Caller, organization: Organization
) -> None:
    made = used(organization, None, 4, 3, 2, 1)
    first = caller.get(f"{BY_USE}&limit=2")
    use(made[0], 0.5)
    use(made[3], 0.4)

    second = caller.get(f"{BY_USE}&cursor={first.json['next_cursor']}")

    assert ids(first) == made[:2]
    assert ids(second) == [made[2], made[4], made[0], made[3], own_id(caller)]


def test_a_key_at_the_boundary_that_is_used_meanwhile_hides_no_other(
    caller: Caller, organization: Organization
) -> None:
    made = used(organization, None, None, 2)
    first = caller.get(f"{BY_USE}&limit=1")
    use(made[0], 1)

    second = caller.get(f"{BY_USE}&cursor={first.json['next_cursor']}")

    assert ids(second) == [made[1], made[2], made[0], own_id(caller)]


def test_a_cursor_of_one_order_is_refused_in_the_other(caller: Caller, organization: Organization) -> None:
    used(organization, 1)
    cursor = caller.get(f"{BY_USE}&limit=1").json["next_cursor"]

    answer = caller.get(f"/api-keys?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


@pytest.mark.parametrize("limit", [1, 3])
def test_the_list_by_last_use_is_read_from_its_index(caller: Caller, organization: Organization, limit: int) -> None:
    """Also from where the second page begins: after a key that was never used, and after one that was."""
    used(organization, None, None, 2, 1)
    cursor = caller.get(f"{BY_USE}&limit={limit}").json["next_cursor"]
    plans: list[str] = []

    def explain(execute: Callable[..., Any], sql: str, params: Any, *rest: Any) -> Any:
        if "nulls first" in sql.lower():
            execute("SET LOCAL enable_seqscan = off", None, *rest)
            execute("SET LOCAL enable_bitmapscan = off", None, *rest)
            execute(f"EXPLAIN {sql}", params, *rest)
            plans.extend(line for (line,) in rest[1]["cursor"].fetchall())
        return execute(sql, params, *rest)

    with connection.execute_wrapper(explain):
        caller.get(f"{BY_USE}&cursor={cursor}")

    plan = "\n".join(plans)
    assert "orgs_apikey_by_last_use" in plan
    assert "Sort" not in plan


@pytest.mark.parametrize("path", ["/api-keys", BY_USE])
def test_a_list_takes_two_statements(caller: Caller, organization: Organization, path: str) -> None:
    used(organization, 1, 2)
    caller.get(path)

    with statements() as sent:
        caller.get(path)

    assert len(sent) == 2, sent


def test_keys_are_found_by_environment(caller: Caller, organization: Organization) -> None:
    key = factories.make_key(organization, environment=Environment.TEST)

    assert ids(caller.get("/api-keys?environment=test")) == [str(key.row.id)]


def test_keys_are_found_by_who_they_act_as(caller: Caller, organization: Organization) -> None:
    user, agent = factories.make_member(organization), factories.make_agent(organization)
    of_user, of_agent = (factories.make_key(organization, **bearer) for bearer in ({"user": user}, {"agent": agent}))

    found = [ids(caller.get(f"/api-keys?{query}")) for query in (f"user_id={user.id}", f"agent_id={agent.id}")]

    assert found == [[str(of_user.row.id)], [str(of_agent.row.id)]]


def ended(caller: Caller, organization: Organization) -> dict[str, APIKey]:
    """Make one key of each status; all but the active one are also past their end."""
    made = {status: factories.make_key(organization).row for status in ("revoked", "replaced", "expired")}
    caller.delete(f"/api-keys/{made['revoked'].id}")
    caller.post(f"/api-keys/{made['replaced'].id}/rotate", {})
    for key in made.values():
        system_rows("UPDATE orgs_apikey SET expires_at = now() - interval '1 day' WHERE id = %s", key.id)
    return made


@pytest.mark.parametrize("status", ["revoked", "replaced", "expired"])
def test_keys_are_found_by_what_became_of_them(caller: Caller, organization: Organization, status: str) -> None:
    made = ended(caller, organization)

    assert ids(caller.get(f"/api-keys?status={status}")) == [str(made[status].id)]


def test_active_keys_are_those_that_nothing_has_ended(caller: Caller, organization: Organization) -> None:
    made = ended(caller, organization)

    active = set(ids(caller.get("/api-keys?status=active")))

    assert own_id(caller) in active
    # The replaced one's successor is the other.
    assert (len(active), active & {str(key.id) for key in made.values()}) == (2, set())


def test_keys_are_found_that_were_not_used_since(caller: Caller, organization: Organization) -> None:
    week, never, day = used(organization, 7, None, 1)
    since = quote((NOW - timedelta(days=2)).isoformat())

    found = ids(caller.get(f"/api-keys?unused_since={since}"))

    assert (set(found), day in found) == ({week, never}, False)


@pytest.mark.parametrize(
    "query", ["environment=moon", "user_id=me", "status=gone", "unused_since=yesterday", "order=oldest"]
)
def test_a_filter_that_is_none_is_refused(owner: Caller, query: str) -> None:
    answer = owner.get(f"/api-keys?{query}")

    assert (answer.status, answer.code) == (422, "invalid")


def test_an_outsider_finds_nothing_by_a_filter(outsider: Caller, organization: Organization) -> None:
    user = factories.make_member(organization)
    factories.make_key(organization, user=user)

    assert ids(outsider.get(f"/api-keys?user_id={user.id}")) == []
