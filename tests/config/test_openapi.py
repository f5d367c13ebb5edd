"""The OpenAPI document: served as it is published, and telling of every operation what the gate does."""

import json
import re
from typing import Any

import pytest
from django.urls import URLPattern

from config.api import api
from config.openapi import operations as bound_operations
from orgs.permissions import Scope
from tests.api.scene import Operation, operations, operations_of
from tests.api.wire import send
from tests.orgs.servers import CHECKOUT

PUBLISHED = CHECKOUT / "docs" / "reference" / "openapi.json"
# Whoever signs up has no key yet.
PUBLIC = {"sign_up", "look_up_invitation", "accept_invitation"}
# Any key may ask who it is, and replace itself.
UNSCOPED = PUBLIC | {"me", "rotate_own_key"}

# POSTs that only read, by which no key is looked at.
UNKEYED = {"get_many_cached"}
KEYED = [operation for operation in operations_of("POST") if operation.name not in UNKEYED]


def _name(operation: Operation) -> str:
    return operation.name


def _headers(operation: Operation) -> set[str]:
    return {found["name"] for found in operation.described["parameters"] if found["in"] == "header"}


over_operations = pytest.mark.parametrize("operation", operations(), ids=_name)


def test_the_served_document_is_the_published_one() -> None:
    answer = send("GET", "/openapi.json")

    assert answer.status == 200
    assert json.loads(answer.raw) == json.loads(PUBLISHED.read_text(encoding="utf-8"))


def test_the_document_can_be_read_in_a_browser() -> None:
    answer = send("GET", "/docs")

    assert answer.status == 200
    assert answer.headers["Content-Type"].startswith("text/html")
    assert b"/api/v1/openapi.json" in answer.raw


def test_every_route_of_the_api_is_in_the_document() -> None:
    urls, _, _ = api.urls
    routed = {str(found.name) for found in urls if isinstance(found, URLPattern)}
    own = {"openapi-json", "openapi-view", "api-root"}

    named = {operation.name for operation in operations()}

    assert set(bound_operations(api)) == named
    assert routed - own <= named


def test_operation_ids_are_unique() -> None:
    names = [operation.name for operation in operations()]

    assert len(names) == len(set(names))


@pytest.mark.parametrize("operation", KEYED, ids=_name)
def test_every_post_that_changes_anything_documents_its_idempotency_key(operation: Operation) -> None:
    assert "Idempotency-Key" in _headers(operation)


@pytest.mark.parametrize("operation", KEYED, ids=_name)
def test_no_post_promises_hours_that_the_operator_sets(operation: Operation) -> None:
    found = next(one for one in operation.described["parameters"] if one["name"] == "Idempotency-Key")

    assert "unless the operator says otherwise" in found["description"]
    assert not re.search("[0-9]", found["description"])


@pytest.mark.parametrize("operation", [one for one in operations() if one not in KEYED], ids=_name)
def test_no_other_operation_promises_an_idempotency_key(operation: Operation) -> None:
    assert "Idempotency-Key" not in _headers(operation)


@over_operations
def test_every_operation_documents_its_problems(operation: Operation) -> None:
    content = operation.described["responses"]["default"]["content"]

    assert content == {"application/problem+json": {"schema": {"$ref": "#/components/schemas/ProblemOut"}}}


@over_operations
def test_every_operation_documents_its_limits(operation: Operation) -> None:
    answers = operation.described["responses"]

    assert all({"RateLimit", "RateLimit-Policy"} <= set(answer["headers"]) for answer in answers.values())
    assert "Retry-After" in answers["429"]["headers"]


@over_operations
def test_every_operation_that_needs_a_scope_documents_it(operation: Operation) -> None:
    found = operation.described.get("x-required-scope")

    assert found is None if operation.name in UNSCOPED else found in set(Scope)


@over_operations
def test_every_operation_but_a_public_one_documents_its_keys_and_tokens(operation: Operation) -> None:
    found = operation.described.get("security")

    assert found is None if operation.name in PUBLIC else found == [{"APIKeyBearer": []}, {"TokenBearer": []}]


def test_every_reference_within_the_document_leads_somewhere() -> None:
    document = api.get_openapi_schema()
    components = document["components"]
    there = {f"#/components/{kind}/{name}" for kind in ("schemas", "headers") for name in components[kind]}

    missing = {name for name in _references(document) if name not in there}

    assert missing == set()


def _references(node: Any) -> set[str]:
    if isinstance(node, dict):
        own = {node["$ref"]} if isinstance(node.get("$ref"), str) else set()
        return own.union(*map(_references, node.values()))
    if isinstance(node, list):
        return set().union(*map(_references, node))
    return set()
