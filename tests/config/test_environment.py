"""The readers of the process environment: what they take, and the sentence with which they refuse."""

import os
from pathlib import Path

import pytest

from config.environment import BadSetting, Environment

STRONG = "kT7-zQ9_wB3.xN5~vH1+rJ8*mD4!cF6^"


def _of(**source: str) -> Environment:
    return Environment(source)


def test_the_process_environment_is_read_by_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOLDFAST_TEST_NAME", "given")

    assert Environment().text("HOLDFAST_TEST_NAME", "default") == "given"
    assert Environment().source is os.environ


def test_text_is_given_as_it_stands() -> None:
    assert _of(NAME=" a b ").text("NAME", "default") == " a b "


@pytest.mark.parametrize("source", [{}, {"NAME": ""}, {"NAME": "", "NAME_FILE": ""}, {"OTHER": "x"}])
def test_text_that_is_missing_or_empty_is_its_default(source: dict[str, str]) -> None:
    assert Environment(source).text("NAME", "default") == "default"


def test_a_value_may_stand_in_a_file_with_line_ends_around_it(tmp_path: Path) -> None:
    place = tmp_path / "value"
    place.write_text("\n  of the file \n", encoding="utf-8")

    assert _of(NAME_FILE=str(place)).text("NAME", "default") == "of the file"


def test_an_empty_value_beside_a_file_is_no_second_value(tmp_path: Path) -> None:
    place = tmp_path / "value"
    place.write_text("of the file", encoding="utf-8")

    assert _of(NAME="", NAME_FILE=str(place)).text("NAME", "default") == "of the file"


def test_an_empty_file_is_a_missing_value(tmp_path: Path) -> None:
    place = tmp_path / "value"
    place.write_text(" \n", encoding="utf-8")

    assert _of(NAME_FILE=str(place)).text("NAME", "default") == "default"


def test_a_value_and_its_file_together_are_refused(tmp_path: Path) -> None:
    place = tmp_path / "value"
    place.write_text("of the file", encoding="utf-8")

    with pytest.raises(BadSetting, match=r"^NAME and NAME_FILE are both set; keep one of them\.$"):
        _of(NAME="given", NAME_FILE=str(place)).text("NAME", "default")


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "absent"

    with pytest.raises(BadSetting, match=r"^NAME_FILE names .*absent, which cannot be read: .*No such file"):
        _of(NAME_FILE=str(place)).text("NAME", "default")


def test_a_folder_in_place_of_a_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadSetting, match=r"^NAME_FILE names .*, which cannot be read"):
        _of(NAME_FILE=str(tmp_path)).text("NAME", "default")


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    place = tmp_path / "value"
    place.write_bytes(b"\xff\xfe")

    with pytest.raises(BadSetting, match=r"^NAME_FILE names .*, which cannot be read"):
        _of(NAME_FILE=str(place)).text("NAME", "default")


def test_every_reader_takes_a_file(tmp_path: Path) -> None:
    contents = {"S": STRONG, "B": "yes", "I": "7", "C": "b", "N": "a, b"}
    for name, content in contents.items():
        (tmp_path / name).write_text(f"{content}\n", encoding="utf-8")
    env = Environment({f"{name}_FILE": str(tmp_path / name) for name in contents})

    found = (
        env.secret("S"),
        env.secrets("S"),
        env.boolean("B", False),
        env.integer("I", 1, least=1, most=9),
        env.choice("C", "a", ("a", "b")),
        env.names("N", []),
    )

    assert found == (STRONG, [STRONG], True, 7, "b", ["a", "b"])


def test_a_strong_secret_is_taken() -> None:
    assert _of(KEY=STRONG).secret("KEY") == STRONG


def test_a_missing_secret_is_refused_with_the_remedy() -> None:
    with pytest.raises(BadSetting, match=r"^KEY is not set\. Give it at least 32 random characters, or KEY_FILE\.$"):
        _of().secret("KEY")


def test_a_short_secret_is_refused_without_repeating_it() -> None:
    with pytest.raises(BadSetting, match=r"^KEY has 31 characters; it needs at least 32 random ones\.$") as refusal:
        _of(KEY=STRONG[:31]).secret("KEY")

    assert STRONG[:8] not in str(refusal.value)


def test_a_secret_may_be_asked_to_be_of_another_length() -> None:
    assert _of(KEY=STRONG[:16]).secret("KEY", least=16) == STRONG[:16]


