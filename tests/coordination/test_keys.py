"""Keys as they are on the wire, and as the reference tells of them."""

import re
import uuid
from collections.abc import Callable
from itertools import combinations

import pytest

from config import reference
from coordination import keys

FUNCTIONS = reference.key_functions()
TENANT = uuid.UUID(int=7)


def _parts(function: Callable[..., str]) -> int:
    return function.__code__.co_argcount - 1


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_the_reference_tells_of_every_key(function: Callable[..., str]) -> None:
    pattern, kind, what, lives = next(
        [cell.strip() for cell in row.strip("|").split(" | ")]
        for row in reference.keys_page().splitlines()
        if row.startswith(f"| `{{<organization>}}:{_word(function)}")
    )

    assert all((pattern, kind, what, lives))


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda function: function.__name__)
def test_every_key_begins_with_its_organization_and_has_its_slot(function: Callable[..., str]) -> None:
    key = function(TENANT, *["}{x}"] * _parts(function))

    assert key.startswith(f"{{{TENANT}}}:")
    # The hash tag is what stands between the first brace and the first closing one after it.
    assert re.findall(r"\{(.*?)\}", key)[0] == str(TENANT)


def test_no_two_kinds_of_keys_begin_alike() -> None:
    words = [_word(function) for function in FUNCTIONS]

    assert not [(one, other) for one, other in combinations(words, 2) if one == other]


def test_the_documented_patterns_are_those() -> None:
    assert keys.cache(None, "prices", "eur:usd") == "{-}:cache:prices:eur:usd"
    assert keys.rate_limit(TENANT, "mail", "7") == f"{{{TENANT}}}:ratelimit:mail:7"
    assert keys.lock(TENANT, "task", "7") == f"{{{TENANT}}}:lock:task:7"
    assert keys.queue(TENANT, "mail") == f"{{{TENANT}}}:queue:mail"
    assert keys.session(TENANT, TENANT) == f"{{{TENANT}}}:session:{TENANT}"


def _word(function: Callable[..., str]) -> str:
    """Return what follows the prefix up to the first thing that a user chooses, with the colon before it."""
    rest = function(TENANT, *["\0"] * _parts(function)).removeprefix(keys.prefix(TENANT))
    return rest.partition("\0")[0]
