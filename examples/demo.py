"""A scripted agent against a running Holdfast: `python examples/demo.py --url http://127.0.0.1:8000`.

It needs httpx and nothing of the service, prints each step with what came back, and ends with 1 at the first answer
that is not the promised one. All that it makes belongs to two new organizations, so it can run again and again.
"""
# ruff: noqa: T201  (printing is what it is for)

import argparse
import json
import os
import secrets
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import httpx

PATIENCE = 60.0  # seconds for anything that is waited for
SHORT_LEASE = 2  # seconds
KEY_VARIABLE = "HOLDFAST_API_KEY"


class Off(Exception):
    """Raised when the service does not do what it promises; the message is one clear sentence."""


@dataclass(frozen=True)
class Holdfast:
    """The API as one key sees it."""

    client: httpx.Client

    def call(
        self, method: str, path: str, body: Any = None, *, expect: int | tuple[int, str] = 200, **headers: str
    ) -> httpx.Response:
        """Send one request and insist on the status, and on the code of a problem; If_Match='"1"' is a header."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()}
        answer = self.client.request(method, f"/api/v1{path}", json=body, headers=sent)
        status, code = expect if isinstance(expect, tuple) else (expect, None)
        if answer.status_code != status or (code is not None and answer.json().get("code") != code):
            wanted = f"{status} {code or ''}".strip()
            raise Off(f"{method} {path} answered {answer.status_code} where {wanted} was due: {answer.text[:500]}")
        return answer

    def get(self, path: str, **options: Any) -> Any:
        return self.call("GET", path, **options).json()

    def post(self, path: str, body: Any, *, expect: int | tuple[int, str] = 201, **headers: str) -> Any:
        return self.call("POST", path, body, expect=expect, **headers).json()

    def everything(self, path: str) -> list[dict[str, Any]]:
        """Follow a listing's cursor to its end, in small pages."""
        items, page = [], self.get(f"{path}?limit=2")
        items += page["items"]
        while page["next_cursor"]:
            page = self.get(f"{path}?limit=2&cursor={page['next_cursor']}")
            items += page["items"]
        return items


@contextmanager
def connected(url: str, key: str = "") -> Iterator[Holdfast]:
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # The service is on this machine, whatever proxy the environment names.
    with httpx.Client(base_url=url, headers=headers, timeout=30, trust_env=False) as client:
        yield Holdfast(client)


def insist(found: Any, wanted: Any, what: str) -> None:
    if found != wanted:
        raise Off(f"{what}: {wanted!r} was due, {found!r} came.")


def told(step: str, *facts: object) -> None:
    print(f"{step:<34}", *facts, flush=True)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > deadline:
            raise Off(f"Waited {PATIENCE:.0f} s in vain: {what}.")
        time.sleep(0.1)


def text(words: str) -> dict[str, Any]:
    return {"parts": [{"kind": "text", "text": words}]}


def sign_up(url: str) -> dict[str, Any]:
    """Make an organization with its owner and first key; the key's text is in the answer, once."""
    slug = f"demo-{secrets.token_hex(6)}"
    with connected(url) as anyone:
        made: dict[str, Any] = anyone.post(
            "/signup",
            {
                "email": f"{slug}@example.com",
                "password": secrets.token_urlsafe(18),
                "organization": {"name": "Demo", "slug": slug},
            },
        )
    told("Signed up", slug, f"key {made['api_key']['key'][:15]}…")
    return made


def keep_a_session(agent: Holdfast) -> dict[str, Any]:
    """Save, patch and restore the working memory of a conversation, each write on condition."""
    # A number that a float could not hold comes back as it was.
    saved = {"city": "Lisbon", "days": 3, "budget": {"cents": 9007199254740993}, "notes": ["tram 28", "Ελλάδα?"]}
    made = agent.call("POST", "/sessions", {"title": "Trip", "state": saved}, expect=201)
    session, path = made.json(), f"/sessions/{made.json()['id']}"
    insist(agent.get(path)["state"], saved, "The saved state")
    told("Saved a session", made.headers["ETag"], json.dumps(session["state"], ensure_ascii=False))

    patched = agent.call("PATCH", f"{path}/state", {"days": 4, "notes": None}, If_Match=made.headers["ETag"])
    now = agent.get(path)["state"]
    insist(now, {"city": "Lisbon", "days": 4, "budget": {"cents": 9007199254740993}}, "The patched state")
    told("Patched it", patched.headers["ETag"], json.dumps(now))

    stale = agent.call(
        "PATCH", f"{path}/state", {"days": 9}, expect=(412, "precondition-failed"), If_Match=made.headers["ETag"]
    )
    told("A stale patch was refused", 412, stale.json()["detail"])

    restored = agent.call("PUT", f"{path}/state", saved, If_Match=patched.headers["ETag"])
    insist(agent.get(path)["state"], saved, "The restored state")
    insist([event["generation"] for event in agent.everything(f"{path}/events")], [1, 2, 3], "The session's events")
    told("Restored what was saved first", restored.headers["ETag"])
    return dict(session)


