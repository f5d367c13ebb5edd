"""What a token must be, and each way in which one is not."""

import time
from typing import Any

import pytest

from accounts.oidc.tokens import (
    TokenAudienceWrong,
    TokenExpired,
    TokenInvalid,
    TokenIssuerUnknown,
    TokenNotYetValid,
)
from tests.accounts.oidc.checking import verified
from tests.accounts.oidc.local_issuer import AUDIENCE, EC, ED25519, RSA, LocalIssuer, signed


@pytest.mark.parametrize("kind", [RSA, EC, ED25519])
def test_a_token_of_the_issuer_tells_its_subject(issuer: LocalIssuer, kind: dict[str, Any]) -> None:
    issuer.rotate(kind)

    assert verified(issuer, issuer.token(sub="alice")).subject == "alice"


@pytest.mark.parametrize("algorithm", ["RS384", "PS256", "PS512"])
def test_a_key_that_names_no_algorithm_serves_all_of_its_kind(issuer: LocalIssuer, algorithm: str) -> None:
    issuer.rotate(RSA)
    token = issuer.token({"alg": algorithm})

    assert verified(issuer, token, algorithms=(algorithm,)).subject == "somebody"


@pytest.mark.parametrize("typ", ["JWT", "jwt", "at+jwt", "AT+JWT", "application/at+jwt", None])
def test_the_type_is_that_of_an_access_token_or_of_any(issuer: LocalIssuer, typ: str | None) -> None:
    assert verified(issuer, issuer.token({"typ": typ})).subject == "somebody"


@pytest.mark.parametrize("typ", ["id+jwt", "logout+jwt", "secevent+jwt", "JWS", 7, ["JWT"], {}, "application/x/at+jwt"])
def test_another_type_is_refused(issuer: LocalIssuer, typ: Any) -> None:
    with pytest.raises(TokenInvalid, match="type"):
        verified(issuer, issuer.token({"typ": typ}))


@pytest.mark.parametrize("typ", ["JWT", None])
def test_an_issuer_may_be_held_to_access_tokens(issuer: LocalIssuer, typ: str | None) -> None:
    with pytest.raises(TokenInvalid, match="type"):
        verified(issuer, issuer.token({"typ": typ}), types=frozenset(["at+jwt"]))


@pytest.mark.parametrize("header", [{"x5t": "abc"}, {"x5c": ["abc"]}, {"cty": "x"}, {"unheard": {"of": 1}}])
def test_what_else_a_header_says_is_passed_over(issuer: LocalIssuer, header: dict[str, Any]) -> None:
    assert verified(issuer, issuer.token(header)).subject == "somebody"


@pytest.mark.parametrize("audience", [[AUDIENCE], ["other", AUDIENCE], ["other", 7, AUDIENCE]])
def test_one_of_several_audiences_is_enough(issuer: LocalIssuer, audience: list[Any]) -> None:
    assert verified(issuer, issuer.token(aud=audience)).subject == "somebody"


@pytest.mark.parametrize("audience", ["other", ["other"], [], [[AUDIENCE]], {AUDIENCE: 1}, None, 7, AUDIENCE + "/"])
def test_a_token_for_another_service_is_refused(issuer: LocalIssuer, audience: Any) -> None:
    with pytest.raises(TokenAudienceWrong):
        verified(issuer, issuer.token(aud=audience))


@pytest.mark.parametrize("name", ["https://evil.example", "", None, 7, ["x"], {}])
def test_a_token_of_another_issuer_is_refused(issuer: LocalIssuer, name: Any) -> None:
    with pytest.raises(TokenIssuerUnknown):
        verified(issuer, issuer.token(iss=name))


def test_the_name_of_an_issuer_is_compared_letter_by_letter(issuer: LocalIssuer) -> None:
    with pytest.raises(TokenIssuerUnknown):
        verified(issuer, issuer.token(iss=issuer.url + "/"))


@pytest.mark.parametrize("subject", ["", "x" * 256, None, 7, ["x"], True])
def test_a_subject_is_text(issuer: LocalIssuer, subject: Any) -> None:
    with pytest.raises(TokenInvalid, match="sub"):
        verified(issuer, issuer.token(sub=subject))


def _now() -> int:
    return int(time.time())


@pytest.mark.parametrize(
    ("claims", "refusal"),
    [
        ({"exp": -61}, TokenExpired),
        ({"nbf": 90}, TokenNotYetValid),
        ({"iat": 90, "exp": 300}, TokenNotYetValid),
        ({"iat": 0, "exp": 24 * 3600 + 1}, TokenInvalid),
        ({"iat": None, "exp": 25 * 3600}, TokenInvalid),
        ({"exp": None}, TokenInvalid),
    ],
)
def test_times_that_are_not_right_are_refused(
    issuer: LocalIssuer, claims: dict[str, Any], refusal: type[Exception]
) -> None:
    now = _now()
    times: dict[str, Any] = {name: None if offset is None else now + offset for name, offset in claims.items()}

    with pytest.raises(refusal):
        verified(issuer, issuer.token(**times))


@pytest.mark.parametrize("claims", [{"exp": -30}, {"nbf": 30}, {"iat": 30, "exp": 300}, {"iat": None}, {"nbf": -30}])
def test_clocks_may_differ_a_little(issuer: LocalIssuer, claims: dict[str, Any]) -> None:
    now = _now()
    times: dict[str, Any] = {name: None if offset is None else now + offset for name, offset in claims.items()}

    assert verified(issuer, issuer.token(**times)).subject == "somebody"


def test_without_leeway_they_may_not(issuer: LocalIssuer) -> None:
    with pytest.raises(TokenExpired):
        verified(issuer, issuer.token(exp=_now() - 1), leeway_seconds=0)


@pytest.mark.parametrize("value", ["300", True, -1, 10**12, 1e300, [], {}, float(10**11) + 1])
@pytest.mark.parametrize("name", ["exp", "nbf", "iat"])
def test_a_time_is_a_number_of_seconds(issuer: LocalIssuer, name: str, value: Any) -> None:
    with pytest.raises(TokenInvalid, match="is no time"):
        verified(issuer, signed(issuer.claims() | {name: value}, {}, issuer.keys[-1]))


def test_a_time_may_have_decimals(issuer: LocalIssuer) -> None:
    assert verified(issuer, issuer.token(exp=time.time() + 60.5)).subject == "somebody"


@pytest.mark.parametrize("name", ["at_hash", "c_hash", "events"])
def test_what_is_no_access_token_is_refused(issuer: LocalIssuer, name: str) -> None:
    with pytest.raises(TokenInvalid, match="send the access token"):
        verified(issuer, signed(issuer.claims() | {name: "x"}, {}, issuer.keys[-1]))
