"""A valid body for each operation of coordination's rate limits that takes one."""

from typing import Any

BODIES: dict[str, Any] = {
    "check_rate_limit": {"max_requests": 1_000_000, "window_seconds": 0.5, "cost": 1},
}
