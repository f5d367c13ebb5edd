"""The account under which the servers run.

PostgreSQL refuses to run as root. Everybody else runs the servers as themselves.
"""

import os
import pwd
from dataclasses import dataclass
from pathlib import Path

from operations.embedded.errors import CannotStart
from operations.embedded.paths import account_name

_CANDIDATES = ("postgres", "nobody")


@dataclass(frozen=True)
class Account:
    uid: int
    gid: int

    def __str__(self) -> str:
        return f"{self.uid}:{self.gid}"


def account_for(directory: Path) -> Account | None:
    """Answer the account to drop to for a server whose data is in this folder; None to stay as we are."""
    owner = directory.stat() if directory.exists() else None
    if os.geteuid() != 0:
        if owner is not None and owner.st_uid != os.geteuid():
            raise _belongs_to_another(directory, owner.st_uid)
        return None
    if owner is not None and owner.st_uid != 0:
        return Account(owner.st_uid, owner.st_gid)
    return _unprivileged()


def _unprivileged() -> Account:
    for name in _CANDIDATES:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        return Account(entry.pw_uid, entry.pw_gid)
    raise CannotStart(
        "PostgreSQL refuses to run as root and there is no account `postgres` or `nobody`: "
        "make one with `useradd --system postgres`, or run as an ordinary user."
    )


def _belongs_to_another(directory: Path, uid: int) -> CannotStart:
    return CannotStart(
        f"{directory} belongs to {account_name(uid)}: run as root or as {account_name(uid)}, "
        "or set VAR to a folder of your own."
    )


def hand_over(directory: Path, account: Account | None) -> None:
    """Give the folder and all below it to the account, as after a restore that root made."""
    if account is None or directory.stat().st_uid == account.uid:
        return
    for path in (directory, *directory.rglob("*")):
        os.chown(path, account.uid, account.gid, follow_symlinks=False)
