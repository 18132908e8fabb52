"""The files of the National Plan and Provider Enumeration System (CMS, NPPES dissemination, version 2), as rows.

The data file has 330 columns, every value in double quotes and none inside a value, so a row is cut at `","`, only as
far as it tells something. Any other row is refused by its number and never guessed at.
"""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime
from itertools import chain
from pathlib import Path
from typing import IO

from portal.errors import Refused

CHUNK = 1 << 18
ROW_MOST = 1 << 16  # bytes; a real row has about 1,100
UNZIPPED_MOST = 40 << 30
WORKBOOK_MOST = 200 << 20
DATA_FILE = re.compile(r"(?:.*/)?npidata_pfile_(\d{8})-(\d{8})\.csv", re.IGNORECASE)
WEEKLY_DAYS = 45

PRACTICE = "Provider Business Practice Location Address "
PLAIN = (
    "NPI",
    "Entity Type Code",
    "Replacement NPI",
    "Provider Organization Name (Legal Business Name)",
    "Provider Last Name (Legal Name)",
    "Provider First Name",
    "Provider Middle Name",
    "Provider Credential Text",
    "Provider Other Last Name",
    "Provider Other First Name",
    f"{PRACTICE}State Name",
    f"{PRACTICE}Telephone Number",
    "Last Update Date",
    "NPI Deactivation Date",
    "NPI Reactivation Date",
)
CODES = tuple(f"Healthcare Provider Taxonomy Code_{n}" for n in range(1, 16))
LICENSED = tuple(f"Provider License Number State Code_{n}" for n in range(1, 16))
PRIMARY = tuple(f"Healthcare Provider Primary Taxonomy Switch_{n}" for n in range(1, 16))

Row = tuple[int | str | None, ...]


class DataFile:
    """One dissemination zip: `rows()` streams it, `replaced` counts what was no UTF-8, `done` the bytes read so far.

    Raises Refused, with the reason, for what is no such file, at opening or at the row that shows it.
    """

    def __init__(self, archive: zipfile.ZipFile) -> None:
        inside = [(DATA_FILE.fullmatch(info.filename), info) for info in archive.infolist()]
        found = [(match, info) for match, info in inside if match]
        if len(found) != 1:
            raise Refused("The zip must hold one file npidata_pfile_<from>-<to>.csv with dates as YYYYMMDD.")
        match, self.info = found[0]
        assert match is not None  # noqa: S101 - told to the type checker
        try:
            first, self.as_of = (datetime.strptime(day, "%Y%m%d").date() for day in match.groups())  # noqa: DTZ007
        except ValueError as error:
            raise Refused(f"The dates in the name {self.info.filename} are no dates.") from error
        self.is_full = (self.as_of - first).days > WEEKLY_DAYS
        if self.info.file_size > UNZIPPED_MOST:
            raise Refused(
                f"{self.info.filename} would unzip to {self.info.file_size >> 30} GB: not imported."
            )
        self.archive = archive
        self.replaced = self.done = 0

    def rows(self) -> Iterator[list[Row]]:
        """The providers, in batches as large as what was read at once, in the order of the index's columns."""
        with self.archive.open(self.info) as stream:
            lines = self._batches(stream)
            header = next(lines, None)
            if not header:
                raise Refused("The data file is empty.")
            columns = header.pop(0).strip('"\ufeff').split('","')
            missing = [name for name in (*PLAIN, *CODES, *LICENSED, *PRIMARY) if name not in columns]
            if missing:
                raise Refused(f"The data file has no column {missing[0]!r}: not imported.")
            reader = _Reader(columns)
            seen = 1
            for batch in chain([header], lines):
                try:
                    yield [reader.row(line) for line in batch]
                except ValueError as error:
                    bad = next(n for n, line in enumerate(batch, seen + 1) if not reader.is_row(line))
                    raise Refused(
                        f"Row {bad} of the data file is not as NPPES writes it: not imported."
                    ) from error
                seen += len(batch)

    def _batches(self, stream: IO[bytes]) -> Iterator[list[str]]:
        rest = b""
        while chunk := stream.read(CHUNK):
            self.done += len(chunk)
            whole, newline, tail = chunk.rpartition(b"\n")
            if not newline:
                rest += tail
            else:
                text = (rest + whole).decode("utf-8", "replace")
                self.replaced += text.count("\ufffd")
                rest = tail
                yield text.replace("\r", "").split("\n")
            if len(rest) > ROW_MOST:
                raise Refused("A row of the data file is longer than 64 kB: not imported.")
        if rest:
            text = rest.decode("utf-8", "replace")
            self.replaced += text.count("\ufffd")
            yield [text.rstrip("\r")]


