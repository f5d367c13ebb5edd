"""GET /sessions, /sessions/{id} and /sessions/{id}/events."""

import uuid

from tests.factories import Caller, create_session
from tests.statements import statements


def test_get_gives_the_session_and_its_generation(owner: Caller) -> None:
    session = create_session(owner, title="mine", state={"a": 1})

    answer = owner.get(f"/sessions/{session['id']}")

    assert answer.json == session
    assert answer.headers["ETag"] == '"1"'


def test_get_of_an_unknown_session_is_not_found(owner: Caller) -> None:
    answer = owner.get(f"/sessions/{uuid.uuid4()}")

    assert (answer.status, answer.code) == (404, "not-found")


def test_get_with_the_known_etag_answers_304_without_a_body(owner: Caller) -> None:
    session = create_session(owner, state={"a": 1})

    answer = owner.get(f"/sessions/{session['id']}", If_None_Match='"1"')

    assert (answer.status, answer.raw, answer.headers["ETag"]) == (304, b"", '"1"')


def test_get_with_an_older_etag_answers_the_session(owner: Caller) -> None:
    session = create_session(owner)
    owner.put(f"/sessions/{session['id']}/state", {"new": True})

    answer = owner.get(f"/sessions/{session['id']}", If_None_Match='"1"')

    assert (answer.status, answer.json["state"]) == (200, {"new": True})


def test_get_is_one_statement(owner: Caller) -> None:
    session = create_session(owner)

    with statements() as sent:
        owner.get(f"/sessions/{session['id']}")

    assert len(sent) == 1


def test_the_list_has_no_state(owner: Caller) -> None:
    create_session(owner, state={"secret": "in the state"}, metadata={"kept": 1})

    (item,) = owner.get("/sessions").json["items"]

    assert "state" not in item
    assert item["metadata"] == {"kept": 1}


def test_the_list_is_one_query_beside_the_tenancy_and_never_reads_states(owner: Caller) -> None:
    for _ in range(3):
        create_session(owner, state={"big": "x" * 1000})

    with statements() as sent:
        owner.get("/sessions")

    assert len(sent) == 2
    assert '"sessions_store_session"."metadata"' in sent[1]
    assert '"state"' not in sent[1]


def test_the_list_pages_through_every_session_newest_first(owner: Caller) -> None:
    made = [create_session(owner)["id"] for _ in range(5)]

    pages = [owner.get("/sessions?limit=2").json]
    while pages[-1]["next_cursor"]:
        pages.append(owner.get(f"/sessions?limit=2&cursor={pages[-1]['next_cursor']}").json)

    assert [len(page["items"]) for page in pages] == [2, 2, 1]
    assert [item["id"] for page in pages for item in page["items"]] == made[::-1]


def test_a_session_made_between_two_pages_moves_no_other(owner: Caller) -> None:
    made = [create_session(owner)["id"] for _ in range(3)]
    first = owner.get("/sessions?limit=2").json
    create_session(owner)

    second = owner.get(f"/sessions?limit=2&cursor={first['next_cursor']}").json

    assert [item["id"] for item in second["items"]] == made[:1]


def test_another_organizations_cursor_is_refused(owner: Caller, outsider: Caller) -> None:
    for _ in range(2):
        create_session(owner)
    cursor = owner.get("/sessions?limit=1").json["next_cursor"]

    answer = outsider.get(f"/sessions?cursor={cursor}")

    assert (answer.status, answer.code) == (422, "invalid-cursor")


def test_the_events_are_listed_by_generation(owner: Caller) -> None:
    session = create_session(owner)
    owner.put(f"/sessions/{session['id']}/state", {"a": 1})
    owner.patch(f"/sessions/{session['id']}/state", {"b": 2})

    items = owner.get(f"/sessions/{session['id']}/events").json["items"]

    assert [(item["generation"], item["type"]) for item in items] == [
        (1, "session.created"),
        (2, "session.state.changed"),
        (3, "session.state.changed"),
    ]


def test_the_events_page_forward(owner: Caller) -> None:
    session = create_session(owner)
    for number in range(3):
        owner.put(f"/sessions/{session['id']}/state", {"n": number})
    first = owner.get(f"/sessions/{session['id']}/events?limit=2").json

    second = owner.get(f"/sessions/{session['id']}/events?limit=2&cursor={first['next_cursor']}").json

    assert [item["generation"] for item in second["items"]] == [3, 4]
    assert second["next_cursor"] is None


def test_the_events_are_two_queries_beside_the_tenancy(owner: Caller) -> None:
    session = create_session(owner)

    with statements() as sent:
        owner.get(f"/sessions/{session['id']}/events")

    assert len(sent) == 3
    assert not any('"state"' in sql for sql in sent)
