"""GET /audit."""

import base64
import json
import uuid

import pytest

from orgs.models import Organization
from tests import factories
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
        assert position == entry["id"]


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


def test_a_cursor_of_another_filter_is_refused(owner: Caller) -> None:
    cursor = owner.get("/audit?limit=1").json["next_cursor"]

    answer = owner.get(f"/audit?limit=1&action=api-key.created&cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


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
