"""What comes over the wire, as granian hands it to both applications: `web` (WSGI) and the front of `up` (ASGI)."""

import contextlib
import select
import socket
import threading
import uuid
from collections.abc import Iterator

import httpx
import pytest
from django.db import connections

from api.requests import MIB
from tests.api.live import (
    CHUNKED,
    SERVERS,
    THREADS,
    Server,
    document,
    in_chunks,
    read_answer,
    request,
    serving,
)
from tests.factories import Caller
from tests.orgs.servers import superuser


@pytest.fixture(scope="module", params=SERVERS)
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(request.param, tmp_path_factory.mktemp("server")) as found:
        yield found


def _titles(owner: Caller) -> list[str]:
    return [session["title"] for session in owner.get("/sessions").json["items"]]


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_a_chunked_body_is_read_whole(server: Server, owner: Caller, size: int) -> None:
    body = document(title="in chunks", metadata={"text": "x" * 200})

    answer = server.send(request("POST", "/sessions", owner.key, headers=CHUNKED) + in_chunks(body, size))

    assert (answer.status, answer.json["title"]) == (201, "in chunks")
    assert answer.json["metadata"] == {"text": "x" * 200}


def test_a_chunked_body_of_one_mebibyte_is_read_whole(server: Server, owner: Caller) -> None:
    frame = document(message={"parts": [{"text": ""}]})
    body = frame.replace(b'""', b'"' + b"x" * (MIB - len(frame)) + b'"')
    assert len(body) == MIB

    answer = server.send(request("POST", "/tasks", owner.key, headers=CHUNKED) + in_chunks(body, 65_536))

    assert answer.status == 201


def test_a_chunked_body_beyond_one_mebibyte_is_refused(server: Server, owner: Caller) -> None:
    body = document(name="x" * MIB)

    answer = server.send(request("POST", "/agents", owner.key, headers=CHUNKED) + in_chunks(body, 65_536))

    assert (answer.status, answer.code) == (413, "body-too-large")


def test_a_declared_body_beyond_one_mebibyte_is_refused(server: Server, owner: Caller) -> None:
    body = document(name="x" * MIB)

    answer = server.send(request("POST", "/agents", owner.key, body))

    assert (answer.status, answer.code) == (413, "body-too-large")


@pytest.mark.parametrize("chunked", [False, True], ids=["sized", "chunked"])
def test_the_service_answers_on_after_a_body_was_too_large(server: Server, owner: Caller, chunked: bool) -> None:
    body = document(name="x" * MIB)
    sized = request("POST", "/agents", owner.key, body)
    refused = request("POST", "/agents", owner.key, headers=CHUNKED) + in_chunks(body, 65_536) if chunked else sized

    first = server.send(refused)
    second = server.send(request("GET", "/me", owner.key))

    assert (first.status, second.status) == (413, 200)


def test_a_body_without_end_is_refused_before_much_of_it_has_come(server: Server, owner: Caller) -> None:
    chunk, sent = in_chunks(b"x" * 65_536, 65_536).removesuffix(b"0\r\n\r\n"), 0

    with server.connect() as connection:
        connection.sendall(request("POST", "/agents", owner.key, headers=CHUNKED))
        # The server may have answered and closed while a chunk is on its way.
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            while not select.select([connection], [], [], 0)[0]:
                assert sent < 64 * MIB, "the server takes whatever comes"
                connection.sendall(chunk)
                sent += len(chunk)
        answer = read_answer(connection)

    assert (answer.status, answer.code) == (413, "body-too-large")


def test_what_follows_a_body_that_was_too_large_is_no_part_of_it(server: Server, owner: Caller) -> None:
    hidden = request("POST", "/sessions", owner.key, document(title="hidden"))
    body = hidden.ljust(MIB + 1)
    refused = request("POST", "/agents", owner.key, body)

    with server.connect() as connection:
        connection.sendall(refused)
        first = read_answer(connection)
        # The server may keep the connection, at the next request, or close it.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request("GET", "/me", owner.key))
            connection.shutdown(socket.SHUT_WR)
            rest = connection.recv(100)
            assert rest[:12] in (b"", b"HTTP/1.1 200")

    assert first.status == 413
    assert _titles(owner) == []


