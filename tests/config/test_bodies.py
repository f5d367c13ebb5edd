"""How a body is collected: its limits in size and time, and what all bodies together may hold."""

import asyncio
import threading
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.http.request import UnreadablePostError

from api.requests import MIB, BodyLimit, BodyTooLarge
from config.bodies import UNCOUNTED_BYTES, Bodies, Body, BodyTooSlow, TooManyAnswers, TooManyBodies
from config.bridge import PIECE_BYTES, Answer, Bridge, Environ, Message, Receive, environ_from
from orgs.authentication import Unauthenticated
from tests.config.asgi import END, GONE, Sent, giving, scope

CHUNKED = [(b"transfer-encoding", b"chunked")]
LARGE = b"x" * (UNCOUNTED_BYTES + 1000)


def _mebibyte() -> BodyLimit:
    return BodyLimit(MIB)


async def known() -> str:
    return "an organization"


async def other() -> str:
    return "another"


def _sized(length: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(length).encode())]


def collect(
    bodies: Bodies, receive: Receive, headers: list[tuple[bytes, bytes]], *, limit: int = MIB, **changes: Any
) -> bytes:
    """Return the body that is collected; once it is handed back, nothing is held."""

    async def run() -> bytes:
        posted = scope("POST", headers=headers, **changes)
        async with bodies.collected(posted, receive, limit=lambda: BodyLimit(limit), admit=known) as body:
            content = body.stream.read()
            assert len(content) == body.size
        return content

    try:
        return asyncio.run(run())
    finally:
        assert bodies.held == 0


def _never() -> Callable[[], Awaitable[Message]]:
    async def receive() -> Message:
        raise AssertionError("the body was read")

    return receive


def test_a_body_is_joined_of_its_parts() -> None:
    assert collect(Bodies(), giving(b"one", b"two", END), CHUNKED) == b"onetwo"


def test_a_body_ends_with_its_declared_length() -> None:
    # What would come next never comes.
    assert collect(Bodies(), giving(b"one", b"two"), _sized(6)) == b"onetwo"


@pytest.mark.parametrize("headers", [[], _sized(0)], ids=["none", "zero"])
def test_a_request_without_a_body_is_not_waited_for(headers: list[tuple[bytes, bytes]]) -> None:
    assert collect(Bodies(), _never(), headers) == b""


def test_a_body_of_http_2_needs_no_header() -> None:
    assert collect(Bodies(), giving(b"some", END), [], http_version="2") == b"some"


@pytest.mark.parametrize("headers", [_sized(2 * MIB), CHUNKED], ids=["sized", "chunked"])
def test_a_body_up_to_its_limit_is_taken(headers: list[tuple[bytes, bytes]]) -> None:
    body = b"x" * (2 * MIB)

    assert collect(Bodies(), giving(body, END), headers, limit=2 * MIB) == body


def test_a_body_declared_beyond_its_limit_is_not_read() -> None:
    with pytest.raises(BodyTooLarge):
        collect(Bodies(), _never(), _sized(2 * MIB + 1), limit=2 * MIB)


def test_a_body_that_grows_beyond_its_limit_is_read_no_further() -> None:
    with pytest.raises(BodyTooLarge):
        collect(Bodies(), giving(b"x" * MIB, b"x"), CHUNKED)


