"""A server in cluster mode is refused: at the first call, when a process starts, and by /ready."""

import asyncio
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

from api.valkey_addresses import parse_valkey_url
from coordination.clients import async_client_for, client_for
from coordination.connections import AsyncConnection, ClusterRefused, Connection
from tests.coordination.counting import counting
from tests.coordination.sentinels import until
from tests.coordination.servers import ValkeyServer, free_port
from tests.orgs.servers import CHECKOUT, service_environ

SENTENCE = "Valkey runs in cluster mode, which is not supported: name one server, or its Sentinels."
ASK = """
import django
django.setup()
from django.test import Client
print(Client().get("/ready").json()["degraded"])
"""


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[ValkeyServer]:
    """A server that is a cluster by itself: it has all slots, so that every call would work on it."""
    # Its second port would be the first and 10,000, which not every port leaves room for.
    options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
    server = ValkeyServer(tmp_path / "cluster", *options)
    server.start()
    with server.client() as client:
        client.execute_command("CLUSTER", "ADDSLOTSRANGE", 0, 16383)
        until(lambda: client.execute_command("CLUSTER INFO")["cluster_state"] == "ok", "a cluster that serves")
    yield server
    server.kill()


def _python(cluster: ValkeyServer, *arguments: str) -> "subprocess.CompletedProcess[str]":
    environ = service_environ() | {"REDIS_URL": cluster.url}
    return subprocess.run(
        [sys.executable, *arguments], env=environ, cwd=CHECKOUT, capture_output=True, text=True, check=False, timeout=60
    )


def test_the_first_call_is_refused(cluster: ValkeyServer, tenant: uuid.UUID) -> None:
    with client_for(parse_valkey_url(cluster.url)) as client, pytest.raises(ClusterRefused) as refusal:
        Connection(lambda: client).run(counting(tenant))

    assert str(refusal.value) == SENTENCE
    with cluster.client() as client:
        assert client.dbsize() == 0


def test_the_first_call_of_a_loop_is_refused(cluster: ValkeyServer, tenant: uuid.UUID) -> None:
    async def scenario() -> None:
        async with async_client_for(parse_valkey_url(cluster.url)) as client:
            await AsyncConnection(lambda: client).run(counting(tenant))

    with pytest.raises(ClusterRefused):
        asyncio.run(scenario())


def test_whether_it_is_one_is_asked_once(valkey: ValkeyServer, tenant: uuid.UUID) -> None:
    with client_for(parse_valkey_url(valkey.url)) as client:
        connection = Connection(lambda: client)
        for _ in range(5):
            connection.run(counting(tenant))

        assert client.info("commandstats")["cmdstat_info"]["calls"] == 1


def test_ready_says_so(cluster: ValkeyServer) -> None:
    assert _python(cluster, "-c", ASK).stdout.splitlines()[-1] == str({"valkey": SENTENCE})


def test_a_web_process_does_not_start(cluster: ValkeyServer) -> None:
    done = _python(cluster, "-c", "import config.wsgi")

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"django.core.exceptions.ImproperlyConfigured: {SENTENCE}"


def test_beat_does_not_start(cluster: ValkeyServer, tmp_path: Path) -> None:
    schedule = str(tmp_path / "schedule")
    done = _python(cluster, "-m", "celery", "--app", "config.celery", "--quiet", "beat", "--schedule", schedule)

    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, SENTENCE)


def test_a_worker_does_not_start(cluster: ValkeyServer) -> None:
    done = _python(cluster, "-m", "celery", "--app", "config.celery", "--quiet", "worker", "--pool=threads")

    assert (done.returncode, done.stderr.splitlines()[-1]) == (1, SENTENCE)
