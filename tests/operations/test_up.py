import json
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import psutil
import pytest

from operations import startup
from operations.embedded.paths import Var
from operations.embedded.postgres import Postgres
from operations.startup import Address
from tests.operations.service import PATIENCE, Service, eventually, first_line


def _refusal(service: Service) -> str:
    """Run `up` where it cannot start; answer what it says, which is one line and no traceback."""
    process = service.command("up")
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 1
    assert len(said.splitlines()) == 1, said
    return said


def test_up_starts_and_sigterm_stops_everything(service: Service) -> None:
    service.start()
    assert service.add_row() == (1, 1)

    assert service.stop(signal.SIGTERM) == 0

    assert service.running() == []
    assert not list(service.var.glob("*/*.pid"))


def test_up_answers_again_after_sigkill_of_any_process(service: Service) -> None:
    service.start()
    service.add_row()

    for number, word in enumerate(("bin/postgres", "valkey-server", "granian", "celery"), start=2):
        service.find(word).kill()
        eventually(lambda word=word: service.runs(word) and service.ask("GET")[0] == 200, f"{word} is back")  # type: ignore[misc]
        assert service.add_row() == (number, number)

    assert service.stop(signal.SIGINT) == 0
    assert service.running() == []


@pytest.mark.slow
def test_sigkill_of_up_leaves_nothing_and_loses_nothing(service: Service) -> None:
    service.start()
    for number in range(1, 4):
        assert service.add_row() == (number, number)
        service.look_around()
        assert service.process is not None
        service.process.kill()
        service.process.wait()
        service.start()
    assert service.add_row() == (4, 4)

    service.stop(signal.SIGKILL)
    eventually(lambda: service.running() == [], "every process has ended")


@pytest.mark.slow
def test_sigkill_of_everything_at_once_loses_nothing(service: Service) -> None:
    service.start()
    service.add_row()
    service.look_around()

    for one in service.running():
        one.kill()
    assert service.process is not None
    service.process.wait()

    service.start()
    assert service.add_row() == (2, 2)


def test_sigkill_of_the_web_server_leaves_no_worker_on_its_port(running: Service) -> None:
    web = running.find("granian")
    workers = web.children()
    assert workers

    web.kill()

    psutil.wait_procs(workers, timeout=PATIENCE)
    eventually(lambda: running.ask("GET")[0] == 200, "another web server answers")


def test_every_line_of_the_running_service_is_json_or_a_sentence_to_people(service: Service) -> None:
    service.start()
    service.find("celery").kill()
    eventually(lambda: "exited: " in service.output, "the supervisor tells of the death")
    service.stop(signal.SIGINT)

    told = service.output.partition("Starting the service ...\n")[2].partition("Ctrl-C stops it.\n")
    before = told[0].partition("Holdfast answers at")[0]
    *after, last = [line for line in told[2].splitlines() if '"holdfast.worker"' not in line]

    assert last == "Stopping the service ..."
    lines = [json.loads(line) for line in (*before.splitlines(), *after)]
    assert {"time", "level", "logger", "message"} <= set.intersection(*(set(line) for line in lines))
    [death] = [line for line in lines if line["logger"] == "holdfast.supervisor"]
    assert death["level"] == "warning"
    assert "terminated by SIGKILL" in death["message"]


def test_sign_up_is_closed_where_others_reach_the_service(service: Service) -> None:
    service.extra["HOST"] = "0.0.0.0"

    service.start()

    assert service.find("granian").environ()["SIGNUP"] == "closed"
    assert "Others may reach 0.0.0.0, so nobody can sign up; SIGNUP=open lets anyone.\n" in service.output


def test_sign_up_is_as_usual_where_only_this_machine_reaches_the_service(running: Service) -> None:
    assert "SIGNUP" not in running.find("granian").environ()


