"""Writes providers into an index that is being built: their lines as they come, then their numbers in order.

What is kept of a row on the way is eight bytes, and those go to a temporary table: memory stays as it is.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from itertools import groupby, pairwise
from operator import itemgetter

import numpy as np
from numpy.typing import NDArray

from portal.errors import Refused
from portal.npi.cutting import Cut
from portal.npi.index import PLACE_BITS, RANGE_BITS

TOGETHER = 24  # lines: what a look-up reads to find one
SORTED_AT_ONCE = 1 << 19

Places = NDArray[np.uint64]


class Store:
    """Takes providers in whatever order; `finish` has them found, in the place of what had their numbers before."""

    def __init__(self, new: sqlite3.Connection) -> None:
        self.new, self._waiting, self._count = new, list[Places](), 0
        # Left to itself, the temporary table has 500 pages in memory, which here are large, and a sort as much again.
        new.executescript(
            "PRAGMA temp.cache_size = -2000; CREATE TEMP TABLE part (range INTEGER NOT NULL, places BLOB NOT NULL);"
            "CREATE INDEX temp.part_range ON part (range)"
        )
        self._next: int = new.execute("SELECT coalesce(max(id), 0) + 1 FROM piece").fetchone()[0]

    def add(self, cut: Cut) -> None:
        """Keep these lines."""
        at = cut.starts[::TOGETHER].tolist()
        if len(cut) % TOGETHER:
            at.append(len(cut.lines))
        pieces = (cut.lines[begin:end] for begin, end in pairwise(at))
        self.new.executemany("INSERT INTO piece VALUES (?, ?)", enumerate(pieces, self._next))
        places = np.arange(len(cut)) // TOGETHER + self._next
        self._waiting.append((cut.numbers << PLACE_BITS | places).astype(np.uint64))
        self._next += len(at) - 1
        self._count += len(cut)
        if self._count >= SORTED_AT_ONCE:
            self._sort()

    def add_lines(self, lines: Iterable[bytes]) -> None:
        """Keep lines that come one by one."""
        found = list(lines)
        starts = np.cumsum([0, *(len(line) + 1 for line in found)])
        numbers = np.array([int(line[:10]) for line in found], np.int64)
        self.add(Cut(numbers, b"".join(b"\n" + line for line in found), starts))

    def finish(self) -> None:
        """Make what was added findable; raises Refused where two of it have one number."""
        self._sort()
        for which, places in self._parts():
            places.sort()
            numbers = places >> PLACE_BITS
            if (numbers[1:] == numbers[:-1]).any():
                raise Refused("The data file has two rows of one NPI: not imported.")
            before = self.new.execute("SELECT places FROM number WHERE range = ?", (which,)).fetchone()
            if before:
                old = np.frombuffer(before[0], np.uint64)
                places = np.sort(np.concatenate((places, old[~np.isin(old >> PLACE_BITS, numbers)])))
            self.new.execute("INSERT OR REPLACE INTO number VALUES (?, ?)", (which, places.tobytes()))
        self.new.execute("DELETE FROM part")

    def _sort(self) -> None:
        places = np.concatenate([np.array([], np.uint64), *self._waiting])
        places.sort()
        ranges = places >> (PLACE_BITS + RANGE_BITS)
        parts = np.split(places, np.flatnonzero(np.diff(ranges)) + 1) if len(places) else []
        self.new.executemany(
            "INSERT INTO part VALUES (?, ?)",
            ((int(part[0]) >> (PLACE_BITS + RANGE_BITS), part.tobytes()) for part in parts),
        )
        self._waiting, self._count = [], 0

    def _parts(self) -> Iterator[tuple[int, Places]]:
        rows = self.new.execute("SELECT range, places FROM part ORDER BY range")
        for which, parts in groupby(rows, itemgetter(0)):
            yield which, np.frombuffer(bytearray().join(places for _, places in parts), np.uint64)