def work_through_a_crash(agent: Holdfast, url: str, key: str) -> dict[str, Any]:
    """Submit a task; one worker dies on it, another completes it, and the first one's late write is refused."""
    task: dict[str, Any] = agent.post("/tasks", {"message": text("Plan three days in Lisbon")})
    path = f"/tasks/{task['id']}"
    told("Submitted a task", task["id"], task["state"])

    with worker(url, key, "--seconds", "3600") as first:
        claim = heard(first)
        told("Worker 1 claimed it", f"token {claim['lease_token']}, lease of {SHORT_LEASE} s")
        until(lambda: bool(agent.get(path)["message_count"] == 2), "worker 1 appends a message")
        first.kill()
        first.wait()
    told("Worker 1 was killed half-way", f"exit {first.returncode}", agent.get(path)["state"])

    with worker(url, key, "--seconds", "0.5") as second:
        again = heard(second)
        insist(again["task_id"], task["id"], "The task that worker 2 got")
        insist(again["lease_token"] > claim["lease_token"], True, "Worker 2's token is greater")
        told("Worker 2 claimed it", f"token {again['lease_token']}, once the lease had run out")
        late = agent.post(
            f"{path}/messages",
            {"role": "agent", **text("I am still here")},
            expect=(409, "lease-lost"),
            Holdfast_Lease_Token=str(claim["lease_token"]),
        )
        told("A late write of worker 1 refused", 409, late["detail"])
        insist(second.wait(PATIENCE), 0, "Worker 2's exit code")

    done: dict[str, Any] = agent.get(path)
    insist(done["state"], "completed", "The task's state")
    insist([artifact["name"] for artifact in done["artifacts"]], ["plan"], "The task's artifacts")
    [artifact] = done["artifacts"]
    [chunk] = agent.everything(f"{path}/artifacts/{artifact['artifact_id']}/chunks")
    told("Worker 2 completed it", done["state"], json.dumps(chunk["parts"]))
    return done


def read_events_back(agent: Holdfast, task: dict[str, Any]) -> None:
    events = agent.everything(f"/tasks/{task['id']}/events")
    insist([event["generation"] for event in events], list(range(1, task["generation"] + 1)), "The task's events")
    wanted = ["submitted", "claimed", "message.appended", "claimed", "message.appended", "artifact.appended"]
    insist([event["type"] for event in events], [f"task.{verb}" for verb in [*wanted, "completed"]], "Their order")
    for event in events:
        told("Event", event["generation"], event["type"], json.dumps(event["facts"]))


def repeat_a_post(agent: Holdfast) -> None:
    asked, key = {"message": text("Book the tram")}, f"demo-{secrets.token_hex(8)}"
    first = agent.call("POST", "/tasks", asked, expect=201, Idempotency_Key=key)
    before = len(agent.everything("/tasks"))
    again = agent.call("POST", "/tasks", asked, expect=201, Idempotency_Key=key)
    insist(again.headers.get("Idempotency-Replayed"), "true", "Idempotency-Replayed of the repeated POST")
    insist(again.json()["id"], first.json()["id"], "The repeated POST's task")
    insist(len(agent.everything("/tasks")), before, "The number of tasks after the repeated POST")
    told("A repeated POST changed nothing", again.json()["id"], f"{before} tasks as before")

    other = {"message": text("Book two trams")}
    refused = agent.post("/tasks", other, expect=(422, "idempotency-key-reused"), Idempotency_Key=key)
    told("Its key for another body refused", 422, refused["detail"])


def look_as_an_outsider(url: str, session: dict[str, Any], task: dict[str, Any]) -> None:
    """Sign up again: to the other organization's key, nothing of the first is there."""
    key = sign_up(url)["api_key"]["key"]
    artifact = f"/tasks/{task['id']}/artifacts/{task['artifacts'][0]['artifact_id']}"
    reads = [f"/sessions/{session['id']}", f"/sessions/{session['id']}/events", f"/contexts/{task['context_id']}"]
    reads += [f"/tasks/{task['id']}", f"/tasks/{task['id']}/messages", f"/tasks/{task['id']}/artifacts"]
    reads += [f"/tasks/{task['id']}/events", artifact, f"{artifact}/chunks"]
    writes: list[tuple[str, str, Any]] = [
        ("PUT", f"/sessions/{session['id']}/state", {}),
        ("DELETE", f"/sessions/{session['id']}", None),
        ("POST", f"/tasks/{task['id']}/messages", text("Hello?")),
        ("PUT", f"/tasks/{task['id']}/state", {"state": "canceled"}),
    ]
    with connected(url, key) as outsider:
        for method, path, body in [*(("GET", path, None) for path in reads), *writes]:
            outsider.call(method, path, body, expect=(404, "not-found"))
        told("An outsider finds none of it", f"404 not-found {len(reads) + len(writes)} times")
        for path in ("/sessions", "/tasks", "/contexts"):
            insist(outsider.everything(path), [], f"The outsider's {path}")
        insist(outsider.post("/tasks/claim", {}, expect=200)["items"], [], "What the outsider can claim")
        told("Its own lists are empty", "sessions, tasks, contexts; nothing to claim")


