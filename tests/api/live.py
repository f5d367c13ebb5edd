"""A server of the service in a process of its own, on the database of the tests, and raw bytes sent to it."""

import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from api import documents
from tests.factories import API, Answer
from tests.orgs.servers import CHECKOUT, free_port, service_environ

SERVERS = {"web": ("wsgi", "config.wsgi:application"), "front": ("asgi", "config.front:application")}
# Generous: other tests may keep every core busy.
PATIENCE = 60.0
THREADS = 4


@dataclass(frozen=True)
class Server:
    """A server that listens."""

    name: str
    port: int
    # What its connections to PostgreSQL say that they are.
    application_name: str
    # One line for each request, once it has been answered.
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)

    def client(self, key: str) -> httpx.Client:
        return httpx.Client(
            base_url=f"http://127.0.0.1:{self.port}{API}",
            headers={"Authorization": f"Bearer {key}"},
            timeout=PATIENCE,
            trust_env=False,
        )

    def send(self, raw: bytes) -> Answer:
        """Send these bytes on a connection of their own, and return the first answer to them."""
        with self.connect() as connection:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may answer before it has read all
                connection.sendall(raw)
            return read_answer(connection)

    def noted(self, request_id: str) -> dict[str, Any]:
        """Return the line that the server writes once it is done with the request, also one that nobody waits for."""
        ends = time.monotonic() + PATIENCE
        while True:
            lines = [line for line in self.log.read_text(encoding="utf-8").splitlines(keepends=True) if "{" in line]
            found = [json.loads(line) for line in lines if line.endswith("\n") and f'"{request_id}"' in line]
            requests = [line for line in found if line["message"] == "request"]
            if requests:
                return dict(requests[0])
            assert time.monotonic() < ends, f"{self.name} is not done with {request_id}"
            time.sleep(0.02)


@contextmanager
def serving(name: str, folder: Path, target: str = "", **settings: str) -> Iterator[Server]:
    """Run granian with one of the two applications for the length of the block; its log stands in the folder.

    `target` puts another application in the place of the one so named. Settings are of that server alone.
    """
    interface, usual = SERVERS[name]
    server = Server(name, free_port(), f"test-{name}", folder / f"{name}.log")
    environ = service_environ() | {"LOG_LEVEL": "INFO", "WEB_THREADS": str(THREADS)} | settings
    environ["DATABASE_URL"] += f"?application_name={server.application_name}"
    threads = ["--blocking-threads", str(THREADS)] if interface == "wsgi" else []
    command = [sys.executable, "-m", "granian", "--interface", interface, "--host", "127.0.0.1"]
    command += ["--port", str(server.port), "--log-level", "warning", *threads, target or usual]
    with server.log.open("wb") as log, subprocess.Popen(command, env=environ, cwd=CHECKOUT, stderr=log) as process:
        try:
            _wait_until_live(server, process)
            yield server
        finally:
            process.terminate()


def _wait_until_live(server: Server, process: "subprocess.Popen[bytes]") -> None:
    ends = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(httpx.TransportError):
            assert httpx.get(f"http://127.0.0.1:{server.port}/live", trust_env=False).status_code == 200
            return
        assert process.poll() is None, f"{server.name} ended: {server.log.read_text(encoding='utf-8')}"
        assert time.monotonic() < ends, f"{server.name} does not answer"
        time.sleep(0.05)


def request(method: str, target: str, key: str, body: bytes = b"", headers: Mapping[str, str] | None = None) -> bytes:
    """Return a request as it goes over the wire; `target` is sent below /api/v1 as it stands."""
    given = {"Host": "localhost", "Authorization": f"Bearer {key}"} | dict(headers or {})
    if body or method == "POST":
        given = {"Content-Type": "application/json", "Content-Length": str(len(body))} | given
    lines = "".join(f"{name}: {value}\r\n" for name, value in given.items() if value)
    return f"{method} {API}{target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1") + body


def in_chunks(body: bytes, size: int) -> bytes:
    """Return the body in the chunked coding (RFC 9112 §7.1)."""
    parts = [body[start : start + size] for start in range(0, len(body), size)]
    return b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"


# An empty value leaves the header out.
CHUNKED = {"Transfer-Encoding": "chunked", "Content-Length": ""}


def read_answer(connection: socket.socket, *, content: bool = True) -> Answer:
    """Read one answer to its end, leaving the connection open; `content=False` for the answer to a HEAD."""
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        byte = connection.recv(1)
        assert byte, f"the connection ended within {head!r}"
        head += byte
    first, *lines = head.decode("latin-1").rstrip().split("\r\n")
    # Names as Django writes them; granian sends them in lower case.
    pairs = [line.split(": ", 1) for line in lines]
    headers = {name.title(): value for name, value in pairs}
    left = int(headers.get("Content-Length", "0")) if content else 0
    raw = b""
    while len(raw) < left:
        part = connection.recv(left - len(raw))
        assert part, "the connection ended within the content"
        raw += part
    return Answer(int(first.split(" ")[1]), headers, raw)


def document(**fields: Any) -> bytes:
    return documents.dumps(fields).encode()
