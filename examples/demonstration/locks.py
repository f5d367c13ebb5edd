"""Two workers share a lock; one of them pauses past its end, and its late write is refused by the fencing number."""

import secrets
from typing import Any

from demonstration.wire import Holdfast, insist, told, until

SHORT, LONG = 2, 60  # seconds


def share_a_lock(service: Holdfast) -> None:
    """Protect a session by a lock, let its holder be late, and see whose write is there."""
    session = service.post("/sessions", {"title": "Ledger", "state": {"sum": 0}})["id"]
    path = f"/locks/ledger/{secrets.token_hex(6)}"
    slow = acquired(service, path, SHORT)
    service.post(f"{path}/acquire", {"ttl_seconds": LONG}, expect=(409, "lock-held"))
    told("A worker holds a lock", f"number {slow['fencing_number']}; another is refused, 409 lock-held")
    until(lambda: is_free(service, path), "the lock ends by itself")
    quick = acquired(service, path, LONG)
    insist(quick["fencing_number"] > slow["fencing_number"], True, "That numbers grow")
    write(service, session, "the second worker", quick)
    told("It paused, and another has it", f"number {quick['fencing_number']}, and has written")
    write(service, session, "the first worker", slow, expect=(409, "fencing-number-stale"))
    state = service.get(f"/sessions/{session}")["state"]
    insist(state, {"by": "the second worker"}, "What the late write left")
    told("The late write is refused", 409, "fencing-number-stale")
    service.post(f"{path}/release", {"token": slow["token"]}, expect=(409, "lock-lost"))
    service.call("POST", f"{path}/release", {"token": quick["token"]}, expect=204)
    told("Only the holder releases it", "409 lock-lost for the other")


def acquired(service: Holdfast, path: str, seconds: int) -> dict[str, Any]:
    lock: dict[str, Any] = service.post(f"{path}/acquire", {"ttl_seconds": seconds}, expect=200)
    return lock


def is_free(service: Holdfast, path: str) -> bool:
    return service.client.get(f"/api/v1{path}").status_code == 404


def write(
    service: Holdfast, session: str, who: str, lock: dict[str, Any], *, expect: int | tuple[int, str] = 200
) -> None:
    number = str(lock["fencing_number"])
    service.call("PUT", f"/sessions/{session}/state", {"by": who}, expect=expect, Holdfast_Fencing_Number=number)
