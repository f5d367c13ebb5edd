"""One call of Valkey: a script with its keys, its arguments and a reader of its answer. Needs no Django.

Every primitive is made of these, so that sync and async callers run the same scripts on the same keys. A script takes
one round trip, and nothing comes between its first command and its last.
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

T = TypeVar("T")
PLACE = Path(__file__).parent / "scripts"


class Script:
    """The text of a script, from one file of `scripts/` or several in a row, and its SHA-1."""

    def __init__(self, *names: str) -> None:
        self.name = names[-1]
        self.text = "\n".join((PLACE / f"{name}.lua").read_text(encoding="utf-8") for name in names)
        self.sha = hashlib.sha1(self.text.encode(), usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """What is to be run. `read` makes the result of what the script returns."""

    script: Script
    keys: tuple[str, ...]
    arguments: tuple[str | bytes | int, ...]
    read: Callable[[Any], T]
