"""Tokens that are not taken: each by its stable code, none with a defect, and no issuer can hold the service up."""

import json
import time
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwcrypto import jwk

from accounts.models import User
from tests.accounts.oidc.checking import configured
from tests.accounts.oidc.local_issuer import (
    DISCOVERY_PATH,
    KEYS_PATH,
    LocalIssuer,
    Reply,
    local_issuer,
    make_key,
    part,
    signed,
)
from tests.api.wire import send
from tests.factories import Caller
from tests.orgs.tokens import Provider, link, taking_tokens_of
from tests.statements import at_once


def _now() -> int:
    return int(time.time())


def _with_public_key_as_secret(issuer: LocalIssuer) -> str:
    secret = jwk.JWK(kty="oct", k=part(issuer.keys[-1].export_to_pem()))
    return signed(issuer.claims(), {"kid": "first"}, secret)


TOKENS: dict[str, tuple[Callable[[LocalIssuer], str], str]] = {
    "of another issuer": (lambda issuer: issuer.token(iss="https://other.example"), "token-issuer-unknown"),
    "for another service": (lambda issuer: issuer.token(aud="other"), "token-audience-wrong"),
    "without an algorithm": (
        lambda issuer: f"{part({'alg': 'none'})}.{part(issuer.claims())}.",
        "token-invalid",
    ),
    "of a symmetric key": (_with_public_key_as_secret, "token-invalid"),
    "of a stranger": (lambda issuer: issuer.token(key=make_key("first")), "token-invalid"),
    "with a key of its own": (lambda issuer: issuer.token({"jku": "https://evil.example"}), "token-invalid"),
    "expired": (lambda issuer: issuer.token(exp=_now() - 61), "token-expired"),
    "too early": (lambda issuer: issuer.token(nbf=_now() + 90), "token-not-yet-valid"),
    "of a fast clock": (lambda issuer: issuer.token(iat=_now() + 90), "token-not-yet-valid"),
    "of nobody": (lambda issuer: issuer.token(sub="nobody"), "user-unknown"),
    "an ID token": (lambda issuer: issuer.token(at_hash="x"), "token-invalid"),
    "encrypted": (lambda issuer: "a.b.c.d.e", "token-invalid"),
    "no token": (lambda issuer: "what", "token-invalid"),
    "huge": (lambda issuer: f"{'x' * 1_000_000}.b.c", "token-invalid"),
}


@pytest.mark.parametrize("name", TOKENS)
def test_each_refusal_has_its_code(taken: Provider, name: str) -> None:
    make, code = TOKENS[name]
    token = make(taken.issuer)

    answer = taken.bearing(token).get("/me")

    assert (answer.status, answer.code) == (401, code)
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast", error="invalid_token"'
    assert token not in answer.raw.decode()


def test_a_call_without_a_token_names_no_error(taken: Provider) -> None:
    answer = send("GET", "/me")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast"'


def test_keys_are_taken_beside_tokens(taken: Provider, owner: Caller) -> None:
    assert owner.get("/me").status == 200


def test_without_issuers_a_token_is_an_unknown_key(issuer: LocalIssuer) -> None:
    answer = Caller(issuer.token()).get("/me")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert issuer.asked == []


def test_clocks_may_differ_by_the_leeway(taken: Provider, user: User) -> None:
    assert taken.caller(user, exp=_now() - 30, iat=_now() - 90).get("/me").status == 200


@pytest.mark.parametrize("raw", [b"\xff.\xfe.\xfd", "é.é.é".encode(), b"a.b.c\x00", b"a\tb.c.d", b".."])
def test_bytes_that_are_no_text_are_refused(taken: Provider, raw: bytes) -> None:
    answer = send("GET", "/me", headers={"Authorization": "Bearer " + raw.decode("latin-1")})

    assert (answer.status, answer.code) == (401, "token-invalid")


