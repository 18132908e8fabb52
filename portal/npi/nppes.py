"""The files of the National Plan and Provider Enumeration System (CMS, NPPES dissemination, version 2), as providers.

The data file has 330 columns, every value in double quotes and none inside a value (`cutting`). A row that is written
in another way goes by `csv.reader`; one that is no row of NPPES' is refused by its number and never guessed at.
"""

from __future__ import annotations

import csv
import io
import re
import zipfile
from collections.abc import Iterator
from datetime import datetime
from itertools import chain
from typing import IO

from portal.errors import Refused
from portal.npi.cutting import Cut, Cutter
from portal.npi.facts import NEEDED
from portal.npi.zipped import inflated

ROW_MOST = 1 << 16  # bytes; a real row has about 1,100
UNZIPPED_MOST = 40 << 30
WORKBOOK_MOST = 200 << 20
DATA_FILE = re.compile(r"(?:.*/)?npidata_pfile_(\d{8})-(\d{8})\.csv", re.IGNORECASE)
WEEKLY_DAYS = 45


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

    def rows(self) -> Iterator[Cut]:
        """The providers, as many at once as were inflated at once."""
        pieces = self._pieces()
        header, _, rest = next(pieces, b"").partition(b"\n")
        if not header or len(header) > ROW_MOST:
            raise Refused("The data file is empty, or has no header.")
        columns = next(csv.reader([header.decode("utf-8-sig", "replace")]))
        for name in NEEDED:
            if (times := columns.count(name)) != 1:
                raise Refused(
                    f"The data file has {'two columns' if times else 'no column'} {name!r}: not imported."
                )
        cutter, seen = Cutter(columns), 1
        for piece in chain([rest] if rest else [], pieces):
            try:
                found = cutter.cut(piece)
            except ValueError:
                found = cutter.cut(b"".join(_written(piece, cutter, seen + 1)))
            yield from found
            seen += sum(map(len, found))

    def _pieces(self) -> Iterator[bytes]:
        """Whole lines with their newlines, as many as were inflated at once."""
        rest = b""
        for piece in chain(inflated(self.archive, self.info), [None]):
            if piece is None:
                whole, rest = rest + b"\n" if rest else b"", b""
            else:
                self.done += len(piece)
                end = piece.rfind(b"\n") + 1
                whole = b"".join((rest, memoryview(piece)[:end])) if end else b""
                rest = piece[end:] if end else rest + piece
            if len(rest) > ROW_MOST:
                raise Refused("A row of the data file is longer than 64 kB: not imported.")
            if whole:
                yield whole if whole.isascii() and b"\r" not in whole else self._mended(whole)

    def _mended(self, piece: bytes) -> bytes:
        """The same in UTF-8, whatever it was, and with no more than a newline at a row's end."""
        text = piece.decode("utf-8", "replace")
        self.replaced += text.count("\ufffd")
        return text.replace("\r", "").encode()


def _written(piece: bytes, cutter: Cutter, number: int) -> Iterator[bytes]:
    """Each row of a piece as NPPES would write it; raises Refused at one that is none, by its number."""
    for n, line in enumerate(piece.splitlines(keepends=True), number):
        try:
            try:
                cutter.cut(line)
            except ValueError:
                (cells,) = csv.reader([line.decode()], strict=True)
                # A comma alone looks like what stands between two values.
                cells = [" ," if cell == "," else cell.replace('"', "'") for cell in cells]
                line = ('"' + '","'.join(cells) + '"\n').encode()
                cutter.cut(line)
        except (ValueError, csv.Error) as error:
            raise Refused(f"Row {n} of the data file is not as NPPES writes it: not imported.") from error
        yield line


def workbook(archive: zipfile.ZipFile) -> IO[bytes] | None:
    """The workbook inside a zip, or None; raises Refused when it is far too large for the list."""
    inside = [info for info in archive.infolist() if info.filename.lower().endswith(".xlsx")]
    if not inside:
        return None
    if inside[0].file_size > WORKBOOK_MOST:
        raise Refused("The workbook in the zip is too large: not imported.")
    return io.BytesIO(archive.read(inside[0]))
