"""A WSGI application behind an ASGI server: what it is told, and how its answer is sent."""

import asyncio
import io
import sys
import threading
from collections.abc import Callable, Iterable, Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from api.requests import MALFORMED_PATH
from config.bridge import PIECE_BYTES, Bridge, Environ, Message, WSGIApplication, environ_from
from tests.config.asgi import Headers, Sent, scope

Started = Callable[..., Callable[[bytes], None]]
PIECE = b"x" * PIECE_BYTES


def environ(**changes: Any) -> Environ:
    return environ_from(scope(**changes), io.BytesIO(), 0)


def ask(application: WSGIApplication, *, method: str = "GET") -> Sent:
    """Return what is sent when the application is called behind a bridge of its own."""

    async def run() -> Sent:
        bridge, sent = Bridge(application, 1), Sent()
        try:
            answer = await bridge.call(environ(method=method))
            await answer.send(sent.send)
        finally:
            await asyncio.to_thread(bridge.threads.shutdown)
        return sent

    return asyncio.run(run())


class Parts:
    """Content that is made part by part, and knows how far it got."""

    def __init__(self, *parts: bytes | Exception) -> None:
        self.parts, self.given, self.closed = parts, 0, 0

    def __iter__(self) -> Iterator[bytes]:
        for part in self.parts:
            self.given += 1
            if isinstance(part, Exception):
                raise part
            yield part

    def close(self) -> None:
        self.closed += 1


def answering(content: Iterable[bytes], status: str = "200 OK", **headers: str) -> WSGIApplication:
    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        start_response(status, [(name.replace("_", "-"), value) for name, value in headers.items()])
        return content

    return application


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        ({"method": "PATCH"}, "REQUEST_METHOD", "PATCH"),
        ({"path": b"/a%20b/%C3%A9"}, "PATH_INFO", "/a b/\u00c3\u00a9"),
        ({"path": b"/%ff%00"}, "PATH_INFO", "/\u00ff\x00"),
        ({"path": b"/a%2Fb"}, "PATH_INFO", "/a/b"),
        ({"path": b"//double"}, "PATH_INFO", "//double"),
        ({"raw_path": None, "path": "/\u00e9".encode()}, "PATH_INFO", "/\u00c3\u00a9"),
        ({"root_path": "/under", "path": b"/under/live"}, "SCRIPT_NAME", "/under"),
        ({"root_path": "/under", "path": b"/under/live"}, "PATH_INFO", "/live"),
        ({}, "SCRIPT_NAME", ""),
        ({"query_string": b"a=%ff&b=\xff"}, "QUERY_STRING", "a=%ff&b=\u00ff"),
        ({}, "SERVER_NAME", "127.0.0.1"),
        ({}, "SERVER_PORT", "8000"),
        ({"server": None}, "SERVER_NAME", "localhost"),
        ({"server": ("/run/socket", None)}, "SERVER_PORT", "0"),
        ({"http_version": "2"}, "SERVER_PROTOCOL", "HTTP/2"),
        ({}, "REMOTE_ADDR", "192.0.2.7"),
        ({"scheme": "https"}, "wsgi.url_scheme", "https"),
        ({}, "wsgi.errors", sys.stderr),
        ({}, "wsgi.version", (1, 0)),
    ],
)
def test_the_application_is_told_of_the_request(changes: dict[str, Any], key: str, value: Any) -> None:
    assert environ(**changes)[key] == value


@pytest.mark.parametrize("path", [b"/%zz", b"/a%", b"/%2", b"/%%41", b"/%4g"])
def test_a_percent_sign_that_begins_no_octet_is_told(path: bytes) -> None:
    assert environ(path=path)[MALFORMED_PATH]


@pytest.mark.parametrize("path", [b"/%25zz", b"/%4a%4A", b"/", b"/%ff"])
def test_of_other_paths_nothing_is_told(path: bytes) -> None:
    assert MALFORMED_PATH not in environ(path=path)