@given(text=st.text(st.characters(codec="latin-1"), min_size=1, max_size=100).filter(str.strip))
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_is_sent_is_answered(taken: Provider, text: str) -> None:
    answer = send("GET", "/me", headers={"Authorization": f"Bearer {text}", "Holdfast-Org": text})

    assert answer.status in (400, 401)


def test_a_known_user_is_served_while_the_issuer_is_away(taken: Provider, user: User) -> None:
    assert taken.caller(user).get("/me").status == 200
    taken.issuer.replies[KEYS_PATH] = Reply(status=500)

    answer = taken.caller(user, jti="another").get("/me")

    assert answer.status == 200


def test_an_issuer_that_never_was_there_is_no_fault_of_the_token(taken: Provider, user: User) -> None:
    caller = taken.caller(user)
    taken.issuer.replies[DISCOVERY_PATH] = Reply(status=500)

    answer = caller.get("/me")

    assert (answer.status, answer.code) == (503, "token-keys-unavailable")
    assert answer.headers["Retry-After"] == "1"


def test_an_issuer_that_never_answers_holds_up_only_its_own_and_not_for_long(
    issuer: LocalIssuer, user: User, owner: Caller
) -> None:
    with local_issuer() as silent, taking_tokens_of(configured(issuer), configured(silent)):
        silent.replies[DISCOVERY_PATH] = Reply(never=True)
        others = [issuer.token(sub=link(user, issuer.url)), owner.key]
        begun = time.monotonic()

        def timed(token: str) -> tuple[int, float]:
            return Caller(token).get("/me").status, time.monotonic() - begun

        answers = at_once(*[lambda token=token: timed(token) for token in (*others, silent.token(), silent.token())])

    found = [answer for answer in answers if isinstance(answer, tuple)]
    assert [status for status, _ in found] == [200, 200, 503, 503]
    # Generous: other tests may keep every core busy.
    assert max(seconds for _, seconds in found[:2]) < min(seconds for _, seconds in found[2:])
    assert max(seconds for _, seconds in found[2:]) < 10


def test_tokens_of_made_up_keys_do_not_have_the_issuer_asked_each_time(taken: Provider, user: User) -> None:
    known = taken.caller(user)
    assert known.get("/me").status == 200

    answers = [taken.bearing(taken.issuer.token({"kid": f"guess-{number}"})).get("/me") for number in range(60)]

    assert {answer.code for answer in answers} == {"token-invalid", "token-keys-unavailable"}
    assert taken.issuer.asked.count(KEYS_PATH) <= 21
    assert taken.caller(user, jti="another").get("/me").status == 200


def test_issuers_do_not_sign_for_each_other(issuer: LocalIssuer, user: User) -> None:
    with local_issuer() as other, taking_tokens_of(configured(issuer), configured(other)):
        subject = link(user, issuer.url)
        forged = other.token(iss=issuer.url, sub=subject)

        answer = Caller(forged).get("/me")

    assert (answer.status, answer.code) == (401, "token-invalid")


def test_the_audience_of_one_issuer_is_not_another_s(issuer: LocalIssuer, user: User) -> None:
    own = replace(configured(issuer), audiences=frozenset(["own"]))
    with local_issuer() as other, taking_tokens_of(own, configured(other)):
        answer = Caller(issuer.token(sub=link(user, issuer.url))).get("/me")

    assert (answer.status, answer.code) == (401, "token-audience-wrong")


def test_a_key_in_a_discovery_document_of_another_is_not_read(taken: Provider, user: User) -> None:
    caller = taken.caller(user)
    document = {"issuer": "https://other.example", "jwks_uri": taken.issuer.url + KEYS_PATH}
    taken.issuer.replies[DISCOVERY_PATH] = Reply(json.dumps(document).encode())

    assert caller.get("/me").code == "token-keys-unavailable"
    assert taken.issuer.asked == [DISCOVERY_PATH]
