"""GET /audit."""

import base64
import json
import uuid
from typing import get_args

import pytest

from audit.models import SubjectType
from orgs.models import Organization
from tests import factories
from tests.audit.trail import ADA, BEN, add_entry
from tests.factories import Caller
from tests.statements import audit_of, statements


def test_entries_are_listed_newest_first(owner: Caller, organization: Organization) -> None:
    owner.patch(f"/orgs/{organization.id}", {"name": "New"})

    listed = owner.get("/audit").json["items"]

    assert [entry["action"] for entry in listed] == [
        "organization.renamed",
        "api-key.created",
        "membership.created",
        "organization.created",
    ]
    assert [entry["id"] for entry in listed] == sorted((entry["id"] for entry in listed), reverse=True)


def test_neither_ids_nor_cursors_count_what_other_organizations_do(owner: Caller, outsider: Caller) -> None:
    """They are made of the time and chance: no two listings stand in one sequence."""
    listings = [caller.get("/audit?limit=1").json for caller in (owner, outsider)]

    for listed in listings:
        [entry] = listed["items"]
        position = json.loads(base64.urlsafe_b64decode(listed["next_cursor"].partition(".")[0] + "=="))[1]
        assert uuid.UUID(entry["id"]).version == 7
        assert position == f"{entry['created_at']} {entry['id']}"


def test_an_entry_is_given_whole(owner: Caller, organization: Organization) -> None:
    owner.patch(f"/orgs/{organization.id}", {"name": "New"}, X_Request_Id="given-whole")

    entry = owner.get("/audit").json["items"][0]

    kept = audit_of(organization)[-1]
    assert entry == kept | {"id": entry["id"], "created_at": entry["created_at"]}
    assert (entry["address"], entry["request_id"]) == ("127.0.0.1", "given-whole")


def test_entries_are_listed_page_by_page(owner: Caller, organization: Organization) -> None:
    whole = [entry["id"] for entry in owner.get("/audit").json["items"]]

    found, cursor = [], ""
    while cursor is not None:
        page = owner.get(f"/audit?limit=2{cursor and f'&cursor={cursor}'}").json
        found.append([entry["id"] for entry in page["items"]])
        cursor = page["next_cursor"]

    assert found == [whole[:2], whole[2:]]


def test_entries_can_be_filtered_by_action(owner: Caller) -> None:
    listed = owner.get("/audit?action=membership.created").json["items"]

    assert [entry["action"] for entry in listed] == ["membership.created"]