def test_a_server_that_does_not_know_the_caller_says_nothing() -> None:
    assert "REMOTE_ADDR" not in environ(client=None)


@pytest.mark.parametrize(
    ("headers", "key", "value"),
    [
        ([(b"x-request-id", b"mine")], "HTTP_X_REQUEST_ID", "mine"),
        ([(b"content-type", b"text/plain")], "CONTENT_TYPE", "text/plain"),
        ([(b"accept", b"a"), (b"accept", b"b")], "HTTP_ACCEPT", "a,b"),
        ([(b"cookie", b"a=1"), (b"cookie", b"b=2")], "HTTP_COOKIE", "a=1; b=2"),
        ([(b"x-other", b"\xff")], "HTTP_X_OTHER", "\u00ff"),
        ([(b"X-Upper", b"a")], "HTTP_X_UPPER", "a"),
    ],
)
def test_the_application_is_told_of_a_header(headers: Headers, key: str, value: str) -> None:
    assert environ(headers=headers)[key] == value


@pytest.mark.parametrize(
    ("name", "key"),
    [
        (b"x_request_id", "HTTP_X_REQUEST_ID"),
        (b"x-request_id", "HTTP_X_REQUEST_ID"),
        (b"content_length", "CONTENT_TYPE"),
        (b"transfer-encoding", "HTTP_TRANSFER_ENCODING"),
        (b"content-length", "HTTP_CONTENT_LENGTH"),
    ],
)
def test_the_application_is_not_told_of_a_header(name: bytes, key: str) -> None:
    assert key not in environ(headers=[(name, b"1")])


def test_the_length_is_that_of_the_body_that_came() -> None:
    headers = [(b"content-length", b"9"), (b"transfer-encoding", b"chunked")]

    found = environ_from(scope("POST", headers=headers), io.BytesIO(b"12345"), 5)

    assert (found["CONTENT_LENGTH"], found["wsgi.input"].read()) == ("5", b"12345")


def test_an_ordinary_answer_is_sent_in_one_body() -> None:
    sent = ask(answering([b"one", b"two"], "201 Created", Location="/x", ETag='"1"'))

    assert sent == [
        {"type": "http.response.start", "status": 201, "headers": [(b"location", b"/x"), (b"etag", b'"1"')]},
        {"type": "http.response.body", "body": b"onetwo"},
    ]


def test_an_answer_without_content_is_sent() -> None:
    assert ask(answering([])).content == b""


@pytest.mark.parametrize(
    ("method", "status"), [("HEAD", "200 OK"), ("GET", "204 No Content"), ("GET", "304 Not Modified")]
)
@pytest.mark.parametrize("parts", [(b"content",), (PIECE, PIECE)], ids=["small", "large"])
def test_what_has_no_content_is_sent_none_and_closed(method: str, status: str, parts: tuple[bytes, ...]) -> None:
    content = Parts(*parts)

    sent = ask(answering(content, status, Content_Length="7"), method=method)

    assert (sent.content, sent.headers, content.closed) == (b"", {b"content-length": b"7"}, 1)


def test_a_large_answer_is_sent_in_pieces_as_it_is_made() -> None:
    content = Parts(PIECE, PIECE, b"end")
    made: list[int] = []

    class Watching(Sent):
        async def send(self, message: Message) -> None:
            made.append(content.given)
            await super().send(message)

    async def run() -> Sent:
        sent = Watching()
        await (await Bridge(answering(content), 1).call(environ())).send(sent.send)
        return sent

    sent = asyncio.run(run())

    assert sent.content == PIECE + PIECE + b"end"
    assert [message.get("more_body", False) for message in sent[1:]] == [True, True, False]
    assert made == [1, 1, 2, 3]


def test_an_answer_begins_late_where_the_content_starts_it() -> None:
    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        start_response("202 Accepted", [])
        yield b"late"

    sent = ask(application)

    assert (sent.status, sent.content) == (202, b"late")


