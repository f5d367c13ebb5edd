"""Everything that is held of a person, written as one ZIP archive.

Rows are read in batches by key, each in a short transaction: a large export holds neither a snapshot nor much memory.
So what is written meanwhile may or may not be in it. A batch ends by bytes too, and the database does the counting: of
what passes them, or the limit, nothing comes here.
"""

import hashlib
import uuid
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import datetime
from typing import IO, Any

from django.db import connection

from accounts.holdings import Lines, holdings
from api import documents
from api.cursors import PAGE_BYTES

VERSION = 1
# More than any rows have together, for an export without a limit.
ENDLESS = 2**60
README = """\
Everything that this Holdfast holds of one person.

manifest.json   who, when, and of each file the number of rows and the SHA-256
profile.json    the person; settings.json: what programs keep for them
admin-log.jsonl, audit.jsonl: what they did, and what was done to them, outside of any organization
organizations/  a folder for each organization, named by its id, with a file for each kind of thing

A .jsonl file has one JSON object on each line, in UTF-8. JSON that programs have stored is as they stored it, to the
digit. Times are in UTC. Never in here: passwords, keys and their digests, names and addresses of other people.
"""

# Opens the scope in which the rows of an organization are read, or for None those that are no organization's.
Within = Callable[[uuid.UUID | None], AbstractContextManager[None]]


class ExportTooLarge(Exception):
    """Raised when an export has more bytes than the caller takes."""


@dataclass
class Export:
    """One archive in the making. `limit` counts the bytes of content, which an archive hardly passes."""

    user_id: uuid.UUID
    within: Within
    limit: int | None = None
    progress: Callable[[str, int], None] | None = None
    files: dict[str, dict[str, Any]] = field(default_factory=dict)
    size: int = 0

    def write(self, target: IO[bytes], organization_ids: Sequence[uuid.UUID], *, now: datetime) -> None:
        """Write the archive: the person's own rows, and those in these organizations. Raises ExportTooLarge."""
        wanted = [lines for holding in holdings() for lines in holding.lines]
        with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("README.txt", README)
            for lines in wanted:
                for organization_id in organization_ids if lines.tenant else (None,):
                    self._write_lines(archive, lines, organization_id)
            archive.writestr("manifest.json", documents.dumps(self._manifest(organization_ids, now)))

    def _write_lines(self, archive: zipfile.ZipFile, lines: Lines, organization_id: uuid.UUID | None) -> None:
        folder = "" if organization_id is None else f"organizations/{organization_id}/"
        name = f"{folder}{lines.name}.{lines.suffix}"
        digest, rows = hashlib.sha256(), 0
        with archive.open(name, "w", force_zip64=True) as file:
            for line in self._rows(lines, organization_id):
                self.size += len(line) + 1
                for part in (line, b"\n"):
                    file.write(part)
                    digest.update(part)
                rows += 1
        self.files[name] = {"rows": rows, "sha256": digest.hexdigest()}
        if self.progress is not None:
            self.progress(name, rows)

    def _rows(self, lines: Lines, organization_id: uuid.UUID | None) -> Iterator[bytes]:
        """Yield the rows as lines; raises ExportTooLarge before it reads one that passes the limit."""
        last: tuple[Any, ...] = ()
        more = True
        while more:
            room = ENDLESS if self.limit is None else self.limit - self.size
            with self.within(organization_id), connection.cursor() as cursor:
                cursor.execute(*_statement(lines, self.user_id, organization_id, last, room))
                found = cursor.fetchall()
            given = [row for row in found if row[-1] is not None]
            if found and not given:
                raise ExportTooLarge(f"The export has more than {self.limit} bytes; manage.py exportuser has no limit.")
            more = len(found) == lines.batch or len(given) < len(found)
            del found
            # Each row is let go of before the next is written.
            for *key, line in _emptied(given):
                last = tuple(key)
                yield line

    def _manifest(self, organization_ids: Sequence[uuid.UUID], now: datetime) -> dict[str, Any]:
        return {
            "format": "holdfast-person",
            "version": VERSION,
            "user_id": self.user_id,
            "made_at": now,
            "organizations": list(organization_ids),
            "files": self.files,
        }


def _emptied(rows: list[tuple[Any, ...]]) -> Iterator[tuple[Any, ...]]:
    rows.reverse()
    while rows:
        yield rows.pop()


def _statement(
    lines: Lines, user_id: uuid.UUID, organization_id: uuid.UUID | None, last: tuple[Any, ...], room: int
) -> tuple[str, dict[str, Any]]:
    """Return what reads the next rows, each its key and its line.

    The line is null from where all lines so far take more than PAGE_BYTES, but not for the first, or than `room`. The
    sizes are of the same snapshot as the lines. Bytes come rather than text, which takes up to four times as much here.
    """
    key, conditions = ", ".join(lines.key), [lines.condition]
    parameters: dict[str, Any] = {"user": user_id, "batch": lines.batch, "at_once": PAGE_BYTES, "room": room}
    parameters |= {f"last_{at}": value for at, value in enumerate(last)}
    if organization_id is not None:
        conditions.append("organization_id = %(organization)s")
        parameters["organization"] = organization_id
    if last:
        conditions.append(f"({key}) > ({', '.join(f'%(last_{at})s' for at in range(len(last)))})")
    return (
        # What is put in are texts of our own. Materialized: each line is made once.
        f"WITH written AS MATERIALIZED (SELECT {key}, convert_to(row_to_json(found)::text, 'UTF8') AS line "  # noqa: S608
        f"FROM (SELECT {lines.columns} FROM {lines.table} WHERE ({') AND ('.join(conditions)}) "
        f"ORDER BY {key} LIMIT %(batch)s) found), "
        f"measured AS (SELECT {key}, line, octet_length(line) + 1 AS size, "
        f"sum(octet_length(line) + 1) OVER (ORDER BY {key}) AS total FROM written) "
        f"SELECT {key}, CASE WHEN total <= greatest(%(at_once)s, size) AND total <= %(room)s THEN line END "
        f"FROM measured ORDER BY {key}",
        parameters,
    )


def count_rows(user_id: uuid.UUID, within: Within) -> dict[str, int]:
    """Return how many rows of each kind an export of everything would have."""
    counts: dict[str, int] = {}
    for lines in (lines for holding in holdings() for lines in holding.lines):
        with within(None), connection.cursor() as cursor:
            cursor.execute(f"SELECT count(*) FROM {lines.table} WHERE {lines.condition}", {"user": user_id})  # noqa: S608
            counts[lines.name] = counts.get(lines.name, 0) + cursor.fetchone()[0]
    return counts


def organizations_of(user_id: uuid.UUID, within: Within) -> list[uuid.UUID]:
    """Return every organization that holds something of the person, also ones they have left; reads whole tables."""
    found: set[uuid.UUID] = set()
    for lines in (lines for holding in holdings() for lines in holding.lines if lines.tenant):
        with within(None), connection.cursor() as cursor:
            cursor.execute(
                f"SELECT DISTINCT organization_id FROM {lines.table} WHERE {lines.condition}",  # noqa: S608
                {"user": user_id},
            )
            found |= {organization_id for (organization_id,) in cursor.fetchall()}
    return sorted(found)