def test_a_connection_carries_one_request_after_another(server: Server, owner: Caller) -> None:
    with server.connect() as connection:
        statuses = []
        for _ in range(3):
            connection.sendall(request("GET", "/me", owner.key))
            statuses.append(read_answer(connection).status)

    assert statuses == [200, 200, 200]


def test_after_a_chunked_body_the_connection_is_at_the_next_request(server: Server, owner: Caller) -> None:
    chunked = request("POST", "/sessions", owner.key, headers=CHUNKED) + in_chunks(document(title="first"), 5)

    with server.connect() as connection:
        connection.sendall(chunked)
        first = read_answer(connection)
        connection.sendall(request("POST", "/sessions", owner.key, document(title="second")))
        second = read_answer(connection)

    assert (first.json["title"], second.json["title"]) == ("first", "second")


@pytest.mark.parametrize("missing", [1, 1000])
def test_a_body_cut_off_before_its_content_length_does_nothing(server: Server, owner: Caller, missing: int) -> None:
    body, name = document(title="cut off"), uuid.uuid4().hex
    headers = {"Content-Length": str(len(body) + missing), "X-Request-Id": name}

    with server.connect() as connection:
        connection.sendall(request("POST", "/sessions", owner.key, body, headers))

    assert server.noted(name)["status"] == 400
    assert _titles(owner) == []


@pytest.mark.parametrize("kept", [0, 1, 10, -5, -1], ids="of {} bytes".format)
def test_a_chunked_body_cut_off_does_nothing(server: Server, owner: Caller, kept: int) -> None:
    body, name = document(title="cut off"), uuid.uuid4().hex
    # The chunk ends the part that comes; the one of no bytes, which would end the body, does not come.
    part = in_chunks(body[:kept], 5).removesuffix(b"0\r\n\r\n")

    with server.connect() as connection:
        connection.sendall(request("POST", "/sessions", owner.key, headers=CHUNKED | {"X-Request-Id": name}) + part)

    assert server.noted(name)["status"] in (400, 415, 422)
    assert _titles(owner) == []


def test_callers_that_hang_up_leave_no_thread_waiting(server: Server, owner: Caller) -> None:
    names = [uuid.uuid4().hex for _ in range(3 * THREADS)]

    for name in names:
        with server.connect() as connection:
            headers = {"Content-Length": "1000", "X-Request-Id": name}
            connection.sendall(request("POST", "/sessions", owner.key, b"{", headers))

    assert {server.noted(name)["status"] for name in names} == {400}
    assert server.send(request("GET", "/me", owner.key)).status == 200


@pytest.mark.parametrize("lengths", [("2", "3"), ("-1",), ("+2",), ("2, 3",), ("two",)])
def test_a_malformed_content_length_is_refused(server: Server, owner: Caller, lengths: tuple[str, ...]) -> None:
    headers = "".join(f"Content-Length: {length}\r\n" for length in lengths)
    post = request("POST", "/sessions", owner.key, headers={"Content-Length": ""})

    answer = server.send(post.replace(b"\r\n\r\n", b"\r\n" + headers.encode() + b"\r\n") + b"{}")

    assert answer.status == 400
    assert _titles(owner) == []


def test_a_body_that_waits_for_100_continue_is_asked_for(server: Server, owner: Caller) -> None:
    body = document(title="waited")
    post = request("POST", "/sessions", owner.key, headers={"Content-Length": str(len(body)), "Expect": "100-continue"})

    with server.connect() as connection:
        connection.sendall(post)
        asked = read_answer(connection)
        connection.sendall(body)
        answer = read_answer(connection)

    assert asked.status == 100
    assert (answer.status, answer.json["title"]) == (201, "waited")


@pytest.mark.parametrize("second", ["same", "other"])
def test_an_idempotency_key_that_is_sent_twice_is_refused(server: Server, owner: Caller, second: str) -> None:
    post = request("POST", "/sessions", owner.key, document(title="twice"), {"Idempotency-Key": "same"})

    answer = server.send(post.replace(b"\r\n\r\n", f"\r\nIdempotency-Key: {second}\r\n\r\n".encode(), 1))

    assert (answer.status, answer.code) == (400, "invalid-header")
    assert _titles(owner) == []


