"""What is written into the console's addresses by hand: never a failure, and no way to guess what is hidden."""

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.contenttypes.models import ContentType
from django.db import models

from accounts.models import User
from api.logs import BareFormatter
from orgs import tenancy
from orgs.models import Organization
from tests import factories
from tests.orgs.console import Browser

MODELS = sorted(admin.site._registry, key=lambda model: model._meta.label)
over_models = pytest.mark.parametrize("model", MODELS, ids=lambda model: model._meta.label)
# What columns take, in lists, forms and actions.
QUERIES = [
    "id__exact=foo", "id=foo", "pk=%00", "id__in=1,foo", "id__gt=99999999999999999999999",
    "digest__exact=1", "digest__startswith=a", "created_at__year=99999999", "created_at__gte=foo",
    "name__regex=(", "email__regex=(", "password__startswith=pbkdf2", "user__password__startswith=pbkdf2",
    "organization__apikey__digest=1", "organization__id__exact=foo", "owner_id__exact=foo",
    "role__exact=%00", "role__exact=nobody", "state__exact=%00", "action__exact=%00", "is_active__exact=foo",
    "is_staff__exact=%00", "role__isnull=foo", "__=", "=", "%00=%00", "a__b__c__d=1",
    "q=%00", "q=" + "a+" * 3000, "q=%22", "q=%ff%fe", "q=" + "%F0%9F%98%80" * 50,
    "o=foo", "o=99.-99", "o=-", "p=foo", "p=-1", "p=99999999999999999999", "p=%00", "all=", "all=%00", "e=1",
    "_facets=foo", "_popup=%00", "_to_field=digest", "_to_field=password", "_to_field=%00", "_to_field=id&_popup=1",
    "_changelist_filters=%00", "_changelist_filters=a%3Db%26c", "_source_model=%00",
    "organization=foo", "user=%00", "agent=foo", "expires_at=foo", "expires_at_0=foo", "scopes=foo", "last_login=foo",
]  # fmt: skip
KEYS = ["foo", "%00", "0", "-1", "99999999999999999999999", "%D9%A3", "a/b", "_00", "_5F", "..", "%ff", "'", "9" * 5000]
KEYS += [factories.UNKNOWN_ID]


def path_of(model: type[models.Model], *rest: object) -> str:
    return "/".join(["/admin", model._meta.app_label, str(model._meta.model_name), *map(str, rest), ""])


