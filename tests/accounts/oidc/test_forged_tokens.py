"""Tokens that somebody else made, or that were bent: none is taken, and each is refused in a sentence."""

import hmac
import json
import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jwcrypto import jwk

from accounts.oidc.issuers import Issuer
from accounts.oidc.key_sets import Keys
from accounts.oidc.keys import read_key_set
from accounts.oidc.tokens import (
    MOST_BYTES,
    TokenAudienceWrong,
    TokenExpired,
    TokenInvalid,
    TokenIssuerUnknown,
    TokenNotYetValid,
    Verifier,
)
from tests.accounts.oidc.checking import verified
from tests.accounts.oidc.local_issuer import AUDIENCE, EC, ED25519, RSA, LocalIssuer, make_key, part, signed

REFUSALS = (TokenAudienceWrong, TokenExpired, TokenInvalid, TokenIssuerUnknown, TokenNotYetValid)


@pytest.mark.parametrize("algorithm", ["none", "None", "NONE", "nOnE", "", None, 7, ["ES256"], "HS256", "RS256 "])
@pytest.mark.parametrize("signature", ["", "AA"])
def test_a_token_without_a_signature_is_refused(issuer: LocalIssuer, algorithm: Any, signature: str) -> None:
    header = {"alg": algorithm, "kid": "first"} if algorithm is not None else {"kid": "first"}

    with pytest.raises(TokenInvalid):
        verified(issuer, f"{part(header)}.{part(issuer.claims())}.{signature}")


PUBLISHED: dict[str, Callable[[jwk.JWK], bytes]] = {
    "pem": lambda key: bytes(key.export_to_pem()),
    "pem without its last line's end": lambda key: bytes(key.export_to_pem()).strip(),
    "jwk": lambda key: str(key.export_public()).encode(),
    "compact jwk": lambda key: json.dumps(json.loads(key.export_public()), separators=(",", ":")).encode(),
    "number": lambda key: str(key.get("n", key.get("x"))).encode(),
    "nothing": lambda key: b"",
}


@pytest.mark.parametrize("kind", [RSA, EC, ED25519], ids=["RSA", "EC", "Ed25519"])
@pytest.mark.parametrize("form", PUBLISHED)
@pytest.mark.parametrize("algorithm", ["HS256", "HS384", "HS512"])
def test_a_symmetric_key_made_from_a_public_one_is_refused(
    issuer: LocalIssuer, kind: dict[str, Any], form: str, algorithm: str
) -> None:
    public = issuer.rotate(kind)
    text = f"{part({'alg': algorithm, 'kid': public['kid']})}.{part(issuer.claims())}"
    signature = hmac.digest(PUBLISHED[form](public), text.encode(), f"sha{algorithm[2:]}")

    with pytest.raises(TokenInvalid, match="algorithm"):
        verified(issuer, f"{text}.{part(signature)}")


def test_a_published_symmetric_key_signs_nothing(issuer: LocalIssuer) -> None:
    secret = jwk.JWK.generate(kty="oct", size=256, kid="secret")
    issuer.replies["/keys"].body = json.dumps({"keys": [json.loads(secret.export_symmetric())]}).encode()

    with pytest.raises(TokenInvalid, match="algorithm"):
        verified(issuer, signed(issuer.claims(), {}, secret))


@pytest.mark.parametrize("name", ["jku", "x5u"])
def test_a_token_does_not_say_where_its_keys_are(issuer: LocalIssuer, name: str) -> None:
    evil = make_key("first")
    issuer.replies["/evil"] = issuer.replies["/keys"]

    with pytest.raises(TokenInvalid, match=name):
        verified(issuer, issuer.token({name: f"{issuer.url}/evil"}, key=evil))
    assert issuer.asked == []


def test_a_token_does_not_bring_its_key(issuer: LocalIssuer) -> None:
    evil = make_key("first")

    with pytest.raises(TokenInvalid, match="jwk"):
        verified(issuer, issuer.token({"jwk": json.loads(evil.export_public())}, key=evil))


