"""The documentation's examples, run as they stand against the service: only its address and the key are put in."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings

from tests.operations.service import PATIENCE, Service
from tests.service.live import CHECKOUT, client, new_key

_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```\n+(Send it again)?", re.DOTALL | re.MULTILINE)
# CI has it: .ci/service asks with it whether the service is ready.
needs_curl = pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
_PLACEHOLDERS = ("http://127.0.0.1:8000", "hf_…")


def blocks(page: str, language: str) -> list[str]:
    """Return the page's blocks, twice where the reader is told to send one again."""
    found = _BLOCK.findall((CHECKOUT / page).read_text())
    return [text for kind, text, again in found if kind == language for _ in range(2 if again else 1)]


@pytest.fixture
def key(service: Service) -> str:
    return new_key(service)


def _run(command: list[str], text: str, service: Service, key: str, folder: Path) -> str:
    for placeholder, value in zip(_PLACEHOLDERS, (f"http://127.0.0.1:{service.port}", key), strict=True):
        text = text.replace(placeholder, value)
    environ = {"PATH": os.environ["PATH"], "KEY": key}
    done = subprocess.run(
        [*command, text], cwd=folder, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def _states(service: Service, key: str) -> list[str]:
    with client(service, key) as api:
        return [task["state"] for task in api.get("/api/v1/tasks").raise_for_status().json()["items"]]


def test_the_example_of_the_readme_does_what_it_says(service: Service, key: str, tmp_path: Path) -> None:
    [example] = blocks("README.md", "python")

    # Without the packages of this folder: any Python runs it.
    said = _run([sys.executable, "-I", "-S", "-W", "error", "-c"], example, service, key, tmp_path)

    assert [line.split()[1] for line in said.splitlines()][-1] == "task.completed"
    assert _states(service, key) == ["completed"]


@needs_curl
def test_the_commands_of_the_quickstart_do_what_it_says(service: Service, key: str, tmp_path: Path) -> None:
    commands = blocks("docs/quickstart.md", "bash")

    said = _run(["bash", "-euo", "pipefail", "-c"], "\n".join(commands), service, key, tmp_path)

    statuses = re.findall(r"HTTP/1.1 (\d+)", said)
    assert statuses == ["200", "200", "412", "201", "201"]
    assert re.findall(r'^etag: ("\d+")', said, re.MULTILINE | re.IGNORECASE)[:2] == ['"1"', '"2"']
    assert '"code":"precondition-failed"' in said.replace(": ", ":")
    assert re.findall(r"^idempotency-replayed: (\w+)", said, re.MULTILINE | re.IGNORECASE) == ["true"]
    assert _states(service, key) == ["submitted"]


def test_the_worker_of_the_how_to_completes_a_task(service: Service, key: str, tmp_path: Path) -> None:
    with client(service, key) as api:
        message = {"parts": [{"kind": "text", "text": "Plan the trip"}]}
        api.post("/api/v1/tasks", json={"message": message}).raise_for_status()
    [worker] = blocks("docs/how-to/write-a-worker.md", "python")

    _run([sys.executable, "-c"], worker, service, key, tmp_path)

    assert _states(service, key) == ["completed"]


def test_the_example_of_the_lock_how_to_writes_under_the_lock(service: Service, key: str, tmp_path: Path) -> None:
    [example] = blocks("docs/how-to/hold-locks.md", "python")

    _run([sys.executable, "-c"], example, service, key, tmp_path)

    with client(service, key) as api:
        [session] = api.get("/api/v1/sessions").raise_for_status().json()["items"]
        found = api.get(f"/api/v1/sessions/{session['id']}").raise_for_status().json()
        lock = api.get("/api/v1/locks/session/ledger")
    assert (found["state"], found["generation"], lock.status_code) == ({"sum": 1}, 2, 404)


def test_the_example_of_the_lock_how_to_outwaits_another_s_lock(service: Service, key: str, tmp_path: Path) -> None:
    [example] = blocks("docs/how-to/hold-locks.md", "python")
    with client(service, key) as api:
        # Longer than httpx waits by default.
        api.post("/api/v1/locks/session/ledger/acquire", json={"ttl_seconds": 6}).raise_for_status()

    _run([sys.executable, "-c"], example, service, key, tmp_path)

    with client(service, key) as api:
        [session] = api.get("/api/v1/sessions").raise_for_status().json()["items"]
        found = api.get(f"/api/v1/sessions/{session['id']}").raise_for_status().json()
    assert found["state"] == {"sum": 1}


@needs_curl
def test_the_commands_of_the_audit_how_to_follow_the_trail(service: Service, key: str, tmp_path: Path) -> None:
    *reading, following = blocks("docs/how-to/read-the-audit-trail.md", "bash")

    _run(["bash", "-euo", "pipefail", "-c"], "\n".join([*reading, following, following]), service, key, tmp_path)

    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["action"] for line in lines] == [
        "organization.created",
        "membership.created",
        "api-key.created",
        "audit.exported",
    ]


