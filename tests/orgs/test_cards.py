"""An agent's card: what it takes, what it refuses, and that it comes back as it was given."""

from typing import Any

import pytest

from orgs import cards
from tests.factories import Answer, Caller
from tests.orgs.console import Browser
from tests.orgs.test_agents import make

SKILL: dict[str, Any] = {
    "id": "route",
    "name": "Plan a route",
    "description": "Finds the way.",
    "tags": ["maps"],
    "examples": ["From A to B"],
    "input_modes": ["text/plain"],
    "output_modes": ["application/geo+json", "text/html; charset=utf-8"],
}
EXTENSION: dict[str, Any] = {"uri": "https://example.com/ext", "description": "More", "required": False}
CARD: dict[str, Any] = {
    "version": "1.4.0",
    "provider": {"organization": "Acme", "url": "https://example.com"},
    "documentation_url": "http://example.com:8080/docs?a=1#b",
    "icon_url": "https://example.com/icon.png",
    "capabilities": {
        "streaming": True,
        "push_notifications": False,
        "extended_agent_card": False,
        "extensions": [EXTENSION],
    },
    "default_input_modes": ["text/plain"],
    "default_output_modes": ["text/*"],
    "skills": [SKILL],
}


def given(caller: Caller, card: Any) -> Answer:
    return caller.post("/agents", {"name": "Agent", "slug": "agent", "card": card})


def skill(**fields: Any) -> dict[str, Any]:
    return {"skills": [SKILL | fields]}


def test_a_card_comes_back_as_it_was_given(owner: Caller) -> None:
    made = make(owner, card=CARD)

    assert made["card"] == CARD
    assert owner.get(f"/agents/{made['id']}").json["card"] == CARD
    assert owner.get("/agents").json["items"][0]["card"] == CARD


def test_an_agent_without_a_card_has_an_empty_one(owner: Caller) -> None:
    made = make(owner)

    assert (made["card"], owner.get(f"/agents/{made['id']}").json["card"]) == ({}, {})


def test_parameters_of_an_extension_are_kept_to_the_digit(owner: Caller) -> None:
    body = b'{"name":"A","slug":"a","card":{"capabilities":{"extensions":[{"uri":"https://a.b","params":{"n":1.10}}]}}}'

    made = owner.post("/agents", body, Content_Type="application/json")

    assert b'"params":{"n":1.10}' in owner.get(f"/agents/{made.json['id']}").raw


def test_a_change_replaces_the_card_as_a_whole(owner: Caller) -> None:
    made = make(owner, card=CARD)

    answer = owner.patch(f"/agents/{made['id']}", {"card": {"version": "2"}}, If_Match='"1"')

    assert (answer.json["card"], answer.json["generation"]) == ({"version": "2"}, 2)


def test_a_change_of_something_else_leaves_the_card(owner: Caller) -> None:
    made = make(owner, card=CARD)

    answer = owner.patch(f"/agents/{made['id']}", {"name": "Renamed"})

    assert answer.json["card"] == CARD


def test_a_card_cannot_be_changed_to_null(owner: Caller) -> None:
    made = make(owner, card=CARD)

    answer = owner.patch(f"/agents/{made['id']}", {"card": None})

    assert (answer.status, answer.code) == (422, "invalid")


