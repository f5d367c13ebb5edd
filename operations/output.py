"""What `up` prints once the service runs: one line at a time, each a JSON object or a sentence of the announcement."""

import json
import os
import re
import sys
import time
from contextlib import suppress

from supervisor import events, loggers

# A line that never ends must not fill the memory.
_LONGEST_LINE = 1 << 20
# As granian writes its own.
_LEVEL = re.compile(r"\[(DEBUG|INFO|WARNING|ERROR|CRITICAL)\] ")
_LEVELS = {"WARN": "warning", "ERRO": "error", "CRIT": "critical"}


class Output:
    """Hand on the lines of programs, whole, and in JSON where a program wrote plain text.

    Plain text is what stands outside of logging's reach: a traceback at the start, what granian and Celery print. Where
    it names no level, it becomes an error when it came by standard error.
    """

    def __init__(self, *, plain: str) -> None:
        self._plain = plain  # the program whose sentences are for people
        self._begun: dict[tuple[str, str], bytes] = {}

    def hand_on(self, event: events.ProcessLogEvent) -> None:
        program, channel = event.process.config.name, event.channel
        *lines, rest = (self._begun.pop((program, channel), b"") + event.data).split(b"\n")
        if len(rest) > _LONGEST_LINE:
            lines, rest = [*lines, rest], b""
        if rest:
            self._begun[program, channel] = rest
        write(b"".join(self._shown(program, channel, line) for line in lines))

    def finish(self, event: events.ProcessStateEvent) -> None:
        """Hand on the line in which a program ended."""
        program = event.process.config.name
        for channel in ("stdout", "stderr"):
            write(self._shown(program, channel, self._begun.pop((program, channel), b"")))

    def _shown(self, program: str, channel: str, line: bytes) -> bytes:
        if not line.strip():
            return b""
        if program == self._plain or line.startswith(b"{"):
            return line + b"\n"
        message = line.decode(errors="replace")
        named = _LEVEL.match(message)
        level = named[1].lower() if named else {"stderr": "error"}.get(channel, "info")
        return as_json(level, f"holdfast.{program}", message)


class SupervisorLines(loggers.Handler):  # type: ignore[misc]
    """supervisord's own messages, as lines of the service's log."""

    def close(self) -> None:
        """Leave standard output open: it is not ours alone."""

    def emit(self, record: loggers.LogRecord) -> None:
        said = record.asdict()
        write(as_json(_LEVELS.get(said["levelname"], "info"), "holdfast.supervisor", said["message"].rstrip()))


def as_json(level: str, logger: str, message: str) -> bytes:
    """Answer a line as api.logs writes it, which this process does not load."""
    now = time.time()
    at = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1000):03d}Z"
    return json.dumps({"time": at, "level": level, "logger": logger, "message": message}).encode() + b"\n"


def write(lines: bytes) -> None:
    # When nobody reads any more, the service goes on.
    with suppress(OSError):
        while lines:
            lines = lines[os.write(sys.stdout.fileno(), lines) :]
