"""The folder that holds everything an installation keeps on its own disk (`VAR`)."""

import os
import pwd
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from operations.embedded.errors import CannotStart

CHECKOUT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Var:
    """Name the places below `VAR`. No folder outside it is ever changed."""

    root: Path

    @property
    def postgres(self) -> Path:
        return self.root / "postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkey"

    @property
    def secrets(self) -> Path:
        return self.root / "secrets"

    @property
    def run(self) -> Path:
        return self.root / "run"

    @property
    def log(self) -> Path:
        return self.root / "log"

    def make(self) -> None:
        """Create the folders that only this process's owner enters; raise CannotStart when that is impossible."""
        try:
            self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
            for folder in (self.secrets, self.run, self.log):
                folder.mkdir(mode=0o700, exist_ok=True)
                if not os.access(folder, os.R_OK | os.W_OK | os.X_OK):
                    raise PermissionError(13, "not writable", str(folder))
        except OSError as problem:
            raise not_writable(self.root, problem) from problem


def var_from(environ: Mapping[str, str]) -> Path:
    """Answer the folder of this installation: `VAR`, else `var` beside manage.py."""
    return Path(environ.get("VAR") or CHECKOUT / "var").absolute()


def not_writable(root: Path, problem: OSError) -> CannotStart:
    where = Path(problem.filename) if problem.filename else root
    return CannotStart(
        f"Cannot write to {where} ({problem.strerror}{_owner(where)}): "
        "run as its owner, or set VAR to a folder you may write to, for example `VAR=$HOME/holdfast make up`."
    )


def _owner(path: Path) -> str:
    """Name the owner of the path, or of the nearest folder above it that can be seen."""
    for candidate in (path, *path.parents):
        try:
            uid = candidate.stat().st_uid
        except OSError:
            continue
        return f", {candidate} belongs to {account_name(uid)}"
    return ""


def account_name(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"


def write_atomically(path: Path, text: str) -> None:
    """Replace a small private file; readers see the old text or the new, never a part."""
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
    draft.replace(path)


def sync(folder: Path) -> None:
    """Put the names in the folder on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