class _Reader:
    """Cuts rows with the columns where this file has them."""

    def __init__(self, columns: list[str]) -> None:
        self.breaks = len(columns) - 1
        at = {name: n for n, name in enumerate(columns)}
        self.plain = [at[name] for name in PLAIN]
        self.taxonomies = list(
            zip(*([at[name] for name in names] for names in (CODES, LICENSED, PRIMARY)), strict=True)
        )
        # Cutting is most of the work: few have a second taxonomy, and what lies behind the last one is not wanted.
        self.cuts = max(*self.plain, *(n for three in self.taxonomies for n in three)) + 1
        self.head = max(*self.plain, *self.taxonomies[0]) + 1
        self.blank = '","' * (self.cuts - self.head)

    def is_row(self, line: str) -> bool:
        try:
            self.row(line)
        except ValueError:
            return False
        return True

    def row(self, line: str) -> Row:
        """One provider in the index's columns; raises ValueError for any row that is not as NPPES writes it."""
        if line.count('","') != self.breaks or line[:1] != '"' or line[-1:] != '"':
            raise ValueError("not so many columns")
        cells, taxonomies = line[1:-1].split('","', self.head), self.taxonomies[:1]
        if not cells[-1].startswith(self.blank):
            cells, taxonomies = line[1:-1].split('","', self.cuts), self.taxonomies
        (npi, entity, replacement, organisation, last, first, middle, credential, other_last, other_first, state,
         phone, updated, gone, back) = [cells[n] for n in self.plain]  # fmt: skip
        if len(npi) != 10 or not npi.isascii() or entity not in ("1", "2", ""):
            raise ValueError("no NPI or no entity type")
        changed = int(updated[6:] + updated[:2] + updated[3:5]) if updated else 0
        left, returned = _iso(gone), _iso(back)
        if entity == "2":
            return (int(npi), changed, organisation or "?", *[None] * 9, left, returned, replacement or None)
        codes: list[str] = []
        states = [state]
        for code_at, state_at, primary_at in taxonomies:
            if code := cells[code_at]:
                codes.insert(0 if cells[primary_at] == "Y" else len(codes), code)
                states.append(cells[state_at])
        return (
            int(npi), changed, None, last, first or None, middle or None, other_last or None, other_first or None,
            credential or None, " ".join(codes), " ".join(dict.fromkeys(filter(None, states))), phone or None,
            left, returned, replacement or None,
        )  # fmt: skip


def _iso(day: str) -> str | None:
    """MM/DD/YYYY as ISO 8601; raises ValueError for anything else but nothing."""
    if not day:
        return None
    if len(day) != 10:
        raise ValueError("no date")
    return date(int(day[6:]), int(day[:2]), int(day[3:5])).isoformat()


def deactivations(source: Path | IO[bytes]) -> Iterator[tuple[int, str]]:
    """Number and day of the list of deactivated NPIs (a title row, then a header, then text); raises Refused."""
    import openpyxl  # a big thing to load, for one list a month

    book = openpyxl.load_workbook(source, read_only=True, data_only=True)
    try:
        started = False
        for n, cells in enumerate(book.worksheets[0].iter_rows(values_only=True, max_col=2), 1):
            if not started:
                started = str(cells[0]).strip().upper() == "NPI"
                if n > 10:
                    break
                continue
            if cells[0] is None:
                continue
            try:
                day = (
                    cells[1].date().isoformat()
                    if isinstance(cells[1], datetime)
                    else _iso(str(cells[1]).strip())
                )
                number = str(cells[0]).strip()
                if len(number) != 10 or not day:
                    raise ValueError("no NPI or no date")
                yield int(number), day
            except (ValueError, IndexError) as error:
                raise Refused(
                    f"Row {n} of the deactivated list has no NPI with a date: not imported."
                ) from error
        if not started:
            raise Refused("The workbook has no column NPI in its first rows: not imported.")
    finally:
        book.close()


def workbook(archive: zipfile.ZipFile) -> IO[bytes] | None:
    """The workbook inside a zip, or None; raises Refused when it is far too large for the list."""
    inside = [info for info in archive.infolist() if info.filename.lower().endswith(".xlsx")]
    if not inside:
        return None
    if inside[0].file_size > WORKBOOK_MOST:
        raise Refused("The workbook in the zip is too large: not imported.")
    return io.BytesIO(archive.read(inside[0]))