@needs_curl
def test_the_command_of_the_agent_how_to_makes_an_agent(service: Service, key: str, tmp_path: Path) -> None:
    [command] = blocks("docs/how-to/describe-an-agent.md", "bash")

    said = _run(["bash", "-euo", "pipefail", "-c"], command, service, key, tmp_path)

    assert json.loads(said)["card"]["skills"][0]["id"] == "route"


@needs_curl
def test_the_commands_of_the_queues_how_to_push_pop_and_acknowledge(service: Service, key: str, tmp_path: Path) -> None:
    [commands] = blocks("docs/how-to/use-queues.md", "bash")

    said = _run(["bash", "-euo", "pipefail", "-c"], commands, service, key, tmp_path)

    assert '"acked":1' in said.replace(": ", ":")
    with client(service, key) as api:
        queue = api.get("/api/v1/queues/mail").raise_for_status().json()
    assert (queue["ready"], queue["delayed"], queue["in_flight"]) == (0, 1, 0)


@needs_curl
def test_the_command_of_the_how_to_invites_a_member(service: Service, key: str, tmp_path: Path) -> None:
    [command] = blocks("docs/how-to/invite-members.md", "bash")

    said = _run(["bash", "-euo", "pipefail", "-c"], command, service, key, tmp_path)

    made = json.loads(said)
    assert made["link"] == f"http://127.0.0.1:{service.port}/invitation#{made['token']}"


@needs_curl
def test_the_commands_of_the_how_to_spend_of_a_limit(service: Service, key: str, tmp_path: Path) -> None:
    [commands] = blocks("docs/how-to/limit-rates.md", "bash")
    [shown] = blocks("docs/how-to/limit-rates.md", "json")

    said = _run(["bash", "-euo", "pipefail", "-c"], commands, service, key, tmp_path)

    checked, rest = json.JSONDecoder().raw_decode(said)
    peeked = json.loads(said[rest:])
    assert checked == json.loads(shown)
    assert (peeked["allowed"], peeked["remaining"]) == (True, 6)


@needs_curl
def test_the_commands_of_the_cache_how_to_store_read_and_delete(service: Service, key: str, tmp_path: Path) -> None:
    [commands] = blocks("docs/how-to/share-a-cache.md", "bash")

    said = _run(["bash", "-euo", "pipefail", "-c"], commands, service, key, tmp_path)

    assert said.startswith('{"stored":true,"available":true}{"value":{"total":1.50},"fresh":true,"expires_in_seconds":')


def test_the_worker_of_the_cache_how_to_computes_once(service: Service, key: str, tmp_path: Path) -> None:
    [worker, _] = blocks("docs/how-to/share-a-cache.md", "python")

    said = _run([sys.executable, "-c"], worker, service, key, tmp_path)

    with client(service, key) as api:
        stored = api.get("/api/v1/cache/report/daily").raise_for_status().json()
    assert said == "{'total': 1.5} {'total': 1.5}\n"
    assert stored["value"] == {"total": 1.5}


def test_the_program_of_the_cache_how_to_needs_no_service(tmp_path: Path) -> None:
    [_, program] = blocks("docs/how-to/share-a-cache.md", "python")
    environ = {"PATH": os.environ["PATH"], "PYTHONPATH": str(CHECKOUT), "REDIS_URL": settings.REDIS_URL}

    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", program],
        cwd=tmp_path,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )

    assert (done.stdout, done.stderr) == ("a cached null: True\n{'total': 1.5}\n", "")
