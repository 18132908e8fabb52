"""The registry index: what the national registry says, in an SQLite file of its own, read while it is replaced.

`importing` builds another file and renames it over this one; a reader takes up the new one at its next look-up.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from bisect import bisect_left
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import BinaryIO

from portal.errors import Unavailable
from portal.npi.facts import values
from portal.npi.names import Registered
from portal.npi.verdicts import NOBODY_ASKED, Answer, Provider

NAME = "registry.db"

# A piece is some providers' lines (`facts`), each behind a newline. A number's place is the number and its piece's in
# eight bytes; the places of one range of numbers stand together, in order.
SCHEMA = """
CREATE TABLE piece (id INTEGER PRIMARY KEY, lines BLOB NOT NULL);
CREATE TABLE number (range INTEGER PRIMARY KEY, places BLOB NOT NULL);
CREATE TABLE deactivated (npi INTEGER PRIMARY KEY, day TEXT NOT NULL);
CREATE TABLE source (
    sha256 TEXT PRIMARY KEY, name TEXT NOT NULL, kind TEXT NOT NULL, as_of TEXT NOT NULL, rows INTEGER NOT NULL,
    replaced INTEGER NOT NULL, imported TEXT NOT NULL
);
"""
PLACE_BITS, RANGE_BITS = 32, 18  # a range has some 2,400 of 9.2 million
PIECE = (1 << PLACE_BITS) - 1

MAPPED_MOST = 4 << 30
LINES = "SELECT lines FROM piece WHERE id = ?"
FIND = """
SELECT (SELECT places FROM number WHERE range = ?), (SELECT day FROM deactivated WHERE npi = ?)
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
        self.path = path
        self._mine = _Mine()

    def find(self, npi: str) -> Provider | None:
        """What is known of a well-formed number, or None; raises Unavailable when the index cannot be read."""
        cursor = self._cursor()
        if cursor is None:
            return None
        try:
            line, day = find(cursor, npi)
        except sqlite3.Error as error:
            raise Unavailable("The registry index cannot be read. Import the registry again.") from error
        return _provider(npi, line or b"", day or "") if line or day else None

    def ask(self, npi: str) -> Answer:
        """The same with its day and the name of the last file; raises Unavailable."""
        files = [source for source in self.sources() if source.kind != "deactivated"]
        return Answer(self.find(npi), self.as_of(), files[0].name) if files else NOBODY_ASKED

    def sources(self) -> list[Source]:
        """The files it was made of, the last one first; none when there is no index. Raises Unavailable."""
        cursor = self._cursor()
        if cursor is None:
            return []
        try:
            rows = cursor.execute("SELECT * FROM source ORDER BY imported DESC, rowid DESC").fetchall()
            return [
                Source(**{**dict(zip(FIELDS, row, strict=True)), "as_of": date.fromisoformat(row[3])})
                for row in rows
            ]
        except (sqlite3.Error, ValueError) as error:
            raise Unavailable("The registry index cannot be read. Import the registry again.") from error

    def as_of(self) -> date | None:
        """The last day that any of its provider files tells of; None without an index."""
        return max((source.as_of for source in self.sources() if source.kind != "deactivated"), default=None)

    def _cursor(self) -> sqlite3.Cursor | None:
        mine = self._mine.opened
        if mine is None or not mine.is_current():
            self._mine.opened = None
            try:
                file = self.path.open("rb")
            except FileNotFoundError:
                return None
            self._mine.opened = mine = _Opened(self.path, file)
        return mine.cursor


class _Mine(threading.local):
    """What a thread has open."""

    opened: _Opened | None = None


class _Opened:
    """The file at a path, which was opened just now."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.file, self.handle = file, file.fileno()
        now = os.fstat(self.handle)
        self.names, self.changed = now.st_nlink, now.st_ctime_ns
        self.connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro&immutable=1", uri=True)
        self.connection.execute(f"PRAGMA mmap_size = {MAPPED_MOST}")
        self.cursor = self.connection.cursor()

    def is_current(self) -> bool:
        """Whether the path still leads to it: asked of the file, which is much quicker than looking its name up."""
        now = os.fstat(self.handle)
        return now.st_ctime_ns == self.changed and now.st_nlink == self.names  # what losing its name changes

    def __del__(self) -> None:
        self.connection.close()
        self.file.close()


def find(asked: sqlite3.Connection | sqlite3.Cursor, npi: str) -> tuple[bytes | None, str | None]:
    """A number's line, and its day in the list of deactivated ones; raises sqlite3.Error."""
    number = int(npi)
    places, day = asked.execute(FIND, (number >> RANGE_BITS, number)).fetchone()
    if places is None:
        return None, day
    order = memoryview(places).cast("Q")
    at = bisect_left(order, number << PLACE_BITS)
    if at == len(order) or (place := order[at]) >> PLACE_BITS != number:
        return None, day
    (lines,) = asked.execute(LINES, (place & PIECE,)).fetchone()
    begin = lines.index(b"\n" + npi.encode()) + 1
    end = lines.find(b"\n", begin)
    return lines[begin:end] if end > 0 else lines[begin:], day


def count(connection: sqlite3.Connection) -> int:
    """How many providers there are; raises sqlite3.Error."""
    found: int = connection.execute("SELECT coalesce(sum(length(places)), 0) / 8 FROM number").fetchone()[0]
    return found


def _provider(npi: str, line: bytes, day: str) -> Provider:
    """What a line says; `day` is the deactivated list's."""
    said = values(line)
    _, entity, _, gone, back, replacement, organisation = said[:7]
    codes: list[str] = []
    states = [said[13]] if said[13] else []
    for n in range(15, len(said), 3):
        code, state, primary = said[n : n + 3]
        if code:
            codes.insert(0 if primary == "Y" else len(codes), code)
        if state and state not in states:
            states.append(state)
    return Provider(
        npi=npi,
        organisation=(organisation or "?") if entity == "2" else "",
        names=Registered(*said[7:12]),
        credential=said[12],
        taxonomies=tuple(codes),
        states=tuple(states),
        phone=said[14],
        deactivated=max(day, _iso(gone)),
        reactivated=_iso(back),
        replacement=replacement,
    )


def _iso(day: str) -> str:
    return f"{day[6:]}-{day[:2]}-{day[3:5]}" if day else ""
