"""An agent that limits itself: it spends of a limit until it is told to wait, waits as long, and goes on."""

import secrets
import time
from typing import Any

from demonstration.wire import Holdfast, Off, insist, told

LIMIT = {"max_requests": 3, "window_seconds": 2}
CALLS = 5


def limit_itself(agent: Holdfast) -> None:
    """Make more calls of a model than a window allows; none of them goes beyond the limit."""
    path = f"/rate-limits/model/demo-{secrets.token_hex(6)}"
    waited = sum(_spend(agent, path) for _ in range(CALLS))
    insist(waited > 0, True, "That the agent was told to wait")
    told("Limited itself and recovered", f"{CALLS} calls, {waited} told to wait")

    asked = f"max_requests={LIMIT['max_requests']}&window_seconds={LIMIT['window_seconds']}"
    agent.call("DELETE", path, expect=204)
    insist(agent.get(f"{path}?{asked}")["remaining"], LIMIT["max_requests"], "What remains after a reset")
    refused = agent.post(f"{path}/check", {**LIMIT, "window_seconds": 0}, expect=(400, "invalid-window"))
    told("A window of no length is refused", 400, refused["detail"])


def _spend(agent: Holdfast, path: str) -> int:
    """Spend one, after a wait where it is due; return how often the agent had to wait."""
    decision: dict[str, Any] = agent.post(f"{path}/check", LIMIT, expect=200)
    if decision["allowed"]:
        return 0
    told("Told to wait", f"{decision['retry_after']:.2f} s,", f"{decision['remaining']} remain")
    time.sleep(decision["retry_after"])
    if not agent.post(f"{path}/check", LIMIT, expect=200)["allowed"]:
        raise Off("A call was refused after the agent had waited as long as it was told.")
    return 1
