"""Which keys of a JWK Set check a token."""

import json
from typing import Any

import pytest
from jwcrypto import jwk

from accounts.oidc.keys import Key, KeySet, KeySetUnreadable, read_key_set
from tests.accounts.oidc.local_issuer import EC, ED25519, RSA, make_key


def _read(*keys: jwk.JWK, **fields: Any) -> KeySet:
    published = [json.loads(key.export_public()) | fields for key in keys]
    return read_key_set(json.dumps({"keys": published}).encode())


def _found(keys: KeySet, algorithm: str, key_id: str | None) -> list[str | None]:
    return [key.id for key in keys.find(algorithm, key_id)]


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        (RSA, "RS256"),
        (RSA, "PS512"),
        (EC, "ES256"),
        ({"kty": "EC", "crv": "P-384"}, "ES384"),
        ({"kty": "EC", "crv": "P-521"}, "ES512"),
        (ED25519, "EdDSA"),
        (ED25519, "Ed25519"),
    ],
)
def test_a_key_is_found_by_its_id_for_an_algorithm_of_its_kind(kind: dict[str, Any], algorithm: str) -> None:
    assert _found(_read(make_key("one", kind)), algorithm, "one") == ["one"]


@pytest.mark.parametrize(
    ("kind", "algorithm"),
    [
        (RSA, "ES256"),
        (EC, "RS256"),
        (EC, "ES384"),
        (EC, "EdDSA"),
        (ED25519, "ES256"),
        ({**EC, "crv": "P-521"}, "ES256"),
    ],
)
def test_a_key_of_another_kind_or_curve_does_not_fit(kind: dict[str, Any], algorithm: str) -> None:
    assert _found(_read(make_key("one", kind)), algorithm, "one") == []


def test_a_key_that_names_an_algorithm_serves_no_other() -> None:
    keys = _read(make_key("one", RSA), alg="RS512")

    assert _found(keys, "RS512", "one") == ["one"]
    assert _found(keys, "RS256", "one") == []


@pytest.mark.parametrize("fields", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"key_ops": "verify"}, {"key_ops": []}])
def test_a_key_for_something_else_is_passed_over(fields: dict[str, Any]) -> None:
    assert _read(make_key("one"), **fields).keys == ()


@pytest.mark.parametrize("fields", [{"use": "sig"}, {"key_ops": ["verify"]}, {"x5u": "https://evil.example"}])
def test_what_else_a_key_says_does_not_matter(fields: dict[str, Any]) -> None:
    assert _found(_read(make_key("one"), **fields), "ES256", "one") == ["one"]


def test_a_symmetric_key_is_passed_over() -> None:
    secret = {"kty": "oct", "kid": "one", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3JldA"}

    assert read_key_set(json.dumps({"keys": [secret]}).encode()).keys == ()


def test_an_rsa_key_below_2048_bits_is_passed_over() -> None:
    assert _read(make_key("one", {"kty": "RSA", "size": 1024})).keys == ()


def test_of_a_private_key_only_the_public_half_is_kept() -> None:
    private = json.loads(make_key("one").export_private())

    (key,) = read_key_set(json.dumps({"keys": [private]}).encode()).keys

    assert not key.jwk.has_private


@pytest.mark.parametrize(
    "broken",
    [
        {"kty": "EC", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "crv": "P-256"},
        {"kty": "RSA", "n": 7, "e": "AQAB"},
        {"kty": "RSA", "n": "", "e": ""},
        {"kty": "OKP", "crv": "X25519", "x": "AA"},
        {"kty": ["RSA"]},
        {"kty": "AKP"},
        {},
        "text",
        None,
        {"kty": "EC", "kid": 7},
    ],
)
def test_a_broken_key_spoils_no_other(broken: Any) -> None:
    sound = json.loads(make_key("sound").export_public())

    keys = read_key_set(json.dumps({"keys": [broken, sound]}).encode())

    assert [key.id for key in keys.keys] == ["sound"]


def test_without_an_id_the_only_key_that_fits_is_found() -> None:
    keys = _read(make_key("one", EC), make_key("two", RSA))

    assert _found(keys, "ES256", None) == ["one"]


def test_without_an_id_none_of_several_is_found() -> None:
    assert _found(_read(make_key("one"), make_key("two")), "ES256", None) == []


@pytest.mark.parametrize(
    "raw", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": [], "keys": []}', b"\xff", b"<html>", b"null"]
)
def test_what_is_no_key_set_is_refused(raw: bytes) -> None:
    with pytest.raises(KeySetUnreadable):
        read_key_set(raw)


def test_a_key_tells_what_it_fits() -> None:
    key = Key("one", "OKP", "Ed25519", "EdDSA", None)

    assert key.fits("Ed25519")
    assert not key.fits("RS256")
