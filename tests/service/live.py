"""The whole service as `manage.py up` starts it, with its own folder, port and servers, and ways to look into it."""

import os
import signal
import uuid
from pathlib import Path

import httpx
import psutil
import psycopg

from operations import embedded
from operations.embedded import secret_files
from operations.embedded.paths import Var
from operations.embedded.postgres import DATABASE, SUPERUSER
from tests.operations.service import Service, eventually

CHECKOUT = Path(__file__).resolve().parents[2]


def make_service(folder: Path) -> Service:
    """Return an installation of this checkout in the folder, not started yet."""
    # Python takes modules from where the link leads.
    (folder / "manage.py").symlink_to(CHECKOUT / "manage.py")
    return Service(folder, extra={"VAR": str(folder / "var"), "LOG_LEVEL": "WARNING"})


def client(service: Service, key: str = "") -> httpx.Client:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    url = f"http://127.0.0.1:{service.port}"
    return httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False)


def new_key(service: Service) -> str:
    """Sign up, and return the key of the new organization."""
    slug = f"org-{uuid.uuid4().hex}"
    body = {
        "email": f"{slug}@example.com",
        "password": "correct horse battery",
        "organization": {"name": slug, "slug": slug},
    }
    with client(service) as anyone:
        key: str = anyone.post("/api/v1/signup", json=body).raise_for_status().json()["api_key"]["key"]
    return key


def superuser(service: Service) -> "psycopg.Connection[tuple[object, ...]]":
    """Connect to the service's database past every policy."""
    url = embedded.environment(service.var, valkey=False)["DATABASE_URL"]
    password = secret_files.secret(Var(service.var), secret_files.POSTGRES_SUPERUSER_PASSWORD)
    return psycopg.connect(url, user=SUPERUSER, password=password, dbname=DATABASE, autocommit=True)


def kill_web(service: Service) -> None:
    """Kill the web server and its workers; the supervisor starts them again."""
    main = service.find("granian")
    _kill([main, *main.children(recursive=True)])


def kill_postgres(service: Service) -> None:
    """Kill the postmaster; its children end by themselves, and the supervisor starts another."""
    _kill([service.find("bin/postgres")])


def kill_everything(service: Service) -> None:
    """Kill `up` and all that it runs in one moment, as when the machine loses power."""
    assert service.process is not None
    if service.process.poll() is None:
        service.look_around()
    _kill(service.running())
    service.process.wait()


def _kill(processes: list[psutil.Process]) -> None:
    for one in processes:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:  # its parent's end took it along
            continue
    psutil.wait_procs(processes, timeout=30)


def back(service: Service) -> None:
    """Start the service if it is down, and wait until it answers every call."""
    assert service.process is not None
    if service.process.poll() is not None:
        service.start()
    eventually(lambda: service.ask("GET")[0] == 200, "the service is ready again")
    service.look_around()