def test_a_request_hidden_in_a_chunked_body_is_not_run(server: Server, owner: Caller) -> None:
    body = in_chunks(request("POST", "/sessions", owner.key, document(title="hidden")), 1000)
    # By this length the body would end before the chunk's content, which would be the next request.
    both = {"Transfer-Encoding": "chunked", "Content-Length": str(body.index(b"POST"))}

    with server.connect() as connection:
        connection.sendall(request("POST", "/sessions", owner.key, headers=both) + body)
        first = read_answer(connection)
        connection.shutdown(socket.SHUT_WR)
        rest = connection.recv(1000)

    assert (first.status, rest) == (400, b"")
    assert _titles(owner) == []


def test_head_is_answered_as_get_without_content(server: Server, owner: Caller) -> None:
    get = server.send(request("GET", "/me", owner.key))

    with server.connect() as connection:
        connection.sendall(request("HEAD", "/me", owner.key))
        head = read_answer(connection, content=False)
        # Content would stand here, before the next answer.
        connection.sendall(request("GET", "/me", owner.key))
        after = read_answer(connection)

    assert head.status == get.status == 200
    assert head.headers["Content-Type"] == get.headers["Content-Type"]
    assert (after.status, after.raw) == (200, get.raw)


@pytest.mark.parametrize("part", ["%00", "a%00b", "%", "%2", "%zz", "%ff", "%c0%af", "%ed%a0%80"])
def test_a_hostile_path_is_a_problem_of_the_caller(server: Server, owner: Caller, part: str) -> None:
    answer = server.send(request("GET", f"/tasks/{part}", owner.key))

    assert (answer.status, answer.code) == (404, "not-found")


@pytest.mark.parametrize("part", ["%ff", "%c0%af", "%ed%a0%80"])
def test_a_name_in_a_path_that_is_not_utf_8_is_refused(server: Server, owner: Caller, part: str) -> None:
    answer = server.send(request("GET", f"/cache/report/{part}", owner.key))

    assert (answer.status, answer.code) == (400, "bad-request")


@pytest.mark.parametrize("target", ["/tasks/\xff", "/tasks/\xc3\xa9", "/tasks?cursor=\xff", "/tasks/\x00", "/me?\x01"])
def test_bytes_that_no_url_has_are_refused_by_the_server(server: Server, owner: Caller, target: str) -> None:
    answer = server.send(request("GET", target, owner.key))

    assert 400 <= answer.status < 500


@pytest.mark.parametrize("value", ["a\x00b", "a\rb", "a\nb c", "\x7f"], ids=repr)
def test_a_header_that_http_does_not_allow_is_refused_by_the_server(server: Server, owner: Caller, value: str) -> None:
    answer = server.send(request("GET", "/me", owner.key, headers={"X-Other": value}))

    assert answer.status == 400


@pytest.mark.parametrize(
    "name", ["X-Request-Id", "If-None-Match", "X-Forwarded-For", "Accept", "Cookie", "Content-Type"]
)
def test_bytes_beyond_ascii_in_a_header_make_nothing_fail(server: Server, owner: Caller, name: str) -> None:
    answer = server.send(request("GET", "/me", owner.key, headers={name: "\xff\xfe\x80"}))

    assert answer.status == 200


@pytest.mark.parametrize("charset", ["charset=zlib", "charset*=bogus''x", "charset*=undefined''%ff"])
def test_a_character_set_that_nobody_has_makes_nothing_fail(server: Server, owner: Caller, charset: str) -> None:
    headers = {"Content-Type": f"application/json; {charset}"}

    answer = server.send(request("POST", "/sessions?%ff=1", owner.key, b"{}", headers))

    assert (answer.status, answer.code) == (422, "invalid-parameter")


@pytest.mark.parametrize("value", ["%00", "a%00b", "%ff", "%c0%af", "%ed%a0%80", "%", "%2", "%zz"])
def test_a_hostile_query_is_a_problem_of_the_caller(server: Server, owner: Caller, value: str) -> None:
    answer = server.send(request("GET", f"/tasks?cursor={value}", owner.key))

    assert answer.status == 422
    assert answer.code in ("invalid-parameter", "invalid-cursor")