@pytest.mark.parametrize("header", [{"crit": ["exp"]}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"b64": False}])
def test_what_must_be_understood_is_refused(issuer: LocalIssuer, header: dict[str, Any]) -> None:
    body = part({"alg": "ES256", "kid": "first"} | header)

    with pytest.raises(TokenInvalid, match="not understood"):
        verified(issuer, f"{body}.{part(issuer.claims())}.AAAA")


def test_a_stranger_s_key_of_the_same_id_signs_nothing(issuer: LocalIssuer) -> None:
    with pytest.raises(TokenInvalid, match="not signed"):
        verified(issuer, issuer.token(key=make_key("first")))


@pytest.mark.parametrize("kid", ["unknown", "", "../../etc/passwd", "' OR 1=1 --", "first\n", "\x00", "x" * 255])
def test_an_unknown_key_signs_nothing(issuer: LocalIssuer, kid: str) -> None:
    with pytest.raises(TokenInvalid):
        verified(issuer, issuer.token({"kid": kid}))


@pytest.mark.parametrize("kid", [7, ["first"], {"first": 1}, True, "x" * 256])
def test_a_key_s_id_is_text(issuer: LocalIssuer, kid: Any) -> None:
    with pytest.raises(TokenInvalid, match="kid"):
        verified(issuer, issuer.token({"kid": kid}))


def test_without_an_id_the_only_key_that_fits_is_tried(issuer: LocalIssuer) -> None:
    assert verified(issuer, issuer.token({"kid": None})).subject == "somebody"


def test_without_an_id_none_of_several_keys_is_tried(issuer: LocalIssuer) -> None:
    issuer.rotate()

    with pytest.raises(TokenInvalid, match="not signed"):
        verified(issuer, issuer.token({"kid": None}))


def test_an_algorithm_that_the_issuer_may_not_use_is_refused(issuer: LocalIssuer) -> None:
    with pytest.raises(TokenInvalid, match="algorithm is none of RS256"):
        verified(issuer, issuer.token(), algorithms=("RS256",))


def test_a_weak_key_signs_nothing(issuer: LocalIssuer) -> None:
    issuer.rotate({"kty": "RSA", "size": 1024})

    with pytest.raises(TokenInvalid, match="not signed"):
        verified(issuer, issuer.token())


def test_a_key_of_another_curve_signs_nothing(issuer: LocalIssuer) -> None:
    key = issuer.rotate({"kty": "EC", "crv": "P-384"})
    token = issuer.token({"alg": "ES384"}).split(".")
    forged = part({"alg": "ES256", "kid": key["kid"]})

    with pytest.raises(TokenInvalid, match="not signed"):
        verified(issuer, f"{forged}.{token[1]}.{token[2]}")


class _Published(Keys):
    """Keys that are published for good."""

    def __init__(self, key: jwk.JWK) -> None:
        self._keys = read_key_set(json.dumps({"keys": [json.loads(key.export_public())]}).encode())

    def find(self, algorithm: str, key_id: str | None) -> Any:
        return self._keys.find(algorithm, key_id)


def test_one_issuer_does_not_sign_for_another_whose_key_has_the_same_id() -> None:
    ours, theirs = make_key("same"), make_key("same")
    one, other = (Issuer(f"https://{name}.example", frozenset([AUDIENCE])) for name in ("one", "other"))
    verifier = Verifier({one: _Published(ours), other: _Published(theirs)})
    now = int(time.time())
    claims = {"iss": one.name, "aud": AUDIENCE, "sub": "x", "iat": now, "exp": now + 60}

    assert verifier.verify(signed(claims, {}, ours), now=datetime.now(UTC)).issuer is one
    with pytest.raises(TokenInvalid, match="not signed"):
        verifier.verify(signed(claims, {}, theirs), now=datetime.now(UTC))


