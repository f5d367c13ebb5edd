"""OIDC_ISSUERS: what it may say, and how what it may not is refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from accounts.oidc.issuers import BadIssuers, Issuer, parse_issuers
from config.environment import BadSetting, Environment
from tests.orgs.servers import CHECKOUT

LEAST = {"issuer": "https://id.example/realms/one", "audience": "https://holdfast.example"}


def _parsed(**fields: Any) -> Issuer:
    (issuer,) = parse_issuers(json.dumps([LEAST | fields]))
    return issuer


def test_an_issuer_needs_a_name_and_an_audience_only() -> None:
    issuer = _parsed()

    assert issuer.name == LEAST["issuer"]
    assert issuer.audiences == {LEAST["audience"]}
    assert issuer.algorithms == ("RS256", "ES256", "PS256", "EdDSA")
    assert issuer.types == {"at+jwt", "jwt", ""}
    assert (issuer.leeway_seconds, issuer.users) == (60, "linked")


@pytest.mark.parametrize("name", ["https://id.example", "https://id.example/"])
def test_discovery_stands_below_the_name_with_or_without_a_slash_at_its_end(name: str) -> None:
    assert _parsed(issuer=name).discovery_url == "https://id.example/.well-known/openid-configuration"


def test_types_are_compared_in_lower_case_and_without_their_prefix() -> None:
    assert _parsed(types=["application/AT+JWT", None]).types == {"at+jwt", ""}


@pytest.mark.parametrize("prefix", ["", "file://"])
def test_keys_may_stand_in_a_file(tmp_path: Path, prefix: str) -> None:
    place = tmp_path / "keys.json"
    place.write_text("{}")

    assert _parsed(jwks=f"{prefix}{place}").key_file == place


@pytest.mark.parametrize("url", ["http://127.0.0.1:8080/r", "http://localhost/r", "http://[::1]:8080/r"])
def test_an_issuer_on_this_machine_needs_no_tls(url: str) -> None:
    assert _parsed(issuer=url).name == url


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"issuer": "http://id.example"}, "[0].issuer must begin with https://"),
        ({"issuer": "http://127.0.0.1.example"}, "[0].issuer must begin with https://"),
        ({"issuer": ""}, "[0].issuer must be given"),
        ({"issuer": None}, "[0].issuer must be given"),
        ({"issuer": "https://id.example/" + "x" * 255}, "[0].issuer is longer than 255"),
        ({"issuer": "id.example"}, "[0].issuer is not an https:// URL"),
        ({"issuer": "https://me:pw@id.example"}, "[0].issuer has a user, a password"),
        ({"issuer": "https://[id.example"}, "[0].issuer is not a URL"),
        ({"audience": []}, "[0].audience must be a text"),
        ({"audience": [""]}, "[0].audience must be a text"),
        ({"audience": None}, "[0].audience must be a text"),
        ({"audience": 7}, "[0].audience must be a text"),
        ({"algorithms": ["HS256"]}, "[0].algorithms has 'HS256', which anybody"),
        ({"algorithms": ["RS256", "none"]}, "[0].algorithms has 'none', which anybody"),
        ({"algorithms": ["NoNe"]}, "[0].algorithms has 'NoNe', which anybody"),
        ({"algorithms": ["RS1"]}, "[0].algorithms has 'RS1'; known are RS256"),
        ({"algorithms": []}, "[0].algorithms must be a text"),
        ({"types": "JWT"}, "[0].types must be a list"),
        ({"types": []}, "[0].types must be a list"),
        ({"leeway_seconds": 301}, "[0].leeway_seconds must be a whole number between 0 and 300"),
        ({"leeway_seconds": -1}, "[0].leeway_seconds must be a whole number"),
        ({"leeway_seconds": True}, "[0].leeway_seconds must be a whole number"),
        ({"leeway_seconds": 1.5}, "[0].leeway_seconds must be a whole number"),
        ({"users": "email"}, "[0].users must be one of linked, external-id"),
        ({"jwks": "http://id.example/keys"}, "[0].jwks must begin with https://"),
        ({"jwks": "ftp://id.example/keys"}, "[0].jwks is not an https:// URL"),
        ({"jwks": "keys.json"}, "[0].jwks is not an https:// URL"),
        ({"jwks": "/nowhere/keys.json"}, "[0].jwks names /nowhere/keys.json, which is no file"),
        ({"secret": "x"}, "[0] has the unknown field 'secret'"),
    ],
)
def test_a_wrong_field_is_refused_by_its_place(fields: dict[str, Any], sentence: str) -> None:
    with pytest.raises(BadIssuers) as refused:
        _parsed(**fields)

    assert str(refused.value).startswith(sentence)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "is not JSON: "),
        ("{}", "must be a JSON list"),
        ("[1]", "[0] is no JSON object"),
        ('[{"issuer": "https://a.example", "issuer": "https://b.example", "audience": "x"}]', "is not JSON: The name"),
        (json.dumps([LEAST, LEAST]), "names the same issuer twice"),
        (
            json.dumps([LEAST | {"issuer": f"https://{name}.example", "users": "external-id"} for name in "ab"]),
            "has several issuers whose users are 'external-id'",
        ),
    ],
)
def test_a_wrong_list_is_refused(text: str, sentence: str) -> None:
    with pytest.raises(BadIssuers) as refused:
        parse_issuers(text)

    assert str(refused.value).startswith(sentence)


def test_a_bad_configuration_is_a_bad_setting() -> None:
    with pytest.raises(BadSetting) as refused:
        Environment({"OIDC_ISSUERS": json.dumps([LEAST | {"algorithms": ["HS512"]}])}).issuers("OIDC_ISSUERS")

    assert str(refused.value).startswith("OIDC_ISSUERS[0].algorithms has 'HS512'")


def test_issuers_may_stand_in_a_file(tmp_path: Path) -> None:
    place = tmp_path / "issuers.json"
    place.write_text(json.dumps([LEAST]))

    (issuer,) = Environment({"OIDC_ISSUERS_FILE": str(place)}).issuers("OIDC_ISSUERS")

    assert issuer.name == LEAST["issuer"]


def test_without_the_setting_there_are_no_issuers() -> None:
    assert Environment({}).issuers("OIDC_ISSUERS") == ()


def test_the_example_of_the_how_to_is_taken() -> None:
    page = (CHECKOUT / "docs" / "how-to" / "accept-tokens-of-your-identity-provider.md").read_text(encoding="utf-8")
    example = page.partition("```json\n")[2].partition("```")[0]

    assert [issuer.users for issuer in parse_issuers(example)] == ["linked"] * 3
