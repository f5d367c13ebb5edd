"""How much memory this process may have: the machine's, or less in a container."""

import os
from collections.abc import Iterator
from pathlib import Path

_GROUPS = Path("/sys/fs/cgroup")
_MEMBERSHIP = Path("/proc/self/cgroup")


def usable_bytes(groups: Path = _GROUPS, membership: Path = _MEMBERSHIP) -> int:
    """Return the least of the machine's memory and the limits of the control groups, where those can be read."""
    machine = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    return min([machine, *_group_limits(groups, membership)])


def _group_limits(groups: Path, membership: Path) -> Iterator[int]:
    try:
        lines = membership.read_text().splitlines()
    except OSError:
        return  # Not Linux.
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if not controllers:
            yield from _limits(groups, path, "memory.max")
        elif "memory" in controllers.split(","):
            yield from _limits(groups / "memory", path, "memory.limit_in_bytes")


def _limits(root: Path, path: str, name: str) -> Iterator[int]:
    """Yield the limits of a group and of those it is in; inside a container its own may be at the root."""
    group = Path(path.strip("/"))
    for place in (group, *group.parents):
        try:
            text = (root / place / name).read_text().strip()
        except OSError:
            continue
        if text.isdecimal():  # Else it is "max".
            yield int(text)
