"""The files of the National Plan and Provider Enumeration System (CMS, NPPES dissemination, version 2), as rows.

The data file has 330 columns, every value in double quotes and none inside a value, so a row is cut at `","`, only as
far as it tells something. Any other row is refused by its number and never guessed at.
"""

from __future__ import annotations

import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator
from datetime import datetime
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import IO

from portal.errors import Refused

CHUNK = 1 << 15  # of what is zipped: it inflates to about ten times as much
ROW_MOST = 1 << 16  # bytes; a real row has about 1,100
UNZIPPED_MOST = 40 << 30
WORKBOOK_MOST = 200 << 20
DATA_FILE = re.compile(r"(?:.*/)?npidata_pfile_(\d{8})-(\d{8})\.csv", re.IGNORECASE)
WEEKLY_DAYS = 45

PRACTICE = "Provider Business Practice Location Address "
CODES = tuple(f"Healthcare Provider Taxonomy Code_{n}" for n in range(1, 16))
LICENSED = tuple(f"Provider License Number State Code_{n}" for n in range(1, 16))
PRIMARY = tuple(f"Healthcare Provider Primary Taxonomy Switch_{n}" for n in range(1, 16))

Row = tuple[int, str]
"""A number, and what the index keeps of it: values between tabs, without the empty ones at the end."""

# The order of the values. Behind them, for a person who is several kinds of provider, three for each other one.
FACTS = (
    "NPI",
    "Entity Type Code",
    "Last Update Date",
    "NPI Deactivation Date",
    "NPI Reactivation Date",
    "Replacement NPI",
    "Provider Organization Name (Legal Business Name)",
    "Provider Last Name (Legal Name)",
    "Provider First Name",
    "Provider Middle Name",
    "Provider Other Last Name",
    "Provider Other First Name",
    "Provider Credential Text",
    f"{PRACTICE}State Name",
    f"{PRACTICE}Telephone Number",
    CODES[0],
    LICENSED[0],
    PRIMARY[0],
)
ORGANISATION = 7  # of these are kept of one
OTHERS = tuple(name for three in zip(CODES[1:], LICENSED[1:], PRIMARY[1:], strict=True) for name in three)
NEEDED = (*FACTS, *OTHERS)
TAB, BETWEEN, QUOTE = b"\t", b'","', ord('"')
_DAY = "(?:(?:0[1-9]|1[0-2])/(?:0[1-9]|[12][0-9]|3[01])/[12][0-9]{3})?"
_BEGINS = re.compile(rf'"[0-9]{{10}}\t[12]?\t{_DAY}\t{_DAY}\t{_DAY}\t(?:[0-9]{{10}})?(?:\t|$)'.encode()).match


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
        """The providers, in batches as large as what was read at once."""
        pieces = self._pieces()
        header, _, rest = next(pieces, b"").partition(b"\n")
        if not header:
            raise Refused("The data file is empty.")
        columns = header.decode("utf-8", "replace").strip('"\ufeff').split('","')
        if missing := [name for name in NEEDED if name not in columns]:
            raise Refused(f"The data file has no column {missing[0]!r}: not imported.")
        cutter, seen = _Cutter(columns), 1
        for piece in chain([rest] if rest else [], pieces):
            lines = piece.split(b"\n")
            try:
                yield cutter.rows(lines)
            except (ValueError, IndexError) as error:
                bad = next(n for n, line in enumerate(lines, seen + 1) if not cutter.is_row(line))
                raise Refused(
                    f"Row {bad} of the data file is not as NPPES writes it: not imported."
                ) from error
            seen += len(lines)

    def _pieces(self) -> Iterator[bytes]:
        """Whole lines, as many as were inflated at once, without the newline behind the last one."""
        rest = b""
        for piece in chain(inflated(self.archive, self.info), [None]):
            if piece is None:
                whole, rest = rest, b""
            else:
                self.done += len(piece)
                whole, newline, tail = piece.rpartition(b"\n")
                whole, rest = (rest + whole, tail) if newline else (b"", rest + tail)
            if len(rest) > ROW_MOST:
                raise Refused("A row of the data file is longer than 64 kB: not imported.")
            if whole:
                yield (
                    whole
                    if whole.isascii() and TAB not in whole and b"\r" not in whole
                    else self._mended(whole)
                )

    def _mended(self, piece: bytes) -> bytes:
        """The same in UTF-8, whatever it was, and with blanks where tabs were."""
        text = piece.decode("utf-8", "replace")
        self.replaced += text.count("\ufffd")
        return text.replace("\r", "").replace("\t", " ").encode()


