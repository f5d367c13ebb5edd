"""Programs that use the stores beside the running service."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from operations.embedded import CannotStart, made
from operations.embedded.address import running_database
from operations.embedded.postgres import Postgres
from tests.operations.service import PATIENCE, Service
from tests.orgs.servers import free_port
from tests.service.live import CHECKOUT, back, client, kill_postgres, new_key
from tests.service.test_docs import blocks

PAGE = "docs/how-to/use-the-stores-from-python.md"
PATIENT = """
import asyncio, os, sys
from accounts.stores import SettingsStore, close_stores

async def main():
    store = SettingsStore(os.environ["USER_ID"])
    print(await store.store({"step": 1}), flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    print(await store.load(), await store.store({"step": 2}), flush=True)
    await close_stores()

asyncio.run(main())
"""


@pytest.fixture
def user_id(service: Service) -> str:
    with client(service, new_key(service)) as api:
        found: str = api.get("/api/v1/me").raise_for_status().json()["user"]["id"]
    return found


def _environ(service: Service, user_id: str) -> dict[str, str]:
    """Return what a program needs that has Django not configured; the page says where it finds the database."""
    place = {"PATH": os.environ["PATH"], "VAR": str(service.var)}
    [asks] = blocks(PAGE, "bash")
    command = asks.replace(".venv/bin/python", sys.executable) + '\nprintf %s "$DATABASE_URL"'
    url = subprocess.check_output(["bash", "-euc", command], cwd=CHECKOUT, env=place, text=True)
    return place | {"DATABASE_URL": url, "USER_ID": user_id, "PYTHONPATH": str(CHECKOUT)}


def test_an_installation_that_does_not_run_has_no_address(tmp_path: Path) -> None:
    [asks] = blocks(PAGE, "bash")
    command = asks.replace(".venv/bin/python", sys.executable)

    done = subprocess.run(
        ["bash", "-uc", f'{command}\nprintf "%s" "${{DATABASE_URL:-none}}"'],
        cwd=CHECKOUT, env={"PATH": os.environ["PATH"], "VAR": str(tmp_path)}, capture_output=True, text=True,
        check=False,
    )  # fmt: skip

    assert (done.stdout, done.stderr) == ("none", f"No PostgreSQL runs in {tmp_path}: start it with `make up`.\n")


def test_a_port_that_a_killed_server_left_behind_is_no_address(tmp_path: Path) -> None:
    place = made(tmp_path)
    Postgres(place).publish(free_port())

    with pytest.raises(CannotStart, match="No PostgreSQL runs in"):
        running_database(tmp_path)


@contextmanager
def _program(text: str, environ: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        [sys.executable, "-c", text], env=environ, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def test_the_example_of_the_how_to_does_what_it_says(service: Service, user_id: str) -> None:
    [example] = blocks(PAGE, "python")

    with _program(example, _environ(service, user_id)) as process:
        said, _ = process.communicate(timeout=PATIENCE)

    assert process.returncode == 0
    assert said.splitlines() == [
        "at first: None",
        "stored: {'language': 'en', 'agent': {'temperature': 0.2}}",
        "somebody was faster: The current generation is 2.",
    ]


def test_a_store_works_on_after_a_restart_of_postgresql(service: Service, user_id: str) -> None:
    with _program(PATIENT, _environ(service, user_id)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        kill_postgres(service)
        back(service)

        said, _ = process.communicate("go on\n", timeout=PATIENCE)

    assert said == "{'step': 1} 2\n"
