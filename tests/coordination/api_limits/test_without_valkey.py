"""Valkey killed and started, flushed, and paused while calls are counted."""

import logging
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import pytest
import redis
from django.test import Client
from prometheus_client import REGISTRY
from pytest_django import Settings

from accounts.models import User
from api.waiting import CALL, WaitingCall
from coordination.api_limits.limiter import PAUSE_SECONDS, SENTENCE, Complaint, Limiter
from coordination.api_limits.table import SIGN_IN, Quota
from coordination.connections import Breaker, Unavailable
from coordination.shared import QUICK_SECONDS
from tests.coordination.api_limits.conftest import connected
from tests.coordination.api_limits.windows import passes, quotas, until
from tests.coordination.servers import ValkeyServer
from tests.factories import HANDLER, Caller
from tests.orgs.console import PASSWORD, Browser, browser_at, make_person, new_address
from tests.statements import system_rows


@pytest.fixture
def limiter(valkey: ValkeyServer) -> Limiter:
    return Limiter(connected(valkey))


def stranger() -> Caller:
    return Caller("", {"Authorization": ""}, new_address())


def local_decisions() -> float:
    return REGISTRY.get_sample_value("holdfast_rate_limit_without_valkey_total", {"decision": "local"}) or 0.0


def test_without_valkey_a_process_holds_the_limit_by_itself(
    owner: Caller, own_valkey: ValkeyServer, settings: Settings
) -> None:
    settings.RATE_LIMIT_KEY = 5
    own_valkey.kill()
    before = local_decisions()

    statuses = [owner.get("/me").status for _ in range(8)]

    assert statuses == [200] * 5 + [429] * 3
    assert local_decisions() == before + 8


def test_a_waiting_call_tells_of_what_the_process_counted(
    owner: Caller, own_valkey: ValkeyServer, settings: Settings
) -> None:
    settings.RATE_LIMIT_KEY = 5
    own_valkey.kill()
    owner.get("/me")
    environ: dict[str, Any] = {CALL: WaitingCall(1, patient=True)}
    client = Client(**environ)
    client.handler = HANDLER

    answer = client.get("/api/v1/me", headers={"Authorization": f"Bearer {owner.key}"})

    assert '"default";r=4;' in answer.headers["RateLimit"]


