"""Valkey from the wheel, with an append-only file that is on disk before a command is answered."""

import signal
from dataclasses import dataclass
from pathlib import Path

import redis

from operations.embedded import secret_files
from operations.embedded.accounts import account_for, hand_over
from operations.embedded.binaries import Binaries
from operations.embedded.engine import Engine, Progress
from operations.embedded.errors import CannotStart
from operations.embedded.memory import usable_bytes
from operations.embedded.paths import write_atomically
from operations.embedded.secret_files import secret

# It refuses what needs room before the machine has none: rewriting the append-only file may take as much again. The
# pid file lies in the data folder, which `--dir` makes the working directory.
_CONFIGURATION = """\
bind 127.0.0.1
port {port}
requirepass {password}
appendonly yes
appendfsync always
save ""
maxmemory {maxmemory}
maxmemory-policy noeviction
pidfile valkey.pid
loglevel notice
"""


@dataclass(frozen=True)
class Valkey(Engine):
    name = "Valkey"
    key = "valkey"
    variable = "REDIS_URL"
    stop_signal = signal.SIGTERM

    @property
    def pid_file(self) -> Path:
        return self.directory / "valkey.pid"

    def prepare(self, progress: Progress) -> None:
        self.directory.mkdir(mode=0o700, exist_ok=True)
        hand_over(self.directory, account_for(self.directory))

    def configure(self, port: int) -> list[str]:
        # Read from standard input, which the launcher opens: arguments would show the password to every account,
        # and a file's folder may be closed to the server's.
        path = self.var.run / "valkey.conf"
        password = secret(self.var, secret_files.REDIS_PASSWORD)
        maxmemory = usable_bytes() // 2
        write_atomically(path, _CONFIGURATION.format(port=port, password=password, maxmemory=maxmemory))
        return ["--input", str(path)]

    def arguments(self, binaries: Binaries) -> list[str]:
        return [str(binaries.valkey), "-", "--dir", "{directory}"]

    def answers(self, port: int) -> bool:
        client = redis.Redis.from_url(self.url(port), socket_connect_timeout=5, socket_timeout=5)
        try:
            return bool(client.ping())
        except redis.AuthenticationError as problem:
            raise CannotStart(
                f"Valkey does not accept the password in {self.var.secrets / secret_files.REDIS_PASSWORD}: "
                "stop the server that still runs with another one."
            ) from problem
        except redis.RedisError:
            return False  # Not there yet, or still loading its file.
        finally:
            client.close()

    def url(self, port: int) -> str:
        return f"redis://:{secret(self.var, secret_files.REDIS_PASSWORD)}@127.0.0.1:{port}/0"
