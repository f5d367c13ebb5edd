"""SettingsStore: what programs store for a user comes back equal, and on the conditions that they set."""

import asyncio
import uuid
from datetime import date
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as effort
from hypothesis import strategies as st
from pydantic import BaseModel, SecretStr, SerializationInfo, field_serializer

from accounts.models import User
from accounts.stores import (
    MAX_SETTINGS_BYTES,
    InvalidDocument,
    LoadedSettings,
    SettingsConflict,
    SettingsStore,
    SettingsTooLarge,
    UnknownUser,
)
from api import faithful
from tests import factories
from tests.accounts.stores import load, run, store
from tests.statements import at_once

NUMBERS = (
    st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.decimals(allow_nan=False, allow_infinity=False).filter(lambda found: abs(int(found.as_tuple().exponent)) < 300)
)
# A text that hides a secret is refused.
TEXTS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00")).filter(
    lambda text: text != faithful.MASK
)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
DOCUMENTS = st.dictionaries(
    TEXTS, st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(TEXTS, inner), max_leaves=10)
)


class Model(BaseModel):
    """As programs of existing agent stacks keep their settings."""

    language: str
    llm_api_key: SecretStr

    @field_serializer("llm_api_key")
    def show(self, key: SecretStr, info: SerializationInfo) -> str:
        context = info.context or {}
        return key.get_secret_value() if context.get("expose_secrets") else str(key)


class Masked(BaseModel):
    llm: dict[str, SecretStr]


def test_settings_come_back_as_they_were_stored(user: User) -> None:
    settings = {"language": "en", "agent": {"steps": 5, "tools": ["shell", None, True]}}

    store(user.id, settings)

    assert load(user.id) == settings


def test_a_user_for_whom_nothing_was_stored_has_no_settings(user: User) -> None:
    assert load(user.id) is None


def test_empty_settings_are_not_the_same_as_none(user: User) -> None:
    store(user.id, {})

    assert load(user.id) == {}


def test_numbers_come_back_to_the_digit(user: User) -> None:
    numbers = {
        "large": 2**200,
        "float": 0.1,
        "decimal": Decimal("0.1"),
        "long": Decimal("3.14159265358979323846264338327950288"),
        "exponent": Decimal("1E+30"),
        "small": 5e-324,
        "negative": -0.0,
    }

    store(user.id, numbers)

    loaded = load(user.id)
    assert loaded == numbers
    assert {name: type(value) for name, value in loaded.items()} == {
        name: type(value) for name, value in numbers.items()
    }


@given(DOCUMENTS)
@effort(deadline=None)
def test_whatever_is_written_reads_equal(document: dict[str, Any]) -> None:
    assert faithful.read(faithful.write(document)) == document


def test_a_user_may_be_named_by_the_external_id() -> None:
    external_id = f"user-{uuid.uuid4().hex}"
    user = factories.make_user(external_id=external_id)

    store(external_id, {"language": "en"})

    assert load(user.id) == {"language": "en"}


def test_a_text_that_is_the_id_of_one_and_the_external_id_of_another_is_an_id(user: User) -> None:
    other = factories.make_user(external_id=str(user.id))

    store(user.id, {"mine": True})

    assert (load(user.id), load(other.id)) == ({"mine": True}, None)


def test_a_uuid_that_is_no_id_is_an_external_id() -> None:
    external_id = str(uuid.uuid4())
    user = factories.make_user(external_id=external_id)

    store(external_id, {"a": 1})

    assert load(user.id) == {"a": 1}


@pytest.mark.parametrize("user_id", ["nobody", "", "\x00", "00000000-0000-7000-8000-000000000000"])
def test_an_unknown_user_has_no_settings_to_load(user_id: str) -> None:
    with pytest.raises(UnknownUser):
        load(user_id)


def test_nothing_is_stored_for_an_unknown_user() -> None:
    with pytest.raises(UnknownUser, match="'nobody'"):
        store("nobody", {})


def test_each_store_is_one_more_generation(user: User) -> None:
    assert [store(user.id, {"step": step}) for step in range(3)] == [1, 2, 3]


def test_settings_are_loaded_with_their_generation(user: User) -> None:
    settings = SettingsStore(user.id)

    async def work() -> list[LoadedSettings]:
        before = await settings.load_with_generation()
        await settings.store({"a": 1})
        return [before, await settings.load_with_generation()]

    assert run(work) == [(0, None), (1, {"a": 1})]