def test_a_hostile_name_in_the_query_is_a_problem_of_the_caller(server: Server, owner: Caller) -> None:
    answer = server.send(request("GET", "/tasks?%00%ff=1", owner.key))

    assert (answer.status, answer.code) == (422, "invalid-parameter")


@pytest.mark.parametrize("target", ["/" + "x" * 20_000, "/me?a=" + "x" * 20_000, "/tasks?cursor=" + "%61" * 7_000])
def test_a_url_of_20000_bytes_is_a_problem_of_the_caller(server: Server, owner: Caller, target: str) -> None:
    answer = server.send(request("GET", target, owner.key))

    assert answer.status in (404, 414, 422)


def test_a_repeated_post_is_answered_by_the_first_ones_answer(server: Server, owner: Caller) -> None:
    key = {"Idempotency-Key": uuid.uuid4().hex}
    post = request("POST", "/sessions", owner.key, document(title="once"), key)

    first, second = server.send(post), server.send(post)

    assert (first.status, second.status) == (201, 201)
    assert "Idempotency-Replayed" not in first.headers
    assert second.headers["Idempotency-Replayed"] == "true"
    assert (second.raw, second.headers["Location"]) == (first.raw, first.headers["Location"])
    assert _titles(owner) == ["once"]


def test_a_kept_answer_is_given_by_another_process(server: Server, owner: Caller) -> None:
    key, body = uuid.uuid4().hex, document(title="once")
    first = server.send(request("POST", "/sessions", owner.key, body, {"Idempotency-Key": key}))

    here = owner.post("/sessions", body, Idempotency_Key=key)

    assert here.headers["Idempotency-Replayed"] == "true"
    assert (here.status, here.raw) == (201, first.raw)


def test_of_posts_at_the_same_moment_one_has_an_effect(server: Server, owner: Caller) -> None:
    together = threading.Barrier(4)
    answers: list[httpx.Response] = []
    key = {"Idempotency-Key": uuid.uuid4().hex}

    def post() -> None:
        with server.client(owner.key) as client:
            client.get("/me")
            together.wait()
            answers.append(client.post("/sessions", json={"title": "once"}, headers=key))

    threads = [threading.Thread(target=post) for _ in range(together.parties)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    made = [answer for answer in answers if answer.status_code == 201 and "Idempotency-Replayed" not in answer.headers]
    others = [answer for answer in answers if answer not in made]
    in_flight = [answer for answer in others if answer.status_code == 409]
    assert (len(made), len(others)) == (1, 3)
    assert {answer.json()["code"] for answer in in_flight} <= {"idempotency-key-in-flight"}
    assert all(answer.content == made[0].content for answer in others if answer not in in_flight)
    assert _titles(owner) == ["once"]


def _hang_up(server: Server) -> int:
    """Have PostgreSQL end every connection of the server, and wait until each is gone; return how many they were."""
    with superuser() as alias, connections[alias].cursor() as cursor:
        cursor.execute(
            "SELECT count(*) FILTER (WHERE pg_terminate_backend(pid, 10000)) FROM pg_stat_activity "
            "WHERE datname = current_database() AND application_name = %s",
            [server.application_name],
        )
        ended: int = cursor.fetchone()[0]
    return ended


def test_a_request_after_the_database_hung_up_succeeds(server: Server, owner: Caller) -> None:
    warm = [server.send(request("GET", "/me", owner.key)).status for _ in range(8)]
    ended = _hang_up(server)

    after = [server.send(request("GET", "/me", owner.key)).status for _ in range(8)]

    assert ended > 0
    assert warm == after == [200] * 8


def test_a_write_after_the_database_hung_up_is_done_once(server: Server, owner: Caller) -> None:
    assert server.send(request("GET", "/me", owner.key)).status == 200
    assert _hang_up(server) > 0

    answer = server.send(request("POST", "/sessions", owner.key, document(title="once")))

    assert answer.status == 201
    assert _titles(owner) == ["once"]
