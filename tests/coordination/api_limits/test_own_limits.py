"""Limits that operators give single organizations."""

import uuid

import pytest
from django.db import ProgrammingError
from pytest_django import Settings

from coordination import services
from coordination.api_limits import own
from coordination.models import OrganizationRateLimits
from orgs import organization_erasers, tenancy
from orgs.models import Organization
from tests import factories
from tests.coordination.api_limits.structured import parse_list
from tests.factories import Caller
from tests.orgs.console import Browser, entries_of
from tests.statements import audit_of, events_of, statements

PAGE = "/admin/coordination/organizationratelimits"


def limit(organization: Organization, **numbers: int | None) -> None:
    with tenancy.system():
        services.set_rate_limits(organization.id, changes=numbers, actor="test")


def page_of(organization: Organization) -> str:
    with tenancy.system():
        return f"{PAGE}/{OrganizationRateLimits.objects.get(organization=organization).pk}/change/"


def quota(caller: Caller, name: str = "default") -> int:
    """Return the number of calls that a limit allows, of which a call tells that draws permits of its own."""
    return dict(parse_list(caller.get("/me").headers["RateLimit-Policy"]))[name]["q"]


def test_an_organization_has_its_own_numbers(organization: Organization, owner: Caller) -> None:
    limit(organization, key_requests=7, organization_requests=9)

    assert (quota(owner), quota(owner, "organization")) == (7, 9)


def test_a_change_holds_at_once_in_the_process_that_makes_it(organization: Organization, owner: Caller) -> None:
    limit(organization, key_requests=2)
    [owner.get("/me") for _ in range(2)]
    limit(organization, key_requests=50)

    assert owner.get("/me").status == 200


def test_elsewhere_it_holds_once_the_old_numbers_are_no_longer_believed(
    organization: Organization, owner: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = quota(owner)
    with tenancy.system():
        OrganizationRateLimits.objects.create(organization=organization, key_requests=7)
    believed = own.find(organization.id)
    later = own.clock() + own.BELIEVED_SECONDS
    monkeypatch.setattr(own, "clock", lambda: later)

    assert (believed.key_requests, own.find(organization.id).key_requests) == (None, 7)
    assert before != 7


def test_numbers_are_read_once_in_four_seconds(organization: Organization) -> None:
    own.forget(organization.id)
    with statements() as sent:
        [own.find(organization.id) for _ in range(10)]

    assert len(sent) == 1


def test_nothing_of_its_own_is_the_installations(organization: Organization, owner: Caller, settings: Settings) -> None:
    settings.RATE_LIMIT_KEY = 123
    limit(organization, key_requests=None, organization_requests=0)

    answer = owner.get("/me")

    assert dict(parse_list(answer.headers["RateLimit-Policy"])) == {"default": {"q": 123, "w": 60}}


def test_another_organization_is_not_touched(organization: Organization, outsider: Caller) -> None:
    limit(organization, key_requests=7)

    assert quota(outsider) != 7


def test_limits_are_shown_beside_the_others(organization: Organization, owner: Caller) -> None:
    limit(organization, key_requests=7, organization_requests=0)

    found = owner.get(f"/orgs/{organization.id}/limits").json["rate_limits"]

    assert found["default"] == {"limit": 7, "window_seconds": 60}
    assert found["organization"] == {"limit": None, "window_seconds": 60}


def test_an_operator_gives_an_organization_limits(organization: Organization, owner: Caller, browser: Browser) -> None:
    form = {"organization": str(organization.id), "key_requests": "7", "organization_requests": ""}
    name = uuid.uuid4().hex

    answer = browser.send(f"{PAGE}/add/", form, X_Request_Id=name)

    assert answer.status_code == 302
    assert ("organization.limits-changed", str(organization.id)) in [
        (action, subject) for action, _, subject, _ in entries_of(name)
    ]
    assert quota(owner) == 7


def test_an_operator_changes_them(organization: Organization, owner: Caller, browser: Browser) -> None:
    limit(organization, key_requests=7)

    answer = browser.send(page_of(organization), {"key_requests": "8", "organization_requests": ""})

    assert answer.status_code == 302
    assert quota(owner) == 8
    assert audit_of(organization)[-1]["detail"] == {"rate_limits": {"key_requests": 8}}


def test_a_change_is_an_event_of_the_organization(organization: Organization) -> None:
    limit(organization, key_requests=7)

    assert [event["type"] for event in events_of(organization.id)][-1] == "organization.limits-changed"


def test_who_is_not_signed_in_is_shown_none(organization: Organization) -> None:
    limit(organization, key_requests=7)

    answer = Browser().open(page_of(organization))

    assert (answer.status_code, "/admin/login/" in answer.headers["Location"]) == (302, True)


def test_a_tenant_cannot_change_its_own(organization: Organization) -> None:
    limit(organization, key_requests=7)

    with pytest.raises(ProgrammingError, match="permission denied"), tenancy.organization(organization.id):
        OrganizationRateLimits.objects.filter(organization=organization).update(key_requests=1000)


def test_a_tenant_sees_no_others(organization: Organization) -> None:
    limit(organization, key_requests=7)

    with tenancy.organization(factories.make_organization().id):
        assert not OrganizationRateLimits.objects.exists()


def test_they_go_with_their_organization(organization: Organization) -> None:
    limit(organization, key_requests=7)
    [eraser] = [
        each
        for each in organization_erasers.erasers(after_organization=False)
        if each.name == "coordination_organizationratelimits"
    ]

    with tenancy.system():
        step = eraser.erase(organization.id, 10, 0)

    assert step.counts == {"coordination_organizationratelimits": 1}
