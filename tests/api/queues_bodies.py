"""A valid body for each operation of coordination's queues that takes one."""

from typing import Any

BODIES: dict[str, Any] = {
    "ack_messages": {"receipts": ["1-0:1"]},
    "configure_queue": {
        "max_length": 1000,
        "max_message_bytes": 262144,
        "max_attempts": 5,
        "visibility_seconds": 30,
    },
    "extend_message": {"receipt": "1-0:1", "visibility_seconds": 60},
    "nack_message": {"receipt": "1-0:1", "delay_seconds": 600},
    "pop_messages": {"count": 1, "visibility_seconds": 60.5, "wait_seconds": 0},
    "purge_queue": {"what": "waiting"},
    "push_messages": {"messages": [{"body": {"a": 1}, "delay_seconds": 0}]},
    "redrive_messages": {"receipts": ["1-0"], "limit": 10},
}
