"""A valid body for each operation of coordination's cache that takes one."""

from typing import Any

BODIES: dict[str, Any] = {
    "delete_many_cached": {"names": ["daily", "weekly"]},
    "get_many_cached": {"names": ["daily", "weekly"]},
    "give_up_cached": {"token": "of-a-turn"},
    "set_cached": {"value": {"a": [1]}, "ttl_seconds": 60, "stale_seconds": 60, "token": None},
    "set_many_cached": {"values": {"daily": 1, "weekly": {"a": None}}, "ttl_seconds": 60, "stale_seconds": 60},
    "take_turn_cached": {"compute_seconds": 60, "wait_seconds": 0},
}
