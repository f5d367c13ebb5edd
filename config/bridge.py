"""A WSGI application (PEP 3333) behind an ASGI server: whole requests go in, and no thread waits for a caller.

Ours rather than a2wsgi's, which takes a thread before the body has come and crosses between thread and loop for each
part of a request and of an answer; see docs/decisions/0007.
"""

import asyncio
import re
import sys
from collections.abc import Awaitable, Callable, Iterable, Iterator, MutableMapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import Context
from functools import lru_cache
from io import BytesIO
from types import TracebackType
from typing import Any
from urllib.parse import unquote_to_bytes

from api.requests import MALFORMED_PATH
from audit.origin import current_origin

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Environ = dict[str, Any]
ExcInfo = tuple[type[BaseException], BaseException, TracebackType | None]
Done = Callable[[], None]
WSGIApplication = Callable[[Environ, Callable[..., Any]], Iterable[bytes]]

# An answer is sent whole up to this size; of a larger one no more than a piece is held at a time.
PIECE_BYTES = 64 * 1024
WITHOUT_CONTENT = (204, 304)
# A percent sign that begins no octet (RFC 3986 §2.1).
LONE_PERCENT = re.compile(rb"%(?![0-9A-Fa-f]{2})")
# A length is told of what has come; how it was coded on the way is over.
REPLACED = (b"content-length", b"transfer-encoding")


def environ_from(scope: Message, body: BytesIO, size: int) -> Environ:
    """Return the WSGI environ of an HTTP scope whose body has come, `size` bytes of it."""
    raw_path = scope.get("raw_path")
    path = (scope["path"].encode() if raw_path is None else unquote_to_bytes(raw_path)).decode("latin-1")
    malformed = {MALFORMED_PATH: True} if raw_path and LONE_PERCENT.search(raw_path) else {}
    root = scope.get("root_path", "").encode().decode("latin-1")
    host, port = scope.get("server") or ("localhost", 80)
    environ: Environ = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": root,
        "PATH_INFO": path.removeprefix(root),
        "QUERY_STRING": scope["query_string"].decode("latin-1"),
        "SERVER_NAME": host,
        "SERVER_PORT": str(port or 0),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "CONTENT_LENGTH": str(size),
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        **malformed,
    }
    if scope.get("client"):
        environ["REMOTE_ADDR"] = scope["client"][0]
    for name, value in scope["headers"]:
        key = _key(name)
        if key is None:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text
    return environ


@lru_cache(maxsize=1000)
def _key(header: bytes) -> str | None:
    # X_Request_Id would become what X-Request-Id does, past a proxy that looks at the one only.
    if b"_" in header or header.lower() in REPLACED:
        return None
    name = header.decode("latin-1").upper().replace("-", "_")
    return name if name == "CONTENT_TYPE" else f"HTTP_{name}"


class _Call:
    """One call of the application. Its methods run in threads of the pool, one at a time, in the call's own context."""

    def __init__(self, application: WSGIApplication, environ: Environ) -> None:
        self.application, self.environ = application, environ
        self.status = 0
        self.headers: list[tuple[bytes, bytes]] = []
        self.begun = False
        self.content: Iterable[bytes] = ()
        self.parts: Iterator[bytes] = iter(())
        self.written: list[bytes] = []

    def start(self) -> tuple[bytes, bool]:
        self.content = self.application(self.environ, self._start_response)
        self.parts = iter(self.content)
        return self.read()

    def read(self) -> tuple[bytes, bool]:
        """Return the next piece, and whether another may follow; the content is closed after the last."""
        parts, self.written = self.written, []
        size = 0
        try:
            for part in self.parts:
                parts.append(part)
                size += len(part)
                if size >= PIECE_BYTES:
                    self.begun = True
                    return b"".join(parts), True
        except BaseException:
            self.close()
            raise
        self.close()
        return b"".join(parts), False

    def close(self) -> None:
        content, self.content = self.content, ()
        if hasattr(content, "close"):
            content.close()

    def _start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: ExcInfo | None = None
    ) -> Callable[[bytes], None]:
        if exc_info and self.begun:
            raise exc_info[1].with_traceback(exc_info[2])
        self.status = int(status[:3])
        self.headers = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in headers]
        return self.written.append


class Answer:
    """What the application answered: the head, and its first piece, which is mostly all."""

    def __init__(self, bridge: "Bridge", call: _Call, context: Context, piece: bytes, more: bool) -> None:
        self._bridge, self._call, self._context = bridge, call, context
        self._piece, self._more = piece, more
        if call.environ["REQUEST_METHOD"] == "HEAD" or call.status in WITHOUT_CONTENT:
            self.drop()
        # The body that came with the call may go while the answer is on its way.
        call.environ = {}

    @property
    def size(self) -> int:
        """The bytes that it holds, until they are sent."""
        return len(self._piece)

    @property
    def is_refusal(self) -> bool:
        return self._call.status >= 400

    @property
    def is_large(self) -> bool:
        return self._more or self.size > PIECE_BYTES

    @property
    def organization(self) -> str:
        """The organization that the call was for, as the application noted it; may be empty."""
        return self._context.run(current_origin).organization

    async def send(self, send: Send) -> None:
        """Send it. Between two pieces the caller's slowness costs no thread; a caller who is gone ends it.

        A server takes one message whole, however slowly it is read, but waits before it takes a further one.
        """
        try:
            await send({"type": "http.response.start", "status": self._call.status, "headers": self._call.headers})
            while self._more or len(self._piece) > PIECE_BYTES:
                # Of a long piece only a view is cut: it is there once, and goes with its last part.
                view = memoryview(self._piece)
                for begin in range(0, len(view), PIECE_BYTES):
                    part = bytes(view[begin : begin + PIECE_BYTES])
                    last = not self._more and begin + PIECE_BYTES >= len(view)
                    await send({"type": "http.response.body", "body": part, "more_body": not last})
                if not self._more:
                    return
                self._piece, self._more = await self._bridge.run(self._context, self._call.read)
            await send({"type": "http.response.body", "body": self._piece})
        finally:
            self.drop()

    def drop(self) -> None:
        """Let go of what is not sent, and have it closed in a thread, since closing may take time."""
        self._piece = b""
        if self._more:
            self._more = False
            self._bridge.threads.submit(self._context.run, self._call.close)


class Bridge:
    """Runs the application in a few threads."""

    def __init__(self, application: WSGIApplication, threads: int) -> None:
        self.application = application
        self.threads = ThreadPoolExecutor(threads, thread_name_prefix="web")

    async def call(self, environ: Environ, done: Done | None = None) -> Answer:
        """Call the application, in a context that is new: what one call sets there, no other sees.

        `done` is called once no thread works on it any more, also where nobody waits for the answer by then.
        """
        call, context = _Call(self.application, environ), Context()
        piece, more = await self.run(context, call.start, done)
        return Answer(self, call, context, piece, more)

    async def run(
        self, context: Context, read: Callable[[], tuple[bytes, bool]], done: Done | None = None
    ) -> tuple[bytes, bool]:
        future = self.threads.submit(context.run, read)
        if done is not None:
            loop = asyncio.get_running_loop()
            future.add_done_callback(lambda _: _tell(loop, done))
        return await asyncio.wrap_future(future)


def _tell(loop: asyncio.AbstractEventLoop, done: Done) -> None:
    # A loop that has ended waits for nothing.
    with suppress(RuntimeError):
        loop.call_soon_threadsafe(done)