def test_a_changed_token_is_refused(issuer: LocalIssuer) -> None:
    header, _, signature = issuer.token().split(".")

    with pytest.raises(TokenInvalid, match="not signed"):
        verified(issuer, f"{header}.{part(issuer.claims(sub='admin'))}.{signature}")


@pytest.mark.parametrize(
    ("header", "payload"),
    [
        (b'{"alg":"none","alg":"ES256","kid":"first"}', None),
        (b'{"alg":"ES256","kid":"first"', None),
        (b'["ES256"]', None),
        (b"\xff\xfe", None),
        (b'{"alg":"ES256","kid":"\\u0000"}', None),
        (b'{"alg":"ES256","kid":"\\ud800"}', None),
        (b"[" * 5000, None),
        (None, b'{"iss":"x","iss":"y"}'),
        (None, b"not json"),
        (None, b"\x00"),
        (None, b'{"exp": NaN}'),
        (None, b'{"exp": 1e999}'),
        (None, b'{"exp": 1' + b"0" * 5000 + b"}"),
        (None, b"7"),
    ],
)
def test_what_is_no_strict_json_is_refused(issuer: LocalIssuer, header: bytes | None, payload: bytes | None) -> None:
    right_header, right_payload = {"alg": "ES256", "kid": "first"}, issuer.claims()

    with pytest.raises(TokenInvalid):
        verified(issuer, f"{part(header or right_header)}.{part(payload or right_payload)}.AAAA")


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "a.b",
        "a.b.c.d",
        "a.b.c.d.e",  # an encrypted token
        "a.b.",
        ".b.c",
        "a b.c.d",
        "a=.b.c",
        "a.b.c\n",
        "é.b.c",
        '{"payload":"","signatures":[]}',
        "a.b.c",
        "x" * (MOST_BYTES + 1),
        f"{'x' * MOST_BYTES}.b.c",
    ],
)
def test_what_is_no_compact_token_is_refused(issuer: LocalIssuer, text: str) -> None:
    with pytest.raises(TokenInvalid):
        verified(issuer, text)


@pytest.mark.parametrize("padding", ["zzz", "z"])
def test_a_token_has_one_text_only(issuer: LocalIssuer, padding: str) -> None:
    """The last character has bits to spare, which a decoder drops: another one there would be the same token."""
    header = part({"alg": "ES256", "kid": "first", "pad": padding})
    assert len(header) % 4 != 0

    with pytest.raises(TokenInvalid, match="base64url"):
        verified(issuer, f"{header[:-1]}{chr(ord(header[-1]) + 1)}.{part(issuer.claims())}.AAAA")


@given(text=st.text(max_size=200) | st.from_regex(r"[A-Za-z0-9_-]{0,40}(\.[A-Za-z0-9_-]{0,40}){0,5}", fullmatch=True))
@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_refused_in_a_sentence(issuer: LocalIssuer, text: str) -> None:
    with pytest.raises(REFUSALS):
        verified(issuer, text)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
NAMES = st.sampled_from(["iss", "aud", "sub", "exp", "nbf", "iat", "jti", "events", "nonce"])
HEADERS = st.sampled_from(["kid", "typ", "crit", "jku", "cty", "b64", "zip"])


@given(claims=st.dictionaries(NAMES, JSON, max_size=3), header=st.dictionaries(HEADERS, JSON, max_size=2))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_the_issuer_signs_is_taken_or_refused_in_a_sentence(
    issuer: LocalIssuer, claims: dict[str, Any], header: dict[str, Any]
) -> None:
    key = issuer.keys[-1]
    try:
        token = signed(issuer.claims() | claims, header, key)
    except Exception:  # what the library does not sign nobody sends
        return
    verifier = Verifier({Issuer(issuer.url, frozenset([AUDIENCE])): _Published(key)})
    try:
        outcome = verifier.verify(token, now=datetime.now(UTC)).subject
    except REFUSALS as refusal:
        outcome = str(refusal)

    assert outcome