def revoke(agent: Holdfast, key_id: str) -> None:
    agent.call("DELETE", f"/api-keys/{key_id}", expect=204)
    # At once in the process that revoked it; others may believe the key for some seconds.
    until(lambda: agent.client.get("/api/v1/me").status_code == 401, "the revoked key is refused")
    refused = agent.get("/me", expect=(401, "api-key-revoked"))
    told("The key was revoked", 401, refused["detail"])


@contextmanager
def worker(url: str, key: str, *options: str) -> Iterator[subprocess.Popen[str]]:
    """Run a worker in a process of its own; the key goes by the environment, which `ps` does not show."""
    command = [sys.executable, __file__, "worker", "--url", url, *options]
    environ = {**os.environ, KEY_VARIABLE: key}
    process = subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, text=True)  # noqa: S603  (this file)
    with process:
        try:
            yield process
        finally:
            process.kill()


def heard(process: subprocess.Popen[str]) -> dict[str, Any]:
    """Wait for the line that a worker prints once it has claimed; workers give up by themselves."""
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        raise Off("A worker ended without a task; it says why above.")
    return dict(json.loads(line))


def work(url: str, key: str, seconds: float) -> None:
    """Claim one task, say so, think about it for so long under heartbeats, and complete it with an artifact."""
    with connected(url, key) as service:
        item = claimed(service)
        path, lease = f"/tasks/{item['task']['id']}", str(item["lease_token"])
        print(json.dumps({"task_id": item["task"]["id"], "lease_token": item["lease_token"]}), flush=True)
        service.post(f"{path}/messages", {"role": "agent", **text("On it")}, Holdfast_Lease_Token=lease)
        finished = time.monotonic() + seconds
        while (left := finished - time.monotonic()) > 0:
            time.sleep(min(left, SHORT_LEASE / 4))
            service.call("PUT", f"{path}/lease", {"lease_seconds": SHORT_LEASE}, Holdfast_Lease_Token=lease)
        artifact = {"name": "plan", **text("Day 1: Alfama. Day 2: Belém. Day 3: Sintra.")}
        service.post(f"{path}/artifacts", artifact, Holdfast_Lease_Token=lease)
        service.call("PUT", f"{path}/state", {"state": "completed"}, Holdfast_Lease_Token=lease)


def claimed(service: Holdfast) -> dict[str, Any]:
    found: list[dict[str, Any]] = []

    def claim() -> bool:
        found.extend(service.post("/tasks/claim", {"lease_seconds": SHORT_LEASE}, expect=200)["items"])
        return bool(found)

    until(claim, "a task can be claimed")
    return found[0]


def demonstrate(url: str) -> None:
    made = sign_up(url)
    key = made["api_key"]["key"]
    with connected(url, key) as agent:
        session = keep_a_session(agent)
        task = work_through_a_crash(agent, url, key)
        read_events_back(agent, task)
        repeat_a_post(agent)
        look_as_an_outsider(url, session, task)
        revoke(agent, made["api_key"]["id"])
    print("Everything was as promised.")


def main() -> int:
    parser = argparse.ArgumentParser(description="Run a scripted agent against a running Holdfast.")
    parser.add_argument("role", nargs="?", choices=["agent", "worker"], default="agent")
    parser.add_argument("--url", default="http://127.0.0.1:8000")
    parser.add_argument("--seconds", type=float, default=0, help="how long a worker thinks")
    options = parser.parse_args()
    try:
        if options.role == "worker":
            work(options.url, os.environ[KEY_VARIABLE], options.seconds)
        else:
            demonstrate(options.url)
    except httpx.ConnectError:
        print(f"Nothing answers at {options.url}: start it with `make up`.", file=sys.stderr)
    except httpx.HTTPError as problem:
        print(f"The service broke off or did not answer in time: {problem!r}.", file=sys.stderr)
    except json.JSONDecodeError:
        print(f"What answers at {options.url} does not speak JSON: is it Holdfast?", file=sys.stderr)
    except Off as problem:
        print(f"Something is off. {problem}", file=sys.stderr)
    else:
        return 0
    return 1


if __name__ == "__main__":
    sys.exit(main())
