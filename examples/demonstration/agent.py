"""An agent at work: a session, a task whose worker dies, its events, a repeated call, an outsider."""

import json
import secrets
from typing import Any

from demonstration.wire import PATIENCE, Holdfast, connected, insist, sign_up, text, told, until
from demonstration.worker import SHORT_LEASE, heard, worker


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
