"""What the front answers when the application behind it fails, and which limits it knows."""

import asyncio
import json
import logging
import uuid
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterable
from importlib import import_module
from typing import Any

import pytest

from api.requests import DEFAULT_BODY_LIMIT, MIB
from config.api import api
from config.bodies import UNCOUNTED_BYTES, Bodies
from config.bridge import Bridge, Environ, Message, Receive, Send
from config.limits import body_limit
from config.openapi import operations
from tests.api.scene import Operation, operations_of
from tests.config.asgi import Sent, giving, scope
from tests.factories import API

Front = Callable[[Message, Receive, Send], Coroutine[Any, Any, None]]
OPERATIONS = tuple(operations_of("POST", "PUT", "PATCH", "DELETE"))
BY_NAME = operations(api)
IDS: defaultdict[str, str] = defaultdict(lambda: str(uuid.UUID(int=1)))


def _broken(environ: Environ, start_response: Any) -> Iterable[bytes]:
    raise RuntimeError("a defect")


@pytest.fixture
def front() -> Front:
    # It looks at the database, which is not there yet when tests are collected.
    made: Front = import_module("config.front").make_front(Bodies(), Bridge(_broken, 1))
    return made


def _ask(front: Front, **changes: Any) -> Sent:
    sent = Sent()
    asyncio.run(front(scope(**changes), giving(), sent.send))
    return sent


def test_an_application_that_fails_is_an_internal_error(
    front: Front, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger("holdfast"), "propagate", True)

    sent = _ask(front, headers=[(b"x-request-id", b"mine")])

    problem = json.loads(sent.content)
    assert (sent.status, problem["code"], problem["request_id"]) == (500, "internal-error", "mine")
    assert "a defect" not in sent.content.decode()
    assert "a defect" in caplog.text


def test_a_head_that_fails_has_no_content(front: Front) -> None:
    sent = _ask(front, method="HEAD")

    assert (sent.status, sent.content) == (500, b"")
    assert int(sent.headers[b"content-length"]) > 0


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.name)
def test_the_front_takes_what_an_operation_takes(operation: Operation) -> None:
    declared = getattr(BY_NAME[operation.name].view_func, "body_limit", DEFAULT_BODY_LIMIT)

    assert body_limit(f"{API}{operation.at(IDS)}").size >= declared.size


@pytest.mark.parametrize("path", [f"{API}/tasks", f"{API}/agents"])
def test_an_operation_that_declares_nothing_takes_a_mebibyte(path: str) -> None:
    assert body_limit(path).size == MIB


@pytest.mark.parametrize("path", ["/", "/nothing", "/admin/", "/live", f"{API}/nothing", f"{API}/signup", "/\ufffd"])
def test_what_strangers_may_send_to_is_small(path: str) -> None:
    assert body_limit(path).size == UNCOUNTED_BYTES