@pytest.mark.parametrize("word", ["changeme", "CHANGE-ME", "django-insecure", "my-secret-key", "Password"])
def test_a_placeholder_is_refused_however_long(word: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEY is a placeholder\."):
        _of(KEY=f"{STRONG}{word}").secret("KEY")


@pytest.mark.parametrize("found", ["a" * 64, "abc" * 20, "1234567" * 8])
def test_a_secret_of_few_characters_is_refused_however_long(found: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEY repeats too few characters to be random\.$"):
        _of(KEY=found).secret("KEY")


def test_a_secret_of_eight_different_characters_is_taken() -> None:
    assert _of(KEY="12345678" * 4).secret("KEY") == "12345678" * 4


def test_secrets_are_none_when_they_are_not_set() -> None:
    assert _of().secrets("KEYS") == []


def test_secrets_are_listed_between_commas_in_their_order() -> None:
    assert _of(KEYS=f"{STRONG}, {STRONG[::-1]},").secrets("KEYS") == [STRONG, STRONG[::-1]]


@pytest.mark.parametrize("weak", ["short", "a" * 40, f"{STRONG}changeme"])
def test_one_weak_secret_of_several_is_refused(weak: str) -> None:
    with pytest.raises(BadSetting, match=r"^KEYS "):
        _of(KEYS=f"{STRONG},{weak}").secrets("KEYS")


@pytest.mark.parametrize("found", ["1", "true", "TRUE", "Yes", "on"])
def test_words_for_true_are_true(found: str) -> None:
    assert _of(FLAG=found).boolean("FLAG", False) is True


@pytest.mark.parametrize("found", ["0", "false", "False", "NO", "off"])
def test_words_for_false_are_false(found: str) -> None:
    assert _of(FLAG=found).boolean("FLAG", True) is False


@pytest.mark.parametrize("default", [True, False])
def test_a_flag_that_is_not_set_is_its_default(default: bool) -> None:
    assert _of(FLAG="").boolean("FLAG", default) is default


@pytest.mark.parametrize("found", ["2", "ja", "tru", " ", "true;"])
def test_any_other_word_is_no_flag(found: str) -> None:
    with pytest.raises(BadSetting, match=r"^FLAG is '.*'; it must be true or false\.$"):
        _of(FLAG=found).boolean("FLAG", True)


@pytest.mark.parametrize("found", ["1", "10", " 5 "])
def test_a_whole_number_within_its_bounds_is_taken(found: str) -> None:
    assert _of(COUNT=found).integer("COUNT", 2, least=1, most=10) == int(found)


def test_a_number_that_is_not_set_is_its_default() -> None:
    assert _of().integer("COUNT", 2, least=1, most=10) == 2


@pytest.mark.parametrize("found", ["0", "11", "-3", "9" * 30])
def test_a_number_out_of_its_bounds_is_refused(found: str) -> None:
    with pytest.raises(BadSetting, match=rf"^COUNT is {found}; it must be between 1 and 10\.$"):
        _of(COUNT=found).integer("COUNT", 2, least=1, most=10)


@pytest.mark.parametrize("found", ["five", "1.0", "0x5", "1e1", "9" * 5000])
def test_what_is_no_whole_number_is_refused(found: str) -> None:
    with pytest.raises(BadSetting, match=r"^COUNT is '.*'; it must be a whole number\.$"):
        _of(COUNT=found).integer("COUNT", 2, least=1, most=10)


def test_a_choice_is_one_of_those_allowed() -> None:
    assert _of(MODE="closed").choice("MODE", "open", ("open", "closed")) == "closed"


def test_a_choice_that_is_not_set_is_its_default() -> None:
    assert _of().choice("MODE", "open", ("open", "closed")) == "open"


@pytest.mark.parametrize("found", ["Open", "opened", "open,closed"])
def test_a_choice_that_is_not_offered_is_refused_with_those_that_are(found: str) -> None:
    with pytest.raises(BadSetting, match=r"^MODE is '.*'; it must be one of open, closed\.$"):
        _of(MODE=found).choice("MODE", "open", ("open", "closed"))


def test_names_lose_blanks_and_empty_parts() -> None:
    assert _of(HOSTS=" a.example , ,b.example,").names("HOSTS", ["default"]) == ["a.example", "b.example"]


def test_names_that_are_not_set_are_their_default() -> None:
    assert _of().names("HOSTS", ["default"]) == ["default"]


@pytest.mark.parametrize("found", [",", " , ", " "])
def test_a_list_that_names_nothing_is_refused(found: str) -> None:
    with pytest.raises(BadSetting, match=r"^HOSTS is ' ?,? ?', which names nothing; leave it out instead\.$"):
        _of(HOSTS=found).names("HOSTS", ["default"])


def test_origins_have_a_scheme_and_a_host() -> None:
    found = _of(ORIGINS="https://a.example, http://*.b.example:8000,https://[::1]").origins("ORIGINS")

    assert found == ["https://a.example", "http://*.b.example:8000", "https://[::1]"]


def test_origins_that_are_not_set_are_none() -> None:
    assert _of().origins("ORIGINS") == []


@pytest.mark.parametrize(
    "found", ["a.example", "//a.example", "https://", "ftp://a.example", "https://a.example/", "*"]
)
def test_what_is_no_origin_is_refused(found: str) -> None:
    with pytest.raises(
        BadSetting, match=r"^ORIGINS has '.*'; an origin is a scheme and a host, https://example\.com\.$"
    ):
        _of(ORIGINS=f"https://b.example,{found}").origins("ORIGINS")


@pytest.mark.parametrize("given", ["https://holdfast.example", "https://holdfast.example/", "http://10.0.0.1:8000"])
def test_one_origin_is_a_scheme_and_a_host(given: str) -> None:
    assert Environment({"PUBLIC_URL": given}).origin("PUBLIC_URL") == given.removesuffix("/")


@pytest.mark.parametrize(
    "given", ["holdfast.example", "https://", "https://*.example", "https://a.example/path", "javascript:alert(1)"]
)
def test_what_is_not_one_origin_is_refused(given: str) -> None:
    with pytest.raises(BadSetting, match="PUBLIC_URL"):
        Environment({"PUBLIC_URL": given}).origin("PUBLIC_URL")
