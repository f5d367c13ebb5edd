"""A valid body for each operation of coordination's rate limits that takes one."""

from typing import Any

BODIES: dict[str, Any] = {}