@pytest.mark.parametrize(
    ("card", "field"),
    [
        ({"name": "Agent"}, "card.name"),
        ({"url": "https://example.com"}, "card.url"),
        ({"security_schemes": {}}, "card.security_schemes"),
        ({"version": None}, "card.version"),
        ({"version": " "}, "card.version"),
        ({"version": "1" * 51}, "card.version"),
        ({"provider": {"organization": "Acme"}}, "card.provider.url"),
        ({"provider": {"organization": "Acme", "url": "https://a.b", "mail": "a@b.c"}}, "card.provider.mail"),
        ({"capabilities": {"streaming": "yes"}}, "card.capabilities.streaming"),
        ({"capabilities": {"streaming": 1}}, "card.capabilities.streaming"),
        ({"capabilities": {"state_transition_history": True}}, "card.capabilities.state_transition_history"),
        ({"capabilities": {"extensions": [EXTENSION, EXTENSION]}}, "card.capabilities.extensions"),
        ({"default_input_modes": ["text"]}, "card.default_input_modes.0"),
        ({"default_output_modes": ["text/plain\n"]}, "card.default_output_modes.0"),
        ({"default_output_modes": ["text/plain"] * 51}, "card.default_output_modes"),
        ({"skills": [SKILL, SKILL]}, "card.skills"),
        (skill(id=""), "card.skills.0.id"),
        (skill(tags=[]), "card.skills.0.tags"),
        (skill(description=""), "card.skills.0.description"),
        (skill(description="d" * 4001), "card.skills.0.description"),
        (skill(security_requirements=[]), "card.skills.0.security_requirements"),
        ({"skills": [{"id": "a"}]}, "card.skills.0.name"),
        ([], "card"),
    ],
)
def test_what_no_card_has_is_refused(owner: Caller, card: Any, field: str) -> None:
    answer = given(owner, card)

    assert (answer.status, answer.code) == (422, "invalid")
    assert field in [error["field"] for error in answer.json["errors"]]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "ftp://example.com", "//example.com", "example.com", "https://", "https:///path",
        "https://user:password@example.com", "https://user@example.com", "https://example.com:99999",
        "https://exa mple.com", "https://example.com/\n", " https://example.com", "https://example.com/\u00e4",
        'https://example.com/"', "https://example.com/<b>", "https://example.com\\@evil", "https://[::1", "",
        "https://example.com/" + "a" * 2000,
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["documentation_url", "icon_url"])
def test_what_is_no_web_address_is_refused(owner: Caller, field: str, address: str) -> None:
    answer = given(owner, {field: address})

    assert (answer.status, answer.code) == (422, "invalid")
    assert [error["field"] for error in answer.json["errors"]] == [f"card.{field}"]


@pytest.mark.parametrize(
    "address", ["https://Example.com", "https://127.0.0.1:8443/a", "https://[::1]/a?b=c&d=%20#e", "http://localhost"]
)
def test_a_web_address_is_kept_as_it_is_written(owner: Caller, address: str) -> None:
    answer = given(owner, {"icon_url": address})

    assert (answer.status, answer.json["card"]) == (201, {"icon_url": address})


def test_a_card_takes_a_hundred_skills_and_no_more(owner: Caller) -> None:
    skills = [{"id": f"s{n}", "name": "n", "description": "d", "tags": ["t"]} for n in range(cards.MAX_SKILLS + 1)]

    refused = given(owner, {"skills": skills})
    taken = given(owner, {"skills": skills[1:]})

    assert (refused.status, refused.json["errors"][0]["field"]) == (422, "card.skills")
    assert taken.status == 201


@pytest.mark.parametrize(("over", "status"), [(0, 201), (1, 422)])
def test_a_card_takes_64_kibibytes_and_no_more(owner: Caller, over: int, status: int) -> None:
    frame = '{"capabilities":{"extensions":[{"uri":"https://a.b","params":{"a":""}}]}}'
    filler = "\u00e4" * ((cards.MAX_CARD_BYTES - len(frame)) // 2) + "x" * ((cards.MAX_CARD_BYTES - len(frame)) % 2)
    params = {"a": filler + "x" * over}

    answer = given(owner, {"capabilities": {"extensions": [{"uri": "https://a.b", "params": params}]}})

    assert answer.status == status


def test_the_console_shows_a_card_and_takes_none(browser: Browser, owner: Caller) -> None:
    made = make(owner, card={"version": "a-version-to-be-seen"})

    content = browser.open(f"/admin/orgs/agent/{made['id']}/change/").content.decode()

    assert "a-version-to-be-seen" in content
    assert 'name="card"' not in content
