import signal

import pytest

from operations.embedded.locks import in_use
from tests.operations.service import Service, first_line


def test_a_command_starts_the_database_and_stops_it(service: Service) -> None:
    command = service.command("hold")
    assert command.stdout is not None
    assert command.stdout.readline().startswith("port ")
    assert in_use(service.var / "postgres")

    command.communicate("\n")

    assert command.returncode == 0
    assert not in_use(service.var / "postgres")


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_a_command_that_is_told_to_end_stops_the_database(service: Service, number: signal.Signals) -> None:
    command = service.command("hold")
    first_line(command)

    command.send_signal(number)
    _, said = command.communicate()

    assert command.returncode == 128 + number
    assert "Traceback" not in said
    assert not in_use(service.var / "postgres")


def test_a_command_may_heed_a_signal_by_itself(service: Service) -> None:
    command = service.command("heed")
    first_line(command)

    command.send_signal(signal.SIGTERM)
    _, said = command.communicate()

    assert command.returncode == 1
    assert said.endswith("heeded\n")
    assert not in_use(service.var / "postgres")


def test_checking_the_database_has_one(service: Service) -> None:
    command = service.command("check", "--database", "default")
    _, said = command.communicate()

    assert command.returncode == 0, said


def test_checking_no_database_starts_nothing(service: Service) -> None:
    command = service.command("check")
    _, said = command.communicate()

    assert command.returncode == 0, said
    assert not service.var.exists()


def test_commands_share_the_database_and_the_last_one_stops_it(service: Service) -> None:
    first, second = service.command("hold"), service.command("hold")
    ports = {first_line(first), first_line(second)}
    assert len(ports) == 1

    first.communicate("\n")
    assert in_use(service.var / "postgres")
    second.communicate("\n")

    assert not in_use(service.var / "postgres")


def test_up_is_refused_while_a_command_runs_and_names_it(service: Service) -> None:
    command = service.command("hold")
    first_line(command)

    up = service.command("up")
    _, said = up.communicate()
    command.communicate("\n")

    assert up.returncode == 1
    assert f"in use by `manage.py hold` (process {command.pid}, since " in said


@pytest.mark.slow
def test_a_killed_command_does_not_stand_in_the_way(service: Service) -> None:
    killed = service.command("hold")
    first_line(killed)
    killed.kill()
    killed.communicate()
    assert in_use(service.var / "postgres")

    command = service.command("hold")
    assert first_line(command).startswith("port ")
    command.kill()
    command.communicate()
    service.start()

    assert service.add_row() == (1, 1)
    assert service.stop(signal.SIGTERM) == 0
    assert not in_use(service.var / "postgres")


def test_help_starts_nothing_and_leaves_nothing(service: Service) -> None:
    command = service.command("help", "up")
    said, _ = command.communicate()

    assert command.returncode == 0
    assert "Start the whole service" in said
    assert not service.var.exists()
