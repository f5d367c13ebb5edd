"""How a body is collected: its limits in size and time, and what all bodies together may hold."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from django.http.request import UnreadablePostError

from api.requests import MIB, BodyTooLarge
from config.bodies import UNCOUNTED_BYTES, Bodies, BodyTooSlow, TooManyBodies
from config.bridge import Message, Receive
from tests.config.asgi import END, GONE, giving, scope

CHUNKED = [(b"transfer-encoding", b"chunked")]
LARGE = b"x" * (UNCOUNTED_BYTES + 1000)


def _sized(length: int) -> list[tuple[bytes, bytes]]:
    return [(b"content-length", str(length).encode())]


def collect(
    bodies: Bodies, receive: Receive, headers: list[tuple[bytes, bytes]], *, limit: int = MIB, **changes: Any
) -> bytes:
    """Return the body that is collected; once it is handed back, nothing is held."""

    async def run() -> bytes:
        posted = scope("POST", headers=headers, **changes)
        async with bodies.collected(posted, receive, lambda: limit) as (body, size):
            content = body.read()
            assert len(content) == size
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
            async with bodies.collected(scope("POST", headers=CHUNKED), receive, lambda: MIB):
                return True
        except BodyTooSlow:
            return False

    with asyncio.Runner(loop_factory=_TurnedClock) as runner:
        assert runner.run(run()) is in_time
    assert bodies.held == 0


def test_what_is_held_is_counted_until_the_body_is_done_with() -> None:
    bodies = Bodies()

    async def run() -> int:
        async with bodies.collected(scope("POST", headers=CHUNKED), giving(LARGE, END), lambda: MIB):
            return bodies.held

    assert (asyncio.run(run()), bodies.held) == (len(LARGE) - UNCOUNTED_BYTES, 0)


def test_a_body_beyond_what_all_may_hold_is_put_off() -> None:
    with pytest.raises(TooManyBodies):
        collect(Bodies(held_at_most=999), giving(LARGE, END), CHUNKED)


@pytest.mark.parametrize(("second", "taken"), [(LARGE, False), (b"x" * UNCOUNTED_BYTES, True)], ids=["large", "small"])
def test_while_all_is_held_only_small_bodies_are_taken(second: bytes, taken: bool) -> None:
    bodies = Bodies(held_at_most=1000)

    async def run() -> bool:
        async with bodies.collected(scope("POST", headers=CHUNKED), giving(LARGE, END), lambda: MIB):
            try:
                async with bodies.collected(scope("POST", headers=CHUNKED), giving(second, END), lambda: MIB):
                    return True
            except TooManyBodies:
                return False

    assert (asyncio.run(run()), bodies.held) == (taken, 0)


def test_a_call_that_is_given_up_frees_what_its_body_held() -> None:
    bodies = Bodies()

    async def run() -> int:
        reached = asyncio.Event()

        async def waits() -> None:
            async with bodies.collected(scope("POST", headers=CHUNKED), giving(LARGE, END), lambda: MIB):
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
