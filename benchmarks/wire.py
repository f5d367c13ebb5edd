"""HTTP/1.1 as bytes: made beforehand, and read no further than a measurement needs."""

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

HEAD_ENDS = b"\r\n\r\n"
CHUNKS_END = b"0\r\n\r\n"


class BadAnswer(Exception):
    """A server answered, and not with 2xx."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One response; `size` counts the bytes on the wire, the head included."""

    status: int
    size: int
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)

    def must_be_good(self) -> None:
        """Raise unless the status is 2xx."""
        if self.status // 100 != 2:
            raise BadAnswer(f"{self.status}: {self.body[:600]!r}")


def request(method: str, path: str, headers: Mapping[str, str], body: bytes = b"") -> bytes:
    """Write out a request with a fixed length."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", *(f"{name}: {value}" for name, value in headers.items())]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_ENDS + body


def end_of_answer(received: bytes) -> int | None:
    """Return where the first answer in `received` ends, None while some of it is to come."""
    head = received.find(HEAD_ENDS)
    if head < 0:
        return None
    fields = received[:head].lower()
    at = fields.find(b"\r\ncontent-length:")
    if at < 0:
        # Chunks, which none of these servers' JSON contains by itself: it has no line break in it.
        return len(received) if received.endswith(CHUNKS_END) else None
    end = fields.find(b"\r\n", at + 2)
    length = int(fields[at + 17 : end if end > 0 else head])
    total = head + len(HEAD_ENDS) + length
    return total if len(received) >= total else None


def answer_from(received: bytes, end: int) -> Answer:
    """Take the first answer, of which `end` is the end, apart."""
    head = received.find(HEAD_ENDS)
    body = received[head + len(HEAD_ENDS) : end]
    chunked = b"\r\ncontent-length:" not in received[:head].lower()
    return Answer(int(received[9:12]), end, b"".join(_chunks(body)) if chunked else body)


def _chunks(body: bytes) -> Iterator[bytes]:
    at = 0
    while True:
        line_end = body.index(b"\r\n", at)
        length = int(body[at:line_end], 16)
        if not length:
            return
        yield body[line_end + 2 : line_end + 2 + length]
        at = line_end + 2 + length + 2


class Client:
    """One kept-alive connection that asks and waits; for preparing a server and for timing single calls."""

    def __init__(self, port: int, timeout_seconds: float = 30.0) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), timeout_seconds)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.socket.close()

    def ask(self, raw: bytes) -> Answer:
        """Send a request and wait for all of its answer."""
        self.socket.sendall(raw)
        received = b""
        while (end := end_of_answer(received)) is None:
            more = self.socket.recv(1 << 16)
            if not more:
                raise ConnectionError("the server closed the connection in the middle of an answer")
            received += more
        return answer_from(received, end)