@pytest.fixture
def failures() -> Iterator[list[str]]:
    """Collect the tracebacks that are logged."""
    found: list[str] = []

    class Collector(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if record.exc_info:
                found.append(f"{record.name}: {record.getMessage()}")

    collector = Collector(logging.ERROR)
    logging.getLogger("django.request").addHandler(collector)
    yield found
    logging.getLogger("django.request").removeHandler(collector)


@pytest.fixture
def hostile(browser: Browser) -> Browser:
    browser.client.raise_request_exception = False
    return browser


def broken(browser: Browser, addresses: list[str]) -> list[tuple[str, int]]:
    answers = [(address[:200], browser.open(address).status_code) for address in addresses]
    return [answer for answer in answers if answer[1] >= 500]


@over_models
def test_lists_and_forms_take_any_query(
    hostile: Browser, organization: Organization, model: type[models.Model], failures: list[str]
) -> None:
    factories.make_key(organization)
    with tenancy.system():
        row = model._default_manager.order_by("-pk").first()
    paths = [path_of(model), path_of(model, "add"), *([path_of(model, row.pk, "change")] if row else [])]

    assert broken(hostile, [f"{path}?{query}" for path in paths for query in QUERIES]) == []
    assert failures == []


@over_models
def test_pages_of_a_row_take_any_key(hostile: Browser, model: type[models.Model], failures: list[str]) -> None:
    pages = [[], ["change"], ["history"], ["delete"], *([["password"]] if model is User else [])]

    assert broken(hostile, [path_of(model, key, *page) for key in KEYS for page in pages]) == []
    assert failures == []


@over_models
@pytest.mark.parametrize("chosen", ["bad", "\0", "", "9" * 30, factories.UNKNOWN_ID])
def test_actions_take_any_choice(hostile: Browser, model: type[models.Model], chosen: str, failures: list[str]) -> None:
    token = hostile.client.cookies["csrftoken"].value
    forms: list[dict[str, Any]] = [
        {"action": action, "_selected_action": [chosen, "x"], "index": index, "select_across": across}
        for action in ("revoke", "delete_selected", "\0")
        for index, across in (("0", "0"), ("foo", "foo"), ("99", "1"))
    ]

    answers = [hostile.client.post(path_of(model), {"csrfmiddlewaretoken": token, **form}) for form in forms]

    assert [answer.status_code for answer in answers if answer.status_code >= 500] == []
    assert failures == []


def test_the_pages_of_no_model_take_anything(hostile: Browser, failures: list[str]) -> None:
    with tenancy.system():
        types = [ContentType.objects.get_for_model(model).pk for model in MODELS]
    addresses = [f"/admin/r/{kind}/{key}/" for kind in [*types, "foo", "0", "9" * 30] for key in KEYS]
    addresses += [
        f"/admin/autocomplete/?app_label=orgs&model_name={model}&field_name={field}&{rest}"
        for model in ("apikey", "membership", "nothing", "%00")
        for field in ("organization", "user", "digest", "%00")
        for rest in ("term=%00", "term=a&page=foo", "page=99999999999999999999", "term=" + "a+" * 1000, "term=%ff")
    ]
    addresses += [f"/admin/{rest}" for rest in ("autocomplete/", "jsi18n/?language=%00", "nothing/", "orgs/", "%00/")]
    addresses += ["/admin/login/?next=%00", "/admin/login/?next=//evil.example", "/admin/password_change/?a=%00"]

    assert broken(hostile, addresses) == []
    assert failures == []


def test_a_cookie_takes_anything(failures: list[str]) -> None:
    browser = Browser()
    browser.client.raise_request_exception = False
    values = ['"\\000aaaaaaaaaaaa"', "a" * 4000, "é", "%00", "foo bar"]

    answers = [
        browser.client.get("/admin/", headers={"Cookie": f"{name}={value}"})
        for name in ("sessionid", "csrftoken", "messages")
        for value in values
    ]

    assert {answer.status_code for answer in answers} <= {302, 400}
    assert failures == []


@pytest.mark.parametrize(
    "query", ["password__startswith=pbkdf2", "password__startswith=nothing", "is_superuser__exact=1"]
)
def test_a_list_does_not_tell_what_it_does_not_show(browser: Browser, query: str) -> None:
    assert browser.open(f"/admin/accounts/user/?{query}").status_code == 400


@pytest.mark.parametrize("query", ["digest__gt=a", "user__password__startswith=pbkdf2", "name__exact=test"])
def test_a_list_of_keys_does_not_tell_either(browser: Browser, query: str) -> None:
    assert browser.open(f"/admin/orgs/apikey/?{query}").status_code == 400


@pytest.mark.parametrize(
    "address", ["/admin/accounts/user/?is_staff__exact=1", "/admin/orgs/membership/?role__exact=owner",
                "/admin/audit/entry/?action__exact=user.created&outcome__exact=success"],
)  # fmt: skip
def test_a_list_takes_its_own_filters(browser: Browser, address: str) -> None:
    answer = browser.open(address)

    assert answer.status_code == 200
    assert "selected" in answer.content.decode()


def test_a_refused_value_writes_nothing(hostile: Browser, organization: Organization) -> None:
    row = factories.make_key(organization).row
    token = hostile.client.cookies["csrftoken"].value
    form = {"csrfmiddlewaretoken": token, "action": "revoke", "_selected_action": [str(row.id), "bad"]}

    answer = hostile.client.post("/admin/orgs/apikey/", form)

    assert (answer.status_code, answer.json()["code"]) == (400, "bad-request")
    with tenancy.system():
        row.refresh_from_db()
    assert row.revoked_at is None


@pytest.fixture
def written() -> Iterator[io.StringIO]:
    """Collect what the log of suspicious requests writes, as it is configured."""
    handlers = logging.getLogger("django.security").handlers
    [handler] = [one for one in handlers if isinstance(one.formatter, BareFormatter)]
    assert isinstance(handler, logging.StreamHandler)
    stream = io.StringIO()
    before = handler.setStream(stream)
    yield stream
    handler.setStream(before)


@pytest.mark.parametrize(
    ("rule", "call"),
    [
        ("DisallowedHost", {"method": "GET", "path": "/admin/login/", "HTTP_HOST": "the-sent-value.example"}),
        ("DisallowedModelAdminLookup", {"method": "GET", "path": "/admin/orgs/apikey/?the_sent_value__exact=1"}),
        (
            "TooManyFieldsSent",
            {
                "method": "POST",
                "path": "/admin/login/",
                "data": "&".join(f"the_sent_value{number}=1" for number in range(1500)),
                "content_type": "application/x-www-form-urlencoded",
            },
        ),
        ("RequestDataTooBig", {"method": "POST", "path": "/admin/login/", "data": b"the-sent-value" * 100_000}),
        ("csrf", {"method": "POST", "path": "/admin/login/", "HTTP_ORIGIN": "https://the-sent-value.example"}),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_suspicious_request_is_one_line_without_what_was_sent(
    browser: Browser, written: io.StringIO, rule: str, call: dict[str, Any]
) -> None:
    answer = browser.client.generic(**call)

    assert answer.status_code in (400, 403)
    [line] = [json.loads(line) for line in written.getvalue().splitlines()]
    assert line["logger"] == f"django.security.{rule}"
    assert "exc_info" not in line
    assert "the-sent-value" not in written.getvalue().replace("_", "-")


def test_a_suspicious_request_is_a_problem(browser: Browser) -> None:
    answer = browser.client.get("/admin/login/", headers={"Host": "evil.example"})

    assert (answer.status_code, answer.headers["Content-Type"]) == (400, "application/problem+json")
    assert answer.json()["code"] == "bad-request"
