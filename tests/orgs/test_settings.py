"""GET and PATCH /orgs/{id}/settings."""

from typing import Any

import pytest

from orgs.models import Organization
from tests import factories
from tests.factories import Caller
from tests.statements import audit_of, events_of


@pytest.fixture
def path(organization: Organization) -> str:
    return f"/orgs/{organization.id}/settings"


def test_settings_begin_with_their_defaults(owner: Caller, path: str) -> None:
    answer = owner.get(path)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')
    assert answer.json == {
        "api_keys": {"max_lifetime_days": None, "reminder_days": 14},
        "deletion": {"delay_days": 7},
        "metadata": {},
        "generation": 1,
    }


def test_a_change_leaves_what_it_does_not_name(owner: Caller, path: str) -> None:
    owner.patch(path, {"metadata": {"team": "core"}})

    answer = owner.patch(path, {"deletion": {"delay_days": 90}})

    assert (answer.status, answer.headers["ETag"]) == (200, '"3"')
    assert answer.json == owner.get(path).json | {"shortened_keys": 0}
    assert (answer.json["deletion"], answer.json["metadata"]) == ({"delay_days": 90}, {"team": "core"})


def test_metadata_is_replaced_as_a_whole_and_kept_to_the_digit(owner: Caller, path: str) -> None:
    owner.patch(path, {"metadata": {"old": 1}})

    answer = owner.patch(path, b'{"metadata": {"much": 1e23, "exact": 0.10}}')

    assert answer.status == 200
    assert answer.json["metadata"].keys() == {"much", "exact"}
    assert b"0.10" in answer.raw
    assert b"1e23" in answer.raw.lower().replace(b"+", b"")


@pytest.mark.parametrize("body", [{}, {"deletion": {}}])
def test_a_change_of_nothing_changes_nothing(owner: Caller, path: str, body: dict[str, Any]) -> None:
    answer = owner.patch(path, body)

    assert (answer.status, answer.headers["ETag"]) == (200, '"1"')


@pytest.mark.parametrize(
    "body",
    [
        {"deletion": {"delay_days": 0}},
        {"deletion": {"delay_days": 91}},
        {"deletion": {"delay_days": None}},
        {"deletion": None},
        {"metadata": None},
        {"metadata": []},
        {"metadata": {"a": "x" * 65536}},
        {"surprise": 1},
    ],
    ids=lambda body: str(body)[:40],
)
def test_what_is_no_setting_is_refused(owner: Caller, path: str, body: dict[str, Any]) -> None:
    answer = owner.patch(path, body)

    assert (answer.status, answer.code) == (422, "invalid")
    assert owner.get(path).headers["ETag"] == '"1"'


def test_another_generation_is_refused(owner: Caller, path: str) -> None:
    answer = owner.patch(path, {"metadata": {}}, If_Match='"2"')

    assert (answer.status, answer.code) == (412, "precondition-failed")


def test_a_change_is_told_without_what_metadata_holds(owner: Caller, path: str, organization: Organization) -> None:
    owner.patch(path, {"deletion": {"delay_days": 3}, "metadata": {"a": "private"}})

    entry, event = audit_of(organization)[-1], events_of(organization.id)[-1]
    told = {"settings": ["deletion.delay_days", "metadata"], "values": {"deletion.delay_days": 3}}
    assert (entry["action"], entry["detail"]) == ("organization.settings-changed", told)
    assert (event["type"], event["generation"], event["facts"]) == ("organization.settings-changed", 2, told)


@pytest.mark.parametrize(("method", "scope"), [("GET", "members:admin"), ("PATCH", "orgs:read")])
def test_settings_need_their_scope(organization: Organization, path: str, method: str, scope: str) -> None:
    caller = Caller(factories.make_key(organization, scopes=(scope,)).text)

    answer = caller.call(method, path, {"metadata": {}} if method == "PATCH" else None)

    assert (answer.status, answer.code) == (403, "scope-missing")
