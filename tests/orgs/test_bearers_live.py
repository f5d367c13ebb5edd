"""An issuer that rotates its keys while a server of the service answers requests."""

import contextlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from threading import Event
from typing import Any

import pytest

from accounts.models import User
from orgs.models import Organization, Role
from tests import factories
from tests.accounts.oidc.local_issuer import (
    AUDIENCE,
    EC,
    ED25519,
    KEYS_PATH,
    RSA,
    LocalIssuer,
    Reply,
    local_issuer,
    make_key,
)
from tests.api.live import Server, document, read_answer, request, serving
from tests.orgs.tokens import link

THREADS = 8
ROTATIONS: list[dict[str, Any]] = [RSA, ED25519, EC] * 2


@pytest.fixture(scope="module")
def issuer() -> Iterator[LocalIssuer]:
    with local_issuer() as running:
        yield running


@pytest.fixture(scope="module", params=["web", "front"])
def server(request: Any, issuer: LocalIssuer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    issuers = json.dumps([{"issuer": issuer.url, "audience": AUDIENCE}])
    with serving(request.param, tmp_path_factory.mktemp(request.param), OIDC_ISSUERS=issuers) as running:
        yield running


@pytest.fixture
def user() -> User:
    return factories.make_member(factories.make_organization(), Role.ADMIN)


def test_no_request_fails_while_the_issuer_rotates_its_keys(server: Server, issuer: LocalIssuer, user: User) -> None:
    subject = link(user, issuer.url)
    ended = Event()

    def work(number: int) -> list[int]:
        statuses: list[int] = []
        with server.client("") as client:
            while not ended.is_set():
                # Each request with a token of its own, so that none is believed from before.
                token = issuer.token(sub=subject, jti=f"{number}-{len(statuses)}")
                statuses.append(client.get("/me", headers={"Authorization": f"Bearer {token}"}).status_code)
        return statuses

    with ThreadPoolExecutor(THREADS) as pool:
        working = [pool.submit(work, number) for number in range(THREADS)]
        for kind in ROTATIONS:
            kept = issuer.token(sub=subject, jti="kept")
            issuer.rotate(kind)
            for token in (issuer.token(sub=subject, jti="new"), kept):
                with server.client(token) as client:
                    assert client.get("/me").status_code == 200
        ended.set()
        statuses = [status for done in working for status in done.result(60)]

    assert len(statuses) > THREADS
    assert set(statuses) == {200}


def test_a_large_body_is_taken_from_the_bearer_of_a_token(server: Server, issuer: LocalIssuer, user: User) -> None:
    body = document(title="large", state={"text": "x" * 200_000})

    answer = server.send(request("POST", "/sessions", issuer.token(sub=link(user, issuer.url)), body))

    assert answer.status == 201


@pytest.mark.parametrize(
    ("claims", "headers", "code"),
    [
        ({"sub": "nobody"}, {}, "user-unknown"),
        ({"aud": "other"}, {}, "token-audience-wrong"),
        ({}, {"Holdfast-Org": "not-mine"}, "not-found"),
        ({}, {"Holdfast-Org": "a b"}, "invalid-header"),
    ],
)
def test_a_large_body_of_one_who_is_refused_is_refused_by_the_same_code(
    server: Server, issuer: LocalIssuer, user: User, claims: dict[str, str], headers: dict[str, str], code: str
) -> None:
    token = issuer.token(**{"sub": link(user, issuer.url)} | claims)  # type: ignore[arg-type]
    body = document(title="large", state={"text": "x" * 200_000})

    with server.connect() as connection:
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
            connection.sendall(request("POST", "/sessions", token, body, headers))
        answer = read_answer(connection)

    assert answer.code == code


def test_a_user_of_several_organizations_names_one(server: Server, issuer: LocalIssuer, user: User) -> None:
    other: Organization = factories.make_organization(user)
    token = issuer.token(sub=link(user, issuer.url))

    with server.client(token) as client:
        asked = client.get("/me")
        named = client.get("/me", headers={"Holdfast-Org": other.slug})

    assert (asked.status_code, asked.json()["code"]) == (400, "organization-required")
    assert named.json()["organization"]["id"] == str(other.id)


def test_made_up_keys_of_a_slow_issuer_leave_threads_to_others(server: Server, issuer: LocalIssuer, user: User) -> None:
    with server.client(issuer.token(sub=link(user, issuer.url))) as client:
        assert client.get("/me").status_code == 200
    honest = factories.make_key(factories.make_organization()).text
    forged = [issuer.token(key=make_key(f"made-up-{number}")) for number in range(24)]
    usual, issuer.asked[:] = issuer.replies[KEYS_PATH], []
    issuer.replies[KEYS_PATH] = Reply(never=True)

    def call(token: str) -> int:
        with server.client(token) as client:
            return client.get("/me").status_code

    try:
        with ThreadPoolExecutor(24) as pool:
            calls = [pool.submit(call, token) for token in forged]
            while KEYS_PATH not in issuer.asked:
                wait(calls, timeout=0.01)
            answered = call(honest)
            waiting = [done for done in calls if not done.done()]
    finally:
        issuer.replies[KEYS_PATH] = usual

    assert answered == 200
    # The issuer was still being waited for.
    assert waiting
    assert {done.result() for done in calls} == {503}
