"""The form of a key, `hf_<id>_<secret><checksum>`, and what a mistyped one costs."""

import re

import pytest

from orgs import keys
from orgs.models import Organization
from tests import factories
from tests.factories import Caller
from tests.statements import statements, system_rows

BODY = "hf_0123456789AB_" + "a" * 32


def mistyped(key: str) -> list[str]:
    """Every key that differs in one place: another character, a lost one, two swapped."""
    other = [key[:at] + ("x" if key[at] != "x" else "y") + key[at + 1 :] for at in range(len(key))]
    lost = [key[:at] + key[at + 1 :] for at in range(len(key))]
    swapped = [key[:at] + key[at + 1] + key[at] + key[at + 2 :] for at in range(len(key) - 1)]
    return [text for text in other + lost + swapped if text != key]


@pytest.mark.parametrize(
    ("body", "checksum"),
    [
        # CRC-32 of nothing is 0; of "123456789" it is 0xCBF43926 (the check value of the standard), 3421780262.
        ("", "000000"),
        ("123456789", "3jZRME"),
        (BODY, "45CWIx"),
    ],
)
def test_the_checksum_is_the_crc_32_in_base_62(body: str, checksum: str) -> None:
    assert keys.checksum(body) == checksum


def test_a_new_key_has_the_form_that_scanners_look_for() -> None:
    made = keys.generate()

    assert re.fullmatch(r"hf_[0-9A-Za-z]{12}_[0-9A-Za-z]{38}", made.text)
    assert made.text.startswith(f"hf_{made.key_id}_")


def test_new_keys_share_neither_id_nor_secret() -> None:
    made = [keys.generate() for _ in range(500)]

    assert len({key.key_id for key in made}) == len({key.text[16:48] for key in made}) == 500


def test_no_key_with_one_typing_error_is_well_formed() -> None:
    key = keys.generate().text

    assert [text for text in mistyped(key) if keys.find_key_id(text)] == []


def test_a_mistyped_key_never_reaches_the_database(organization: Organization) -> None:
    key = factories.make_key(organization).text
    texts = [key[:20] + ("a" if key[20] != "a" else "b") + key[21:], key[:-1], key + "a", key.lower(), f"{key}\u00e9"]

    with statements() as sent:
        answers = [Caller(text).get("/me") for text in texts]

    assert [(answer.status, answer.code) for answer in answers] == [(401, "unauthenticated")] * len(texts)
    assert sent == []


@pytest.mark.parametrize("header", ["", "Bearer", "Bearer ", "Basic aGY6", "hf_key"])
def test_a_call_without_a_bearer_key_never_reaches_the_database(header: str) -> None:
    with statements() as sent:
        answer = Caller("").call("GET", "/me", Authorization=header)

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast"'
    assert sent == []


@pytest.mark.parametrize("kind", ["mistyped", "unknown", "guessed"])
def test_a_key_that_is_not_known_is_an_invalid_token(organization: Organization, kind: str) -> None:
    """A call with a key that is no good names the error (RFC 6750 §3.1), and the three cannot be told apart."""
    body = f"hf_{factories.make_key(organization).row.key_id}_{'x' * 32}"
    texts = {"mistyped": "hf_", "unknown": keys.generate().text, "guessed": body + keys.checksum(body)}

    answer = Caller(texts[kind]).get("/me")

    assert (answer.status, answer.code) == (401, "unauthenticated")
    assert (answer.json["title"], answer.json["detail"]) == ("A valid API key is needed.", "The API key is not known.")
    assert answer.headers["WWW-Authenticate"] == 'Bearer realm="holdfast", error="invalid_token"'


def test_only_a_digest_of_the_secret_is_stored(organization: Organization) -> None:
    minted = factories.make_key(organization)
    secret = minted.text.split("_")[2]

    [(row, digest)] = system_rows("SELECT k::text, digest FROM orgs_apikey k WHERE id = %s", minted.row.id)

    assert bytes(digest) == keys.digest(minted.text)
    assert minted.row.key_id in row
    assert secret not in row
    assert secret.encode().hex() not in row
