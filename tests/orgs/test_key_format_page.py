"""docs/reference/key-format.md: its example computes, and its patterns find every key and no lookalike."""

import re
import tomllib
import zlib
from typing import Any

import pytest

from orgs import keys
from orgs.keys import Environment
from tests.orgs.servers import CHECKOUT

PAGE = (CHECKOUT / "docs" / "reference" / "key-format.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def patterns() -> dict[str, str]:
    (gitleaks,), (trufflehog,) = blocks("toml"), blocks("yaml")
    found = re.search(r"key: '(.*)'", trufflehog)
    assert found is not None
    return {
        "gitleaks": tomllib.loads(gitleaks)["rules"][0]["regex"],
        "trufflehog": found[1],
        "github": blocks("text")[1].strip(),
    }


over_patterns = pytest.mark.parametrize("scanner", ["gitleaks", "trufflehog", "github"])


def test_the_example_computes_the_key_that_is_shown() -> None:
    names: dict[str, Any] = {}

    exec(blocks("python")[0], names)

    assert names["example"] == blocks("text")[0].strip()
    assert keys.find_key_id(names["example"]) == "0123456789AB"


def test_the_steps_name_the_numbers_of_the_example() -> None:
    example = blocks("text")[0].strip()

    assert f"is {zlib.crc32(example[:-6].encode()):,};" in PAGE
    assert f"that is `{example[-6:]}`;" in PAGE


@over_patterns
@pytest.mark.parametrize("environment", Environment)
def test_a_pattern_finds_a_key_in_the_midst_of_a_file(scanner: str, environment: Environment) -> None:
    key = keys.generate(keys.PREFIXES[environment]).text

    found = re.search(patterns()[scanner], f'KEY="{key}"; # HOLDFAST={key}\n')

    assert found is not None
    assert found[0] == key


@over_patterns
@pytest.mark.parametrize("text", ["hf_" + "a" * 34, "hfx_0123456789AB_" + "a" * 38, "hf_0123456789AB_" + "a" * 37])
def test_a_pattern_passes_over_a_lookalike(scanner: str, text: str) -> None:
    assert re.search(patterns()[scanner], text) is None


@pytest.mark.parametrize("environment", Environment)
def test_the_page_names_the_prefix_of_every_environment(environment: Environment) -> None:
    assert f"`{keys.PREFIXES[environment]}` {environment}" in PAGE