@pytest.mark.parametrize("expected", [1, [1], (7, 1)])
def test_settings_of_an_expected_generation_are_replaced(user: User, expected: Any) -> None:
    store(user.id, {"a": 1})

    assert store(user.id, {"a": 2}, expected=expected) == 2


@pytest.mark.parametrize("expected", [0, 2, [], [3, 4]])
def test_settings_of_another_generation_are_left(user: User, expected: Any) -> None:
    store(user.id, {"a": 1})

    with pytest.raises(SettingsConflict, match="generation is 1") as conflict:
        store(user.id, {"a": 2}, expected=expected)

    assert conflict.value.generation == 1
    assert load(user.id) == {"a": 1}


def test_first_settings_may_be_stored_on_the_condition_that_there_are_none(user: User) -> None:
    assert store(user.id, {"a": 1}, expected=0) == 1


def test_first_settings_are_not_stored_on_the_condition_of_others(user: User) -> None:
    with pytest.raises(SettingsConflict, match="generation is 0"):
        store(user.id, {"a": 1}, expected=1)

    assert load(user.id) is None


def test_concurrent_stores_are_all_counted(user: User) -> None:
    at_once(*(partial(store, user.id, {"writer": writer}) for writer in range(8)))

    assert store(user.id, {}) == 9


def test_twenty_stores_of_one_event_loop_are_twenty_generations(user: User) -> None:
    settings = SettingsStore(user.id)

    async def work() -> list[int]:
        return await asyncio.gather(*(settings.store({"writer": writer}) for writer in range(20)))

    assert sorted(run(work)) == list(range(1, 21))


def test_of_concurrent_first_stores_that_expect_none_exactly_one_wins(user: User) -> None:
    results = at_once(*(partial(store, user.id, {"writer": writer}, expected=0) for writer in range(4)))

    assert sorted(type(result).__name__ for result in results) == ["SettingsConflict"] * 3 + ["int"]


def test_settings_of_one_mebibyte_are_stored(user: User) -> None:
    settings = {"text": "x" * (MAX_SETTINGS_BYTES - len('{"text":""}'))}

    store(user.id, settings)

    assert load(user.id) == settings


def test_larger_settings_are_refused(user: User) -> None:
    with pytest.raises(SettingsTooLarge):
        store(user.id, {"text": "é" * (MAX_SETTINGS_BYTES // 2)})


def _nested(levels: int) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for _ in range(levels):
        found = {"a": found}
    return found


REFUSED = [
    (["a"], "Give a dictionary"),
    ({1: "a"}, "has the name 1"),
    ({"a": [{"b": date(2026, 1, 1)}]}, r"a\[0\].b is a date"),
    ({"a": SecretStr("s")}, "a is a SecretStr"),
    ({"a": float("nan")}, "a is nan"),
    ({"a": Decimal("Infinity")}, "a is Infinity"),
    ({"a": "\x00"}, "NUL"),
    ({"a": "\ud800"}, "text or a number"),
    ({"a": 10**5000}, "text or a number"),
    ({"a": Decimal("1E-5000")}, "exponent"),
    (_nested(64), "64 levels"),
    (_nested(100_000), "64 levels"),
]


@pytest.mark.parametrize(("settings", "sentence"), REFUSED)
def test_what_could_not_come_back_equal_is_refused(settings: Any, sentence: str, user: User) -> None:
    with pytest.raises(InvalidDocument, match=sentence):
        store(user.id, settings)

    assert load(user.id) is None


def test_a_model_is_stored_with_the_secrets_that_it_shows(user: User) -> None:
    store(user.id, Model(language="en", llm_api_key=SecretStr("sk-1")))

    assert load(user.id) == {"language": "en", "llm_api_key": "sk-1"}


def test_a_model_that_masks_its_secret_is_refused(user: User) -> None:
    with pytest.raises(InvalidDocument, match=r"llm\.key is masked"):
        store(user.id, Masked(llm={"key": SecretStr("sk-1")}))

    assert load(user.id) is None


def test_masked_settings_do_not_take_the_place_of_the_secret(user: User) -> None:
    model = Model(language="en", llm_api_key=SecretStr("sk-1"))
    store(user.id, model)

    with pytest.raises(InvalidDocument, match="llm_api_key is masked"):
        store(user.id, model.model_dump(mode="json"))

    assert load(user.id) == {"language": "en", "llm_api_key": "sk-1"}
