"""Valkey may use half of what there is, and refuses what would need more."""

import os
from pathlib import Path

import pytest
import redis

from operations import embedded
from operations.embedded.memory import usable_bytes
from operations.embedded.paths import Var
from operations.embedded.valkey import Valkey

MACHINE = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
FAR = 2**63 - 4096


def _groups(tmp_path: Path, membership: str, limits: dict[str, str]) -> tuple[Path, Path]:
    groups, belongs = tmp_path / "groups", tmp_path / "belongs"
    belongs.write_text(membership)
    for name, text in limits.items():
        (groups / name).parent.mkdir(parents=True, exist_ok=True)
        (groups / name).write_text(f"{text}\n")
    return groups, belongs


@pytest.mark.parametrize(
    ("membership", "limits", "found"),
    [
        ("0::/\n", {"memory.max": "4096000"}, 4096000),
        ("0::/a/b\n", {"a/b/memory.max": "max", "a/memory.max": "8192000"}, 8192000),
        ("0::/a/b\n", {"a/b/memory.max": "4096000", "a/memory.max": "8192000"}, 4096000),
        ("0::/outside\n", {"memory.max": "4096000"}, 4096000),
        ("3:cpu,memory:/a\n0::/\n", {"memory/a/memory.limit_in_bytes": "4096000"}, 4096000),
        ("3:memory:/a\n", {"memory/memory.limit_in_bytes": str(FAR)}, MACHINE),
        ("0::/\n", {}, MACHINE),
    ],
    ids=["own", "around", "both", "container", "version-1", "version-1-without", "none"],
)
def test_memory_is_the_machines_or_the_least_that_a_group_leaves(
    tmp_path: Path, membership: str, limits: dict[str, str], found: int
) -> None:
    assert usable_bytes(*_groups(tmp_path, membership, limits)) == found


def test_where_no_groups_can_be_read_memory_is_the_machines(tmp_path: Path) -> None:
    assert usable_bytes(tmp_path / "groups", tmp_path / "belongs") == MACHINE


def test_valkey_is_told_of_half_the_memory_and_to_evict_nothing(tmp_path: Path) -> None:
    engine = Valkey(Var(tmp_path))
    engine.var.run.mkdir(parents=True)
    engine.var.secrets.mkdir(parents=True)

    _, path = engine.configure(6379)

    lines = Path(path).read_text().splitlines()
    assert f"maxmemory {usable_bytes() // 2}" in lines
    assert "maxmemory-policy noeviction" in lines


def test_valkey_keeps_to_what_it_was_told(tmp_path: Path) -> None:
    with (
        embedded.servers(tmp_path / "var", postgres=False) as environment,
        redis.Redis.from_url(environment["REDIS_URL"]) as client,
    ):
        found = client.info("memory")

    assert (found["maxmemory"], found["maxmemory_policy"]) == (usable_bytes() // 2, "noeviction")