def test_what_is_written_comes_before_the_content() -> None:
    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        start_response("200 OK", [])(b"written, ")
        return [b"returned"]

    assert ask(application).content == b"written, returned"


def _restarting(*before: bytes) -> WSGIApplication:
    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        start_response("200 OK", [])
        yield from before
        try:
            raise RuntimeError("a defect")
        except RuntimeError:
            start_response("500 Internal Server Error", [], sys.exc_info())
        yield b"sorry"

    return application


def test_an_error_before_anything_was_sent_takes_the_place_of_the_answer() -> None:
    sent = ask(_restarting())

    assert (sent.status, sent.content) == (500, b"sorry")


def test_an_error_after_something_was_sent_ends_the_answer() -> None:
    with pytest.raises(RuntimeError, match="a defect"):
        ask(_restarting(PIECE))


@pytest.mark.parametrize("before", [(), (b"some",), (PIECE,)], ids=["at once", "soon", "late"])
def test_content_that_fails_is_closed(before: tuple[bytes, ...]) -> None:
    content = Parts(*before, RuntimeError("a defect"))

    with pytest.raises(RuntimeError, match="a defect"):
        ask(answering(content))

    assert content.closed == 1


@pytest.mark.parametrize("parts", [(), (b"some",), (PIECE,), (PIECE, PIECE, b"end")], ids=len)
def test_content_is_closed_once_it_is_sent(parts: tuple[bytes, ...]) -> None:
    content = Parts(*parts)

    ask(answering(content))

    assert content.closed == 1


def test_content_is_closed_when_the_caller_is_gone() -> None:
    content = Parts(PIECE, PIECE)

    async def gone(message: Message) -> None:
        raise ConnectionError

    async def run() -> None:
        bridge = Bridge(answering(content), 1)
        answer = await bridge.call(environ())
        with pytest.raises(ConnectionError):
            await answer.send(gone)
        await asyncio.to_thread(bridge.threads.shutdown)

    asyncio.run(run())

    assert (content.given, content.closed) == (1, 1)


def test_a_slow_reader_holds_no_thread() -> None:
    content = Parts(PIECE, PIECE)

    async def run() -> tuple[bytes, bytes]:
        bridge, reads, reached = Bridge(answering(content), 1), asyncio.Event(), asyncio.Event()
        slow, quick = Sent(), Sent()

        async def slowly(message: Message) -> None:
            reached.set()
            await reads.wait()
            await slow.send(message)

        waiting = asyncio.create_task((await bridge.call(environ())).send(slowly))
        await reached.wait()
        bridge.application = answering([b"quick"])
        await (await bridge.call(environ())).send(quick.send)
        reads.set()
        await waiting
        return slow.content, quick.content

    assert asyncio.run(run()) == (PIECE + PIECE, b"quick")


def test_what_a_call_sets_in_its_context_no_other_call_sees() -> None:
    seen: ContextVar[str] = ContextVar("seen", default="nothing")

    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        start_response("200 OK", [])
        before = seen.get()
        seen.set("something")
        # The content is of the same call.
        yield PIECE + before.encode()
        yield seen.get().encode()

    async def run() -> list[bytes]:
        bridge, sent = Bridge(application, 1), [Sent(), Sent()]
        for one in sent:
            await (await bridge.call(environ())).send(one.send)
        return [one.content[PIECE_BYTES:] for one in sent]

    assert asyncio.run(run()) == [b"nothingsomething"] * 2


def test_no_more_calls_run_at_once_than_there_are_threads() -> None:
    running, most, lock = 0, 0, threading.Lock()
    both = threading.Barrier(2)

    def application(environ: Environ, start_response: Started) -> Iterable[bytes]:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        both.wait()
        with lock:
            running -= 1
        start_response("200 OK", [])
        return []

    async def run() -> None:
        bridge = Bridge(application, 2)
        await asyncio.gather(*(bridge.call(environ()) for _ in range(6)))

    asyncio.run(run())

    assert most == 2
