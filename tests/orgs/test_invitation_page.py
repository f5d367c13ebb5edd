"""GET /invitation: the page that a link leads to, and what it may load."""

import re

import pytest
from django.contrib.staticfiles import finders
from django.test import Client

from tests import factories

ADDRESS = re.compile(r"""(?:src|href|action)=["']([^"']+)""")


@pytest.fixture
def visitor() -> Client:
    client = Client(raise_request_exception=False)
    client.handler = factories.HANDLER
    return client


def test_the_page_is_for_everyone_and_sets_no_cookie(visitor: Client) -> None:
    answer = visitor.get("/invitation", headers={"Host": "any.example"})

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
    assert not answer.cookies


def test_the_page_may_load_nothing_but_our_own_files(visitor: Client) -> None:
    answer = visitor.get("/invitation")

    policy = dict(part.split(" ", 1) for part in answer.headers["Content-Security-Policy"].split("; "))
    assert policy["default-src"] == policy["base-uri"] == policy["form-action"] == policy["frame-ancestors"] == "'none'"
    assert policy["script-src"] == policy["style-src"] == policy["connect-src"] == "'self'"
    assert answer.headers["Referrer-Policy"] == "no-referrer"
    assert answer.headers["Cache-Control"] == "no-store"


def test_the_page_names_no_address_outside_and_holds_no_script(visitor: Client) -> None:
    page = visitor.get("/invitation").content.decode()

    addresses = ADDRESS.findall(page)
    assert {address.partition("/orgs/")[0] for address in addresses} == {"data:,", "/static"}
    assert re.findall(r"<script[^>]*>([^<]+)", page) == []
    assert re.findall(r"\son\w+=|style=", page) == []


@pytest.mark.parametrize("name", ["invitation.js", "invitation.css"])
def test_the_files_of_the_page_are_found_and_name_no_address_outside(name: str) -> None:
    path = finders.find(f"orgs/{name}")

    assert isinstance(path, str)
    with open(path, encoding="utf-8") as file:  # noqa: PTH123  (the finder gives a string)
        assert "://" not in file.read()


def test_the_page_is_only_read(visitor: Client) -> None:
    assert visitor.post("/invitation").status_code == 405
