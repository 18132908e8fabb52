"""The registry index: what the national registry says, in an SQLite file of its own, read while it is replaced.

`importing` builds another file and renames it over this one; a reader takes up the new one at its next look-up.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import suppress
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from portal.errors import Unavailable
from portal.npi.names import Registered
from portal.npi.nppes import FACTS
from portal.npi.verdicts import NOBODY_ASKED, Answer, Provider

NAME = "registry.db"

SCHEMA = """
CREATE TABLE provider (npi INTEGER NOT NULL, facts TEXT NOT NULL);
CREATE TABLE deactivated (npi INTEGER PRIMARY KEY, day TEXT NOT NULL);
CREATE TABLE source (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, as_of TEXT NOT NULL, rows INTEGER NOT NULL,
    replaced INTEGER NOT NULL, imported TEXT NOT NULL
);
"""
# Made when all rows are there: sorting all numbers once is quicker than finding each its place.
INDEXED = "CREATE UNIQUE INDEX provider_npi ON provider (npi)"

MAPPED_MOST = 4 << 30
WIDTH = len(FACTS) - 1  # without the number
FIND = """
SELECT (SELECT facts FROM provider WHERE npi = ?1), (SELECT day FROM deactivated WHERE npi = ?1)
"""


@dataclass(frozen=True)
class Source:
    """One imported file; `as_of` is the last day it tells of, `replaced` counts characters that were no UTF-8."""

    sha256: str
    name: str
    kind: str  # full, weekly or deactivated
    as_of: date
    rows: int
    replaced: int
    imported: str


FIELDS = tuple(Source.__dataclass_fields__)


class Index:
    """The index at a path, which may not be there yet. Any thread may ask; each has a connection of its own."""

    def __init__(self, path: Path) -> None:
        self.path, self._file = path, os.fspath(path)
        self._local = threading.local()

    def find(self, npi: str) -> Provider | None:
        """What is known of a well-formed number, or None; raises Unavailable when the index cannot be read."""
        connection = self._connection()
        if connection is None:
            return None
        try:
            facts, day = connection.execute(FIND, (int(npi),)).fetchone()
        except sqlite3.Error as error:
            raise Unavailable("The registry index cannot be read. Import the registry again.") from error
        return None if facts is None and day is None else _provider(npi, facts or "", day or "")

    def ask(self, npi: str) -> Answer:
        """The same with its day and the name of the last file; raises Unavailable."""
        files = [source for source in self.sources() if source.kind != "deactivated"]
        return Answer(self.find(npi), self.as_of(), files[0].name) if files else NOBODY_ASKED

    def sources(self) -> list[Source]:
        """The files it was made of, the last one first; none when there is no index. Raises Unavailable."""
        connection = self._connection()
        if connection is None:
            return []
        try:
            rows = connection.execute("SELECT * FROM source ORDER BY imported DESC, rowid DESC").fetchall()
            return [
                Source(**{**dict(zip(FIELDS, row, strict=True)), "as_of": date.fromisoformat(row[3])})
                for row in rows
            ]
        except (sqlite3.Error, ValueError) as error:
            raise Unavailable("The registry index cannot be read. Import the registry again.") from error

    def as_of(self) -> date | None:
        """The last day that any of its provider files tells of; None without an index."""
        return max((source.as_of for source in self.sources() if source.kind != "deactivated"), default=None)

    def _connection(self) -> sqlite3.Connection | None:
        try:
            now = os.stat(self._file)  # noqa: PTH116 - a third of a look-up's time by Path
        except FileNotFoundError:
            return None
        which = (now.st_ino, now.st_mtime_ns)
        if getattr(self._local, "which", None) != which:
            with suppress(AttributeError):
                self._local.connection.close()
            self._local.connection = sqlite3.connect(
                f"{self.path.absolute().as_uri()}?mode=ro&immutable=1", uri=True
            )
            self._local.connection.execute(f"PRAGMA mmap_size = {MAPPED_MOST}")
            self._local.which = which
        connection: sqlite3.Connection = self._local.connection
        return connection


def _provider(npi: str, facts: str, day: str) -> Provider:
    """What stands in `nppes.FACTS`' order, without the number itself; `day` is the deactivated list's."""
    values = facts.split("\t")
    values += [""] * (WIDTH - len(values))
    entity, _, gone, back, replacement, organisation, last, first, middle, other_last, other_first = values[
        :11
    ]
    codes: list[str] = []
    states = [values[12]] if values[12] else []
    for n in range(14, len(values), 3):
        code, state, primary = (*values[n : n + 3], "", "")[:3]
        if code:
            codes.insert(0 if primary == "Y" else len(codes), code)
        if state and state not in states:
            states.append(state)
    return Provider(
        npi=npi,
        organisation=(organisation or "?") if entity == "2" else "",
        names=Registered(last, first, middle, other_last, other_first),
        credential=values[11],
        taxonomies=tuple(codes),
        states=tuple(states),
        phone=values[13],
        deactivated=day or _iso(gone),
        reactivated=_iso(back),
        replacement=replacement,
    )


def _iso(day: str) -> str:
    return f"{day[6:]}-{day[:2]}-{day[3:5]}" if day else ""