@pytest.mark.parametrize("parts", [(), (b"some",)], ids=["at once", "within"])
@pytest.mark.parametrize("headers", [_sized(100), CHUNKED], ids=["sized", "chunked"])
def test_a_caller_who_hangs_up_ends_the_body(parts: tuple[bytes, ...], headers: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(UnreadablePostError):
        collect(Bodies(), giving(*parts, GONE), headers)


class _TurnedClock(asyncio.SelectorEventLoop):
    """A loop whose clock is turned by hand."""

    now = 0.0

    def time(self) -> float:
        return self.now


STILL = (b"", 31)


@pytest.mark.parametrize(
    ("comes", "in_time"),
    [
        ([(b"x", 29)], True),
        ([STILL], False),
        ([(b"x", 29), (b"x", 29)], True),
        ([(b"x", 29), STILL], False),
        ([(LARGE, 29), STILL], False),
        ([(b"", 20), (b"x", 20)], False),
        ([(b"x", 29)] * 10, True),
        ([(b"x", 29)] * 11, False),
        ([(b"x", 0.001)] * 10_000, True),
    ],
    ids=["one part", "none", "two", "one of two", "much of two", "an empty one", "290 s", "319 s", "many"],
)
def test_a_body_comes_within_30_seconds_for_each_part_and_300_for_all(
    comes: list[tuple[bytes, float]], in_time: bool
) -> None:
    bodies, left = Bodies(), iter(comes)

    async def receive() -> Message:
        part, seconds = next(left, (None, 0))
        loop = asyncio.get_running_loop()
        assert isinstance(loop, _TurnedClock)
        loop.now += seconds
        # The loop looks at its clock.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        return END if part is None else {"type": "http.request", "body": part, "more_body": True}

    async def run() -> bool:
        try:
            async with bodies.collected(scope("POST", headers=CHUNKED), receive, limit=_mebibyte, admit=known):
                return True
        except BodyTooSlow:
            return False

    with asyncio.Runner(loop_factory=_TurnedClock) as runner:
        assert runner.run(run()) is in_time
    assert bodies.held == 0


def test_what_is_held_is_counted_until_the_body_is_done_with() -> None:
    bodies = Bodies()

    async def run() -> int:
        async with bodies.collected(scope("POST", headers=CHUNKED), giving(LARGE, END), limit=_mebibyte, admit=known):
            return bodies.held

    assert (asyncio.run(run()), bodies.held) == (len(LARGE) - UNCOUNTED_BYTES, 0)


def test_a_body_beyond_what_all_may_hold_is_put_off() -> None:
    with pytest.raises(TooManyBodies):
        collect(Bodies(held_at_most=999), giving(LARGE, END), CHUNKED)


@pytest.mark.parametrize(("second", "taken"), [(LARGE, False), (b"x" * UNCOUNTED_BYTES, True)], ids=["large", "small"])
def test_while_all_is_held_only_small_bodies_are_taken(second: bytes, taken: bool) -> None:
    bodies = Bodies(held_at_most=1000)

    async def run() -> bool:
        async with bodies.collected(scope("POST", headers=CHUNKED), giving(LARGE, END), limit=_mebibyte, admit=known):
            try:
                async with bodies.collected(
                    scope("POST", headers=CHUNKED), giving(second, END), limit=_mebibyte, admit=known
                ):
                    return True
            except TooManyBodies:
                return False

    assert (asyncio.run(run()), bodies.held) == (taken, 0)


def test_a_call_that_is_given_up_frees_what_its_body_held() -> None:
    bodies = Bodies()

    async def run() -> int:
        reached = asyncio.Event()

        async def waits() -> None:
            async with bodies.collected(
                scope("POST", headers=CHUNKED), giving(LARGE, END), limit=_mebibyte, admit=known
            ):
                reached.set()
                await asyncio.Event().wait()

        task = asyncio.create_task(waits())
        await reached.wait()
        held = bodies.held
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        return held

    assert asyncio.run(run()) > 0
    assert bodies.held == 0


@pytest.mark.parametrize("headers", [_sized(len(LARGE)), CHUNKED], ids=["sized", "chunked"])
def test_a_large_body_is_taken_from_known_callers_only(headers: list[tuple[bytes, bytes]]) -> None:
    bodies = Bodies()

    async def refused() -> str:
        raise Unauthenticated

    async def run() -> None:
        receive = _never() if headers != CHUNKED else giving(b"x" * UNCOUNTED_BYTES, b"x", END)
        async with bodies.collected(scope("POST", headers=headers), receive, limit=_mebibyte, admit=refused):
            raise AssertionError("it was taken")

    with pytest.raises(Unauthenticated):
        asyncio.run(run())
    assert bodies.held == 0


@pytest.mark.parametrize(("admit", "taken"), [(known, False), (other, True)], ids=["its own", "another"])
def test_one_organization_leaves_room_for_others(admit: Callable[[], Awaitable[str]], taken: bool) -> None:
    bodies = Bodies(held_by_one=1500)

    async def run() -> bool:
        post = scope("POST", headers=CHUNKED)
        async with bodies.collected(post, giving(LARGE, END), limit=_mebibyte, admit=known):
            try:
                async with bodies.collected(post, giving(LARGE, END), limit=_mebibyte, admit=admit):
                    return True
            except TooManyBodies:
                return False

    assert (asyncio.run(run()), bodies.held) == (taken, 0)


def answered(bodies: Bodies, size: int, send: Callable[[Bodies, Answer, Body], Awaitable[None]]) -> int:
    """Have a call answered by so many bytes, and return what is held while `send` has the answer."""

    def application(environ: Environ, start_response: Callable[..., object]) -> list[bytes]:
        start_response("200 OK", [])
        return [b"x" * size]

    async def run() -> int:
        bridge = Bridge(application, 1)
        try:
            async with bodies.collected(scope("GET"), _never(), limit=_mebibyte, admit=known) as body:
                answer = await bridge.call(environ_from(scope("GET"), body.stream, body.size))
                bodies.keep(answer, body)
                held = bodies.held
                await send(bodies, answer, body)
                return held
        finally:
            await asyncio.to_thread(bridge.threads.shutdown)

    return asyncio.run(run())


def test_an_answer_is_sent_in_pieces_and_counts_until_it_is_sent() -> None:
    bodies, sent = Bodies(), Sent()

    async def send(bodies: Bodies, answer: Answer, body: Body) -> None:
        await bodies.send(answer, sent.send)

    held = answered(bodies, MIB + 1, send)

    assert (held, bodies.held) == (MIB + 1 - UNCOUNTED_BYTES, 0)
    assert sent.content == b"x" * (MIB + 1)
    assert {len(message["body"]) for message in sent[1:-2]} == {PIECE_BYTES}
    assert [bool(message.get("more_body")) for message in sent[1:]] == [True] * (len(sent) - 2) + [False]


def test_a_small_answer_is_one_message_and_not_counted() -> None:
    bodies, sent = Bodies(held_at_most=0), Sent()

    async def send(bodies: Bodies, answer: Answer, body: Body) -> None:
        await bodies.send(answer, sent.send)

    assert (answered(bodies, PIECE_BYTES - 1, send), len(sent)) == (0, 2)


def test_an_answer_without_room_is_not_begun() -> None:
    async def send(bodies: Bodies, answer: Answer, body: Body) -> None:
        raise AssertionError("there was room")

    with pytest.raises(TooManyAnswers):
        answered(Bodies(held_at_most=999), MIB, send)


def test_a_caller_who_takes_nothing_of_a_large_answer_is_given_up() -> None:
    bodies, begun = Bodies(idle_seconds=0.01), threading.Event()

    async def never_taken(message: Message) -> None:
        begun.set()
        if message["type"] == "http.response.body":
            await asyncio.Event().wait()

    async def send(bodies: Bodies, answer: Answer, body: Body) -> None:
        await bodies.send(answer, never_taken)

    answered(bodies, MIB, send)

    assert begun.is_set()
    assert bodies.held == 0
