"""A master, its replica and three Sentinels, as processes of a test's own."""

import subprocess
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import redis

from operations.embedded.binaries import binaries_for
from tests.coordination.servers import PASSWORD, ValkeyServer, free_port

SERVICE = "holdfast"
SENTINEL_PASSWORD = "of-the-sentinels"
QUORUM = 2
DOWN_AFTER_MS = 700

CONFIGURATION = f"""
bind 127.0.0.1
port {{port}}
dir {{directory}}
logfile log
requirepass {SENTINEL_PASSWORD}
sentinel monitor {SERVICE} 127.0.0.1 {{master}} {QUORUM}
sentinel auth-pass {SERVICE} {PASSWORD}
sentinel down-after-milliseconds {SERVICE} {DOWN_AFTER_MS}
sentinel failover-timeout {SERVICE} 3000
sentinel sentinel-pass {SENTINEL_PASSWORD}
"""


def until(holds: Callable[[], bool], what: str, seconds: float = 30) -> None:
    """Wait until a condition holds."""
    ends = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < ends, f"{what} does not come about"
        time.sleep(0.02)


class Sentinels:
    """Two servers, of which the Sentinels have one serve; a server that comes back becomes the replica."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.first = ValkeyServer(directory / "first")
        replicates = ("--replicaof", f"127.0.0.1 {self.first.port}")
        self.second = ValkeyServer(directory / "second", *replicates, "--repl-diskless-sync-delay", "0")
        self.ports = [free_port() for _ in range(3)]
        self._processes: list[subprocess.Popen[bytes]] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{port}" for port in self.ports)
        return f"redis+sentinel://:{PASSWORD}@{hosts}/{SERVICE}/0?sentinel_password={SENTINEL_PASSWORD}"

    def start(self) -> None:
        self.first.start()
        self.second.start()
        self.start_sentinels()

    def start_sentinels(self) -> None:
        """Start them; again they know what they knew."""
        self._processes = []
        for number, port in enumerate(self.ports):
            place = self.directory / f"sentinel-{number}"
            file = place / "sentinel.conf"
            if not file.exists():
                place.mkdir()
                content = CONFIGURATION.format(port=port, directory=place, master=self.first.port)
                file.write_text(content, encoding="utf-8")
            command = [str(binaries_for(None).valkey), str(file), "--sentinel"]
            self._processes.append(subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL))
        until(self._know_each_other, "three Sentinels that know each other and the replica")

    def kill_sentinels(self) -> None:
        for process in self._processes:
            process.kill()
            process.wait()

    def stop(self) -> None:
        self.kill_sentinels()
        self.first.kill()
        self.second.kill()

    def master_port(self) -> int:
        """Return the port of the server that all Sentinels name; 0 while they disagree."""
        ports = {int(self._state(port).get("port", 0)) for port in self.ports}
        return ports.pop() if len(ports) == 1 else 0

    def asked(self) -> int:
        """Return how often clients have asked the Sentinels for masters, ourselves left out."""
        return sum(self._asked(port) for port in self.ports)

    def has_replica(self) -> bool:
        """Is one of the two a replica that has all that the other has?"""
        return any(self._is_linked(server) for server in (self.first, self.second))

    def _know_each_other(self) -> bool:
        states = [self._state(port) for port in self.ports]
        return self.has_replica() and all(
            (state.get("num-other-sentinels"), state.get("num-slaves")) == (2, 1) for state in states
        )

    def _is_linked(self, server: ValkeyServer) -> bool:
        with server.client() as client:
            return bool(client.info("replication").get("master_link_status") == "up")

    def _asked(self, port: int) -> int:
        with redis.Redis(port=port, password=SENTINEL_PASSWORD, socket_timeout=2, protocol=2) as client:
            found = client.info("commandstats").get("cmdstat_sentinel|masters", {"calls": 0})
            return int(found["calls"])

    def _state(self, port: int) -> dict[str, Any]:
        with redis.Redis(port=port, password=SENTINEL_PASSWORD, socket_timeout=2, protocol=2) as client:
            try:
                state: dict[str, Any] = client.sentinel_master(SERVICE)
            except redis.RedisError:
                return {}
            return state


class Failing:
    """Has the present master fail in one way, and come back."""

    def __init__(self, sentinels: Sentinels, way: str) -> None:
        until(lambda: sentinels.master_port() > 0 and sentinels.has_replica(), "a master with its replica")
        servers = {server.port: server for server in (sentinels.first, sentinels.second)}
        self.master = servers.pop(sentinels.master_port())
        [self.other] = servers.values()
        self.sentinels, self.way = sentinels, way

    def fail(self) -> None:
        (self.master.kill if self.way == "killed" else self.master.pause)()

    def come_back(self) -> None:
        (self.master.start if self.way == "killed" else self.master.resume)()

    def wait_for_promotion(self) -> None:
        until(lambda: self.sentinels.master_port() == self.other.port, "the promotion")