def test_an_unknown_action_is_refused(owner: Caller) -> None:
    answer = owner.get("/audit?action=agent.praised")

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize(
    "filters",
    [
        "action=api-key.created", "actor=system", "subject_type=agent", "subject_id=1", "outcome=success",
        "request_id=a", "address=192.0.2.1", "since=2026-01-01T00:00:00Z", "until=2030-01-01T00:00:00Z",
    ],
)  # fmt: skip
def test_a_cursor_of_another_filter_is_refused(owner: Caller, filters: str) -> None:
    cursor = owner.get("/audit?limit=1").json["next_cursor"]

    answer = owner.get(f"/audit?limit=1&{filters}&cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_a_cursor_belongs_to_its_actions_in_any_order(owner: Caller) -> None:
    page = owner.get("/audit?limit=1&action=api-key.created,membership.created").json

    rest = owner.get(f"/audit?action=membership.created,api-key.created&cursor={page['next_cursor']}").json

    assert [entry["action"] for entry in page["items"] + rest["items"]] == ["api-key.created", "membership.created"]


def test_of_several_actions_the_newest_come_first(owner: Caller, organization: Organization) -> None:
    actions = ["agent.created", "agent.changed", "agent.created", "session.deleted"]
    made = [add_entry(organization, minute, action=action) for minute, action in enumerate(actions)]

    listed = owner.get("/audit?action=agent.created,agent.changed").json["items"]

    assert [entry["id"] for entry in listed] == [made[2], made[1], made[0]]


@pytest.mark.parametrize(
    ("name", "value", "other"),
    [
        ("actor", ADA, BEN),
        ("subject_type", "api-key", "agent"),
        ("subject_id", "a1", "a2"),
        ("outcome", "refused", "success"),
        ("request_id", "first", "second"),
        ("address", "192.0.2.1", "192.0.2.2"),
        ("address", "2001:db8::1", "2001:db8::2"),
    ],
)
def test_entries_can_be_filtered(owner: Caller, organization: Organization, name: str, value: str, other: str) -> None:
    meant = add_entry(organization, 1, action="user.created", **{name: value})
    add_entry(organization, 2, action="user.created", **{name: other})

    listed = owner.get(f"/audit?action=user.created&{name}={value}").json["items"]

    assert [entry["id"] for entry in listed] == [meant]


def test_an_address_is_found_however_it_is_written(owner: Caller, organization: Organization) -> None:
    meant = add_entry(organization, address="2001:db8::1")

    listed = owner.get("/audit?address=2001:DB8:0:0::0001").json["items"]

    assert [entry["id"] for entry in listed] == [meant]


def test_a_span_of_time_holds_its_begin_and_not_its_end(owner: Caller, organization: Organization) -> None:
    made = [add_entry(organization, minute) for minute in range(4)]

    listed = owner.get("/audit?since=2026-01-01T00:01:00Z&until=2026-01-01T01:03:00%2B01:00").json["items"]

    assert [entry["id"] for entry in listed] == [made[2], made[1]]


def test_the_database_s_clock_decides_the_order(owner: Caller, organization: Organization) -> None:
    """Ids are made by the clocks of processes, of which one may be slow."""
    late = add_entry(organization, 2)
    early = add_entry(organization, 1)

    listed = owner.get("/audit?action=agent.changed").json["items"]

    assert [entry["id"] for entry in listed] == [late, early]


def test_entries_of_one_moment_are_told_apart_by_their_ids(owner: Caller, organization: Organization) -> None:
    made = sorted((add_entry(organization) for _ in range(5)), reverse=True)

    found, cursor = [], ""
    while cursor is not None:
        page = owner.get(f"/audit?action=agent.changed&limit=2{cursor and f'&cursor={cursor}'}").json
        found += [entry["id"] for entry in page["items"]]
        cursor = page["next_cursor"]

    assert found == made


@pytest.mark.parametrize(
    "query",
    ["action=", "action=,", "actor=", "actor=ada", "actor=user:ada", "actor=user:", f"actor=nobody:{uuid.UUID(int=1)}",
     "actor=operator", f"actor={ADA}%0A", f"actor={ADA.upper()}", "subject_type=", "subject_type=planet",
     "outcome=maybe", "address=nowhere", "since=2026-01-01", "until=yesterday", "subject_id=", "request_id="],
)  # fmt: skip
def test_a_filter_without_its_form_is_refused(owner: Caller, query: str) -> None:
    answer = owner.get(f"/audit?{query}")

    assert (answer.status, answer.code) == (422, "invalid")
    assert [error["field"] for error in answer.json["errors"]] == [query.partition("=")[0]]


def test_a_refused_actor_is_told_the_forms(owner: Caller) -> None:
    [error] = owner.get("/audit?actor=user:ada").json["errors"]

    assert error["message"].startswith("is no actor: those are user:<id>, agent:<id>, api-key:<id>, operator:<id>,")


@pytest.mark.parametrize("actor", [ADA, "operator:shell", "system", "anonymous"])
def test_every_form_of_an_actor_is_taken(owner: Caller, organization: Organization, actor: str) -> None:
    meant = add_entry(organization, 1, action="user.created", actor=actor)

    listed = owner.get(f"/audit?action=user.created&actor={actor}").json["items"]

    assert [entry["id"] for entry in listed] == [meant]


def test_the_id_of_an_actor_comes_in_either_case(owner: Caller, organization: Organization) -> None:
    ada = f"agent:{uuid.uuid4()}"
    meant = add_entry(organization, 1, actor=ada)

    listed = owner.get(f"/audit?actor=agent:{ada.removeprefix('agent:').upper()}").json["items"]

    assert [entry["id"] for entry in listed] == [meant]


@pytest.mark.parametrize("kind", get_args(SubjectType))
def test_every_kind_of_subject_is_taken(owner: Caller, organization: Organization, kind: str) -> None:
    meant = add_entry(organization, 1, action="user.created", subject_type=kind)

    listed = owner.get(f"/audit?action=user.created&subject_type={kind}").json["items"]

    assert [entry["id"] for entry in listed] == [meant]


def test_one_entry_is_given_as_the_list_has_it(owner: Caller) -> None:
    entry = owner.get("/audit").json["items"][0]

    answer = owner.get(f"/audit/{entry['id']}")

    assert (answer.status, answer.json) == (200, entry)


def test_an_outsider_does_not_find_an_entry(owner: Caller, outsider: Caller) -> None:
    entry = owner.get("/audit").json["items"][0]

    answer = outsider.get(f"/audit/{entry['id']}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_listing_entries_takes_two_statements(owner: Caller) -> None:
    owner.get("/audit")

    with statements() as sent:
        owner.get("/audit")

    assert len(sent) == 2, sent


def test_an_outsider_sees_no_entry_of_ours(owner: Caller, outsider: Caller) -> None:
    ours, theirs = ({entry["id"] for entry in caller.get("/audit").json["items"]} for caller in (owner, outsider))

    assert ours
    assert theirs
    assert not ours & theirs


def test_refusals_are_in_the_list(owner: Caller, organization: Organization) -> None:
    Caller(factories.make_key(organization, scopes=("tasks:read",)).text).get("/agents")

    [refused] = owner.get("/audit?action=access.refused").json["items"]

    assert (refused["outcome"], refused["detail"]["reason"]) == ("refused", "lacks agents:read")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_the_trail_takes_no_writes(owner: Caller, method: str) -> None:
    answer = owner.call(method, "/audit", {})

    assert (answer.status, answer.code) == (405, "method-not-allowed")


def test_the_trail_needs_its_scope(organization: Organization) -> None:
    caller = Caller(factories.make_key(organization, scopes=("orgs:admin",)).text)

    answer = caller.get("/audit")

    assert (answer.status, answer.code) == (403, "scope-missing")
