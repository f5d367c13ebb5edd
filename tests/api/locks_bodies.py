"""A valid body for each operation of coordination's locks that takes one."""

from typing import Any

BODIES: dict[str, Any] = {
    "acquire_lock": {"ttl_seconds": 60, "wait_seconds": 0, "token": "a-token-of-the-test-itself"},
    "extend_lock": {"ttl_seconds": 60, "token": "a-token-of-the-test-itself"},
    "release_lock": {"token": "a-token-of-the-test-itself"},
}
