"""Valkey servers of a test's own, which it may kill, pause and flush."""

import os
import signal
import socket
import subprocess
import time
from pathlib import Path

import redis

from operations.embedded.binaries import binaries_for

PASSWORD = "of-a-test"


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


class ValkeyServer:
    """One valkey-server with an append-only file, on a port and in a folder that stay the same over restarts."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory, self.options = directory, options
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        directory.mkdir(parents=True, exist_ok=True)

    @property
    def url(self) -> str:
        return f"redis://:{PASSWORD}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        ours = ("--appendonly", "yes", "--appendfsync", "always", "--save", "")
        secured = ("--requirepass", PASSWORD, "--masterauth", PASSWORD)
        command = [str(binaries_for(None).valkey), "--port", str(self.port), "--dir", str(self.directory)]
        self._process = subprocess.Popen(
            [*command, "--bind", "127.0.0.1", *ours, *secured, *self.options],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        self.wait()

    def wait(self, seconds: float = 10) -> None:
        """Wait until it answers."""
        client, ends = self.client(), time.monotonic() + seconds
        while True:
            try:
                client.ping()
            except redis.RedisError:
                if time.monotonic() > ends:
                    raise
                time.sleep(0.02)
            else:
                break
        client.close()

    def client(self) -> redis.Redis:
        return redis.Redis(port=self.port, password=PASSWORD, socket_timeout=2)

    def flush(self) -> None:
        with self.client() as client:
            client.flushall()

    def kill(self) -> None:
        """End it at once, as a crash does."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def pause(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGSTOP)

    def resume(self) -> None:
        assert self._process is not None
        os.kill(self._process.pid, signal.SIGCONT)
