"""A valid body for each operation of coordination's locks that takes one."""

from typing import Any

BODIES: dict[str, Any] = {}