def inflated(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> Iterator[bytes]:
    """A member's bytes in pieces, as zipfile gives them, at half the cost: it copies what it has not inflated yet.

    Raises BadZipFile when they are not those that were zipped.
    """
    with archive.open(info):  # which reads the member's own header, and refuses what it cannot read
        pass
    file = archive.fp
    assert file is not None  # noqa: S101 - told to the type checker
    file.seek(info.header_offset + 26)
    lengths = file.read(4)
    start = info.header_offset + 30
    file.seek(start + int.from_bytes(lengths[:2], "little") + int.from_bytes(lengths[2:], "little"))
    if info.compress_type not in (zipfile.ZIP_DEFLATED, zipfile.ZIP_STORED):
        raise zipfile.BadZipFile("compressed in another way than Deflate")
    engine = zlib.decompressobj(-15) if info.compress_type == zipfile.ZIP_DEFLATED else None
    left, size, check = info.compress_size, 0, 0
    while left and (packed := file.read(min(CHUNK, left))):
        left -= len(packed)
        chunk = engine.decompress(packed) if engine else packed
        size, check = size + len(chunk), zlib.crc32(chunk, check)
        if size > info.file_size:
            break
        if chunk:
            yield chunk
    if left or size != info.file_size or check != info.CRC or (engine and not engine.eof):
        raise zipfile.BadZipFile("its bytes are not those that were zipped")


class _Cutter:
    """Cuts rows with the columns where this file has them."""

    def __init__(self, columns: list[str]) -> None:
        at = {name: n for n, name in enumerate(columns)}
        where = [at[name] for name in (*FACTS, *OTHERS)]
        # Usual: the number, more that is kept of all, other kinds of provider, and what is not wanted.
        facts, others = where[: len(FACTS)], where[len(FACTS) :]
        self.turn: Callable[[list[bytes]], tuple[bytes, ...]] | None = None
        if facts[0] or max(facts) > min(others) or max(others) == len(columns) - 1:
            self.turn = itemgetter(*where)
            facts, others = list(range(len(FACTS))), list(range(len(FACTS), len(where)))
        self.facts, self.organisation, self.entity = (
            itemgetter(*facts),
            itemgetter(*facts[:ORGANISATION]),
            facts[1],
        )
        # Cutting is most of the work, and few are several kinds of provider.
        self.head, self.tail = max(facts) + 1, max(others) - max(facts)
        self.others = itemgetter(*(n - self.head for n in others))
        self.blank = BETWEEN * self.tail

    def is_row(self, line: bytes) -> bool:
        try:
            self.rows([line])
        except (ValueError, IndexError):
            return False
        return True

    def rows(self, lines: list[bytes]) -> list[Row]:
        """The rows; raises ValueError or IndexError where one is not as NPPES writes it."""
        if self.turn is not None:
            lines = [b'"%s",""' % BETWEEN.join(self.turn(line[1:-1].split(BETWEEN))) for line in lines]
        head, entity, blank, found = self.head, self.entity, self.blank, []
        for line in lines:
            cells = line.split(BETWEEN, head)
            is_organisation = cells[entity] == b"2"
            facts = TAB.join((self.organisation if is_organisation else self.facts)(cells))
            if _BEGINS(facts) is None or line[-1] != QUOTE:
                raise ValueError("no NPI, no date, or no end")
            if not (is_organisation or cells[-1].startswith(blank)):
                facts = TAB.join((facts, *self.others(cells[-1].split(BETWEEN, self.tail))))
            found.append((int(facts[1:11]), facts[12:].rstrip(TAB).decode()))
        return found


def updated(facts: str) -> str:
    """The day of a row's last update, so that it sorts; empty where there is none."""
    day = facts[facts.find("\t") + 1 :][:10]
    return day[6:] + day[:5] if day[:1].isdigit() else ""


def iso(day: str) -> str:
    """MM/DD/YYYY as ISO 8601, and nothing as nothing; raises ValueError."""
    return datetime.strptime(day, "%m/%d/%Y").date().isoformat() if day else ""  # noqa: DTZ007


def deactivations(source: Path | IO[bytes]) -> Iterator[tuple[int, str]]:
    """Number and day of the list of deactivated NPIs (a title row, then a header, then text); raises Refused."""
    import openpyxl  # a big thing to load, for one list a month

    book = openpyxl.load_workbook(source, read_only=True, data_only=True)
    try:
        sheet, started = book.worksheets[0], False
        sheet.reset_dimensions()  # what is written there need not be true (findings/openpyxl-…)
        for n, cells in enumerate(sheet.iter_rows(values_only=True, max_col=2), 1):
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
                    else iso(str(cells[1]).strip())
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
