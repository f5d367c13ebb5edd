"""Run programs under supervisord, in this process and in the foreground, with their output on ours."""

import getpass
import os
import shlex
import signal
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from supervisor import events, loggers
from supervisor.medusa.asyncore_25 import ExitNow
from supervisor.options import ServerOptions
from supervisor.states import SupervisorStates
from supervisor.supervisord import Supervisor

from operations.embedded.errors import CannotStart
from operations.embedded.paths import Var, write_atomically
from operations.output import Output, SupervisorLines, write

_ENDING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP)


@dataclass(frozen=True)
class Program:
    """One process to keep running. Lower priorities start first and stop last."""

    name: str
    command: Sequence[str]
    priority: int
    stop_signal: str = "TERM"
    stop_seconds: int = 20
    log: Path | None = None  # below VAR
    once: bool = False  # it says something to people, and ends

    def section(self) -> str:
        """Answer this program's part of supervisord's configuration."""
        settings = {
            "command": shlex.join(self.command),
            "priority": self.priority,
            "stopsignal": self.stop_signal,
            "stopwaitsecs": self.stop_seconds,
            # After that time also whatever it forked.
            "killasgroup": "true",
            "autorestart": "false" if self.once else "true",
            "startsecs": 0 if self.once else 1,
            # It never gives up: a database that is long in recovery must not end in a service that stays down.
            "startretries": 1_000_000,
            "redirect_stderr": "true" if self.log else "false",
            "stdout_events_enabled": "false" if self.log else "true",
            "stderr_events_enabled": "false" if self.log else "true",
            "stdout_logfile": self.log or "NONE",
            "stderr_logfile": "NONE",
            "stdout_logfile_maxbytes": "10MB",
            "stdout_logfile_backups": 1,
        }
        return _section(f"program:{self.name}", settings)


class _Options(ServerOptions):  # type: ignore[misc]
    """supervisord's options, with its messages in the service's log."""

    def make_logger(self) -> None:
        self.logger = loggers.getLogger(self.loglevel)
        self.logger.addHandler(SupervisorLines())
        for message in self.parse_criticals:
            self.logger.critical(message)
        for message in self.parse_warnings:
            self.logger.warn(message)


class _Foreground(Supervisor):  # type: ignore[misc]
    """supervisord that hands its programs' output on.

    It could open /dev/stdout as a log file, but not where standard output is a socket (systemd) or belongs to another
    account (sudo, docker).
    """

    def runforever(self) -> None:
        # Not earlier: run() forgets all subscriptions.
        output = Output(plain="announcement")
        events.subscribe(events.ProcessLogEvent, output.hand_on)
        for ended in (events.ProcessStateExitedEvent, events.ProcessStateBackoffEvent, events.ProcessStateStoppedEvent):
            events.subscribe(ended, output.finish)
        events.subscribe(events.SupervisorStoppingEvent, _say_so)
        # Its loop waits a second before it starts anything.
        for group in sorted(self.process_groups.values()):
            group.transition()
        super().runforever()

    def handle_signal(self) -> None:
        # Its own would start anew on SIGHUP, which is what a closing terminal sends.
        if self.options.get_signal() in _ENDING:
            self.options.mood = SupervisorStates.SHUTDOWN


def _say_so(event: events.SupervisorStoppingEvent) -> None:
    write(b"Stopping the service ...\n")


def run_supervised(var: Var, programs: Sequence[Program]) -> None:
    """Run the programs until SIGINT, SIGTERM, SIGQUIT or SIGHUP, then stop them in order and return."""
    # It reads `%` in a path as a format, in some settings once and in others twice; relative paths have none.
    os.chdir(var.root)
    configuration = var.run / "supervisord.conf"
    write_atomically(configuration, "\n".join([_own_section(var), *(program.section() for program in programs)]))
    options = _Options()
    options.realize(["--configuration", str(configuration)])
    options.first, options.test = True, False
    with suppress(ExitNow):
        _Foreground(options).main()
    options.close_logger()


def pid_file(var: Var) -> Path:
    """Answer the file that is there while supervisord runs, and after it was killed."""
    return var.run / "supervisord.pid"


def _own_section(var: Var) -> str:
    settings: dict[str, object] = {
        "nodaemon": "true",
        "loglevel": "warn",
        "logfile": os.devnull,
        "logfile_maxbytes": 0,
        "pidfile": pid_file(var).relative_to(var.root),
        "umask": "077",
        "nocleanup": "true",
    }
    if os.geteuid() == 0:
        settings["user"] = getpass.getuser()  # Said openly, it spares a warning.
    return _section("supervisord", settings)


def _section(name: str, settings: dict[str, object]) -> str:
    return "\n".join([f"[{name}]", *(f"{key} = {_escaped(str(value))}" for key, value in settings.items()), ""])


def _escaped(value: str) -> str:
    if any(mark in value for mark in (" ;", " #", "\n")):
        raise CannotStart(f"supervisord cannot be given {value!r}: rename the folder so that it has no ` #`, ` ;`.")
    return value.replace("%", "%%")