def test_threads_of_a_process_hold_it_together(limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    valkey.kill()
    limits = quotas(tenant, of_key=50, of_organization=80)

    with ThreadPoolExecutor(8) as threads:
        passed = list(threads.map(partial(passes, limiter), [limits] * 200))

    assert passed.count(True) == 50


def test_valkey_counts_again_by_itself_once_it_is_back(
    limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    limits = quotas(tenant, of_key=1000)
    passes(limiter, limits)
    valkey.kill()
    until(lambda: limiter.take("key", lambda: limits, 60)[1] is False)  # type: ignore[index]
    valkey.start()

    until(lambda: limiter.take("key", lambda: limits, 60)[1] is True)  # type: ignore[index]

    # And with what was spent before: it was in the append-only file.
    found = limiter.take("key", lambda: limits, 60)
    assert found is not None
    (drawn, _, left), _ = found
    assert drawn.standings[0].remaining + left < 1000 - 2


def test_a_flushed_valkey_counts_from_the_beginning(limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    limits, now = quotas(tenant, of_key=3), [100.0]
    limiter = Limiter(limiter.connection, lambda: now[0])
    [passes(limiter, limits) for _ in range(4)]
    valkey.flush()
    now[0] += 1.0  # the refusal is no longer believed

    passed = [passes(limiter, limits) for _ in range(5)]

    assert passed == [True] * 3 + [False] * 2


def test_a_hung_valkey_costs_one_call_half_a_second_and_the_others_nothing(
    limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    limits, took = quotas(tenant, of_key=1000), []
    passes(limiter, limits)
    valkey.pause()

    for _ in range(200):
        started = time.monotonic()
        assert passes(limiter, limits)
        took.append(time.monotonic() - started)
        if sum(took) > PAUSE_SECONDS:
            break

    valkey.resume()
    assert QUICK_SECONDS <= took[0] < 2 * QUICK_SECONDS
    assert sum(took[1:]) < QUICK_SECONDS


def test_while_it_hangs_one_call_at_a_time_looks_whether_it_is_back(
    limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    now = [1000.0]
    limiter = Limiter(limiter.connection, lambda: now[0])
    limits = [quotas(tenant, f"key-{number}", of_key=1000) for number in range(8)]
    valkey.pause()
    passes(limiter, limits[0])
    now[0] += PAUSE_SECONDS
    limiter.connection.breaker = Breaker()

    def took(each: list[Quota]) -> float:
        started = time.monotonic()
        passes(limiter, each)
        return time.monotonic() - started

    with ThreadPoolExecutor(8) as threads:
        waits = list(threads.map(took, limits))

    valkey.resume()
    assert len([wait for wait in waits if wait >= QUICK_SECONDS]) == 1


def test_what_a_paused_valkey_grants_afterwards_counts_as_spent(
    limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID
) -> None:
    limits = quotas(tenant, of_key=3)
    passes(limiter, limits)
    valkey.pause()
    passes(limiter, limits)
    valkey.resume()
    valkey.wait()

    other = Limiter(limiter.connection)
    until(lambda: other.take("key", lambda: limits, 60)[1] is True)  # type: ignore[index]

    assert [passes(other, limits) for _ in range(3)].count(True) <= 1


def test_it_is_logged_once_a_minute_for_all_limiters(limiter: Limiter, valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    now, lines = [1000.0], list[str]()
    limits, complaint = quotas(tenant, of_key=1000), Complaint()
    both = [Limiter(limiter.connection, lambda: now[0], complaint) for _ in range(2)]
    handler = logging.Handler()
    handler.emit = lambda record: lines.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger("holdfast.coordination").addHandler(handler)
    valkey.kill()

    for _ in range(100):
        [passes(each, limits) for each in both]
        now[0] += 1.0

    logging.getLogger("holdfast.coordination").removeHandler(handler)
    assert lines == [SENTENCE] * 2


def test_what_is_closed_does_not_guess(limiter: Limiter, valkey: ValkeyServer) -> None:
    valkey.kill()

    with pytest.raises(Unavailable):
        limiter.take("address", lambda: [Quota(SIGN_IN, "{-}:apilimit:sign-in:x", 30)], 60)


def test_sign_up_is_closed_without_valkey(own_valkey: ValkeyServer) -> None:
    own_valkey.kill()

    answer = stranger().post("/signup", {})

    assert (answer.status, answer.code) == (503, "rate-limit-unavailable")


def test_it_is_closed_from_the_first_call_while_valkey_is_full(own_valkey: ValkeyServer) -> None:
    client = redis.Redis.from_url(own_valkey.url)
    client.config_set("maxmemory-policy", "noeviction")
    client.config_set("maxmemory", "1")
    client.close()

    answers = [stranger().post("/signup", {}) for _ in range(3)]

    assert [(answer.status, answer.code) for answer in answers] == [(503, "rate-limit-unavailable")] * 3


def test_so_is_an_invitation(own_valkey: ValkeyServer) -> None:
    own_valkey.kill()

    statuses = [stranger().post(f"/invitations/{verb}", {"token": "x"}).status for verb in ("look-up", "accept")]

    assert statuses == [503, 503]


def test_the_console_says_why_nobody_signs_in(quick_passwords: None, own_valkey: ValkeyServer) -> None:
    operator, browser = make_person(operator=True), browser_at(new_address())
    own_valkey.kill()

    answer = browser.sign_in(operator)

    assert answer.status_code == 503
    assert b"Valkey cannot be reached just now" in answer.content
    assert b'name="password"' in answer.content
    assert browser.open("/admin/").status_code == 302


def test_a_try_that_was_not_looked_at_is_not_charged(quick_passwords: None, own_valkey: ValkeyServer) -> None:
    operator = make_person(operator=True)
    browser = browser_at(new_address())
    own_valkey.kill()

    [browser.sign_in(operator, "wrong password") for _ in range(3)]

    assert _failures(operator) == 0


def _failures(operator: User) -> int:
    account = f"user:{operator.id}"
    counts = system_rows("SELECT failures FROM accounts_failurecount WHERE account = %s", account)
    return sum(count for (count,) in counts)


def test_the_console_lets_in_once_valkey_is_back(quick_passwords: None, own_valkey: ValkeyServer) -> None:
    operator, browser = make_person(operator=True), browser_at(new_address())
    own_valkey.kill()
    browser.sign_in(operator)
    own_valkey.start()

    until(lambda: bool(browser.sign_in(operator).status_code == 302))

    assert browser.open("/admin/").status_code == 200


def test_who_is_signed_in_works_on_without_valkey(quick_passwords: None, own_valkey: ValkeyServer) -> None:
    operator, browser = make_person(operator=True), browser_at(new_address())
    browser.sign_in(operator)
    own_valkey.kill()

    assert browser.open("/admin/").status_code == 200


def test_the_console_says_how_long_an_address_has_to_wait(quick_passwords: None, settings: Settings) -> None:
    settings.RATE_LIMIT_SIGN_IN = 2
    operator, browser = make_person(operator=True), browser_at(new_address())

    answers = [browser.sign_in(operator, "wrong password") for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert b"send this one again after" in answers[-1].content
    assert int(answers[-1].headers["Retry-After"]) > 0
    assert _failures(operator) == 2 * 2


def test_a_right_password_is_not_looked_at_beyond_the_limit(quick_passwords: None, settings: Settings) -> None:
    settings.RATE_LIMIT_SIGN_IN = 1
    operator = make_person(operator=True)
    browser: Browser = browser_at(new_address())
    browser.sign_in(operator, "wrong password")

    answer = browser.sign_in(operator, PASSWORD)

    assert answer.status_code == 429
    assert browser.open("/admin/").status_code == 302
