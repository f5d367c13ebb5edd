"""What /ready says where a server cannot be reached: in a process of its own, since settings are read once."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from coordination.shared import QUICK_SECONDS
from tests.api.live import Server, serving
from tests.config.waiting import until
from tests.coordination.servers import ValkeyServer
from tests.orgs.servers import CHECKOUT, service_environ

ASK = """
import django
django.setup()
from django.test import Client
answer = Client().get("/ready")
print(answer.status_code, answer.content.decode())
"""
CLOSED_PORT = 1


def _ready(environ: dict[str, str]) -> tuple[int, dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-c", ASK], env=environ, cwd=CHECKOUT, capture_output=True, text=True, check=True
    )
    status, _, body = done.stdout.splitlines()[-1].partition(" ")
    return int(status), json.loads(body)


def test_a_service_with_both_servers_is_ready() -> None:
    assert _ready(service_environ()) == (200, {"ready": True, "missing": {}, "degraded": {}})


def test_a_service_without_valkey_is_ready_and_degraded() -> None:
    environ = service_environ() | {"REDIS_URL": f"redis://127.0.0.1:{CLOSED_PORT}/0"}

    degraded = {"valkey": "It cannot be reached."}
    assert _ready(environ) == (200, {"ready": True, "missing": {}, "degraded": degraded})


@pytest.fixture
def valkey(tmp_path: Path) -> Iterator[ValkeyServer]:
    server = ValkeyServer(tmp_path / "valkey")
    server.start()
    yield server
    server.kill()


def _fill(valkey: ValkeyServer, share: float) -> None:
    """Have the server use this share of what it may."""
    with valkey.client() as client:
        client.setrange("filling", 20_000_000, "x")
        used = client.info("memory")["used_memory"]
        client.config_set("maxmemory", round(used / share))


def test_a_service_whose_valkey_is_nearly_full_is_degraded(valkey: ValkeyServer) -> None:
    _fill(valkey, 0.95)

    status, body = _ready(service_environ() | {"REDIS_URL": valkey.url})

    sentence = "It uses more than 90% of its maxmemory; when that is full, it refuses what needs memory."
    assert (status, body) == (200, {"ready": True, "missing": {}, "degraded": {"valkey": sentence}})


def test_a_service_whose_valkey_has_room_is_ready(valkey: ValkeyServer) -> None:
    _fill(valkey, 0.85)

    assert _ready(service_environ() | {"REDIS_URL": valkey.url})[1]["degraded"] == {}


def test_a_service_without_its_database_is_not_ready() -> None:
    missing = {"database": "It cannot be reached."}

    assert _ready(service_environ(port=CLOSED_PORT)) == (503, {"ready": False, "missing": missing, "degraded": {}})


def _probe(server: Server) -> tuple[float, dict[str, Any]]:
    began = time.monotonic()
    answer = httpx.get(f"http://127.0.0.1:{server.port}/ready", trust_env=False, timeout=10)
    return time.monotonic() - began, {"status": answer.status_code, **answer.json()["degraded"]}


def test_a_valkey_that_hangs_is_degraded_within_the_time_of_a_probe(tmp_path: Path, valkey: ValkeyServer) -> None:
    with serving("front", tmp_path, REDIS_URL=valkey.url) as server:
        _probe(server)
        valkey.pause()
        until(lambda: _probe(server)[1] != {"status": 200})
        began, probes = time.monotonic(), []
        while time.monotonic() - began < 6:
            probes.append(_probe(server))
        valkey.resume()
        until(lambda: _probe(server)[1] == {"status": 200})

    hanging = {"status": 200, "valkey": "It cannot be reached."}
    assert [found for _, found in probes if found != hanging] == []
    assert sorted(seconds for seconds, _ in probes)[len(probes) * 9 // 10] < QUICK_SECONDS
    # One that looks whether it is back waits; the machine may be busy.
    assert max(seconds for seconds, _ in probes) < 2 * QUICK_SECONDS


def test_the_first_probe_of_a_valkey_that_hangs_waits_half_a_second(tmp_path: Path, valkey: ValkeyServer) -> None:
    with serving("front", tmp_path, REDIS_URL=valkey.url) as server:
        valkey.pause()
        seconds, found = _probe(server)
        valkey.resume()

    assert found == {"status": 200, "valkey": "It cannot be reached."}
    assert seconds < 2 * QUICK_SECONDS