@pytest.mark.parametrize(
    ("host", "others"),
    [("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True), ("::", True), ("192.0.2.1", True)],
)
def test_the_host_says_whether_others_reach_the_service(host: str, others: bool) -> None:
    assert startup.reached_by_others(Address(host, 8000, 1)) == others


@pytest.mark.parametrize("name", ["SIGNUP", "SIGNUP_FILE"])
def test_an_operator_may_open_sign_up_to_others(name: str) -> None:
    environ = {name: "as the operator says"}

    startup.keep_to_this_machine(Address("0.0.0.0", 8000, 1), environ)

    assert environ == {name: "as the operator says"}


def test_a_second_up_says_who_holds_the_folder(running: Service) -> None:
    assert running.process is not None

    said = _refusal(running)

    assert f"{running.var} is in use by `manage.py up` (process {running.process.pid}, since " in said


def test_a_command_uses_the_servers_of_up(running: Service) -> None:
    command = running.command("hold")
    line = first_line(command)
    command.communicate("\n")

    assert line == f"port {Postgres(Var(running.var)).published()}"
    assert running.ask("GET")[0] == 200


def test_a_busy_port_is_named_with_the_remedy(service: Service) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", service.port))
        other.listen()

        said = _refusal(service)

    assert f"Port {service.port} is in use: set PORT to a free one" in said
    assert f"`PORT={service.port + 1} make up`" in said


@pytest.mark.parametrize("value", ["0", "65536", "eight", "-1"])
def test_a_bad_port_is_refused(service: Service, value: str) -> None:
    service.extra["PORT"] = value

    assert f"PORT is {value!r}: set it to a number from 1 to 65535." in _refusal(service)


def test_an_ordinary_user_can_run_it(ordinary_service: Service) -> None:
    ordinary_service.start()
    assert ordinary_service.add_row() == (1, 1)
    assert {one.uids().real for one in ordinary_service.running()} == {ordinary_service.account}

    assert ordinary_service.stop(signal.SIGINT) == 0

    assert ordinary_service.running() == []


def test_an_unwritable_folder_is_named_with_the_remedy(ordinary_service: Service) -> None:
    ordinary_service.var.mkdir(mode=0o755)

    said = _refusal(ordinary_service)

    assert f"Cannot write to {ordinary_service.var}" in said
    assert f"{ordinary_service.var} belongs to root" in said
    assert "set VAR to a folder you may write to" in said


def test_the_folder_of_another_account_is_refused(ordinary_service: Service) -> None:
    ordinary_service.var.mkdir()
    (ordinary_service.var / "postgres").mkdir()
    assert ordinary_service.account
    shutil.chown(ordinary_service.var, ordinary_service.account)

    assert f"{ordinary_service.var}/postgres belongs to root" in _refusal(ordinary_service)


def test_servers_run_without_privilege_when_root_starts_them(running: Service) -> None:
    if running.find("granian").uids().real != 0:
        pytest.skip("not run as root")

    accounts = {running.find(word).uids().real for word in ("bin/postgres", "valkey-server")}

    assert len(accounts) == 1
    assert accounts != {0}


@pytest.mark.slow
def test_secrets_are_private_and_stay(service: Service) -> None:
    service.start()
    secrets = {path.name: path.read_text() for path in (service.var / "secrets").iterdir()}
    service.stop()

    service.start()

    assert {path.name: path.read_text() for path in (service.var / "secrets").iterdir()} == secrets
    assert {path.stat().st_mode & 0o777 for path in (service.var / "secrets").iterdir()} == {0o600}
    assert [path.stat().st_mode & 0o777 for path in (service.var, service.var / "secrets")] == [0o700, 0o700]


def test_no_secret_is_in_an_argument_or_in_a_servers_environment(running: Service) -> None:
    secrets = [path.read_text() for path in (running.var / "secrets").iterdir()]

    running.look_around()
    shown = [" ".join(one.cmdline()) for one in running.running()]
    shown += [str(running.find(word).environ()) for word in ("bin/postgres", "valkey-server")]

    assert [secret for secret in secrets for text in shown if secret in text] == []


@pytest.mark.slow
def test_sigterm_to_make_stops_everything(service: Service) -> None:
    checkout = Path(__file__).resolve().parents[2]
    makefile = service.project / "Makefile"
    makefile.write_text((checkout / "Makefile").read_text().replace("up: install\n", "up:\n"))
    (service.project / ".venv").symlink_to(Path(service.python).parent.parent)
    with (service.project / "output").open("wb") as output:
        service.process = subprocess.Popen(
            ["make", "up"], cwd=service.project, env=service.environ, stdout=output, stderr=output
        )
    eventually(service.is_announced, "the service answers")

    service.stop(signal.SIGTERM)

    assert service.running() == []
