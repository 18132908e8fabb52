"""The list of deactivated NPIs, a workbook (.xlsx): read as it is inflated, since as a tree it would not be small."""

from __future__ import annotations

import re
import zipfile
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import IO
from xml.parsers import expat

from portal.errors import Refused

UNZIPPED_MOST = 200 << 20  # 355,330 numbers have 43 MB
PIECE = 1 << 16
INSIDE = "xl/"
STRINGS = f"{INSIDE}sharedStrings.xml"
SHEET = re.compile(rf"{INSIDE}worksheets/[^/]+\.xml")
HEADER_WITHIN = 10

Cell = tuple[str, str, str]  # column, type, text
Part = tuple[str, dict[str, str], str]  # its name, attributes and text


def deactivations(source: Path | IO[bytes]) -> Iterator[tuple[int, str]]:
    """Number and day (ISO 8601) of each row of the first sheet that is such a list.

    Raises Refused, and BadZipFile or KeyError where it is no workbook.
    """
    with zipfile.ZipFile(source) as archive:
        if sum(info.file_size for info in archive.infolist()) > UNZIPPED_MOST:
            raise Refused("The workbook is far larger than the list: not imported.")
        names = archive.namelist()
        strings: list[str] = []
        if STRINGS in names:
            strings = [text for _, _, text in _parts(archive, STRINGS, "si")]
        is_1904 = re.search(rb"date1904=.(?:1|true)", archive.read(f"{INSIDE}workbook.xml"))
        before = date(1904, 1, 1) if is_1904 else date(1899, 12, 30)
        for name in sorted(filter(SHEET.fullmatch, names)):
            rows = _rows(archive, name, strings)
            if places := _places(rows):
                yield from _said(rows, places, before)
                return
    raise Refused("The workbook has no columns NPI and Date in its first rows: not imported.")


def _places(rows: Iterator[tuple[int, list[Cell]]]) -> list[str] | None:
    """The columns of the number and of the day."""
    for n, cells in rows:
        numbers = [column for column, _, text in cells if text.strip().upper() == "NPI"]
        days = [column for column, _, text in cells if "DATE" in text.upper()]
        if len(numbers) == len(days) == 1:
            return numbers + days
        if n >= HEADER_WITHIN:
            break
    return None


def _said(
    rows: Iterator[tuple[int, list[Cell]]], places: list[str], before: date
) -> Iterator[tuple[int, str]]:
    for n, cells in rows:
        found = {column: (kind, text.strip()) for column, kind, text in cells if text.strip()}
        if not found:
            continue
        try:
            (_, number), (kind, day) = (found[place] for place in places)
            if not re.fullmatch("[12][0-9]{9}", number):
                raise ValueError("no NPI")
            yield int(number), _day(kind, day, before).isoformat()
        except (KeyError, ValueError, OverflowError) as error:
            raise Refused(f"Row {n} of the deactivated list has no NPI with a date: not imported.") from error


def _day(kind: str, text: str, before: date) -> date:
    """A day as text, or as the number or the date of a cell that shows one."""
    if kind == "n":
        return before + timedelta(days=float(text))
    if kind == "d":
        return date.fromisoformat(text[:10])
    return datetime.strptime(text, "%m/%d/%Y").date()  # noqa: DTZ007


def _rows(archive: zipfile.ZipFile, name: str, strings: list[str]) -> Iterator[tuple[int, list[Cell]]]:
    """Each row's number and cells. A cell need not say where it stands: then it is behind the one before it."""
    n, cells = 0, list[Cell]()
    for tag, said, text in _parts(archive, name, "c"):
        if tag == "row":
            if cells:
                yield n, cells
            at = said.get("r", "")
            n, cells = int(at) if at.isdecimal() else n + 1, []
            continue
        kind = said.get("t", "n")
        if kind == "s":
            try:
                text = strings[int(text)]
            except (IndexError, ValueError) as error:
                raise Refused(f"Row {n} of the deactivated list is not whole: not imported.") from error
        column = said["r"].rstrip("0123456789") if "r" in said else chr(ord("A") + len(cells))
        cells.append((column, kind, text))
    if cells:
        yield n, cells


class _Reader:
    """Takes each element of a name out of XML, with what it shows, and each beginning of a row."""

    def __init__(self, wanted: str) -> None:
        self.wanted, self.found = wanted, list[Part]()
        self._path, self._texts, self._attributes = list[str](), list[str](), dict[str, str]()
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.StartElementHandler, self._parser.EndElementHandler = self._start, self._end
        self._parser.CharacterDataHandler = self._shown
        self._parser.StartDoctypeDeclHandler = self._refuse

    def read(self, piece: bytes) -> list[Part]:
        """What ends in these bytes; the last ones are none. Raises Refused and ExpatError."""
        self.found = []
        self._parser.Parse(piece, not piece)
        return self.found

    def _start(self, tag: str, said: dict[str, str]) -> None:
        self._path.append(tag := tag.rpartition(" ")[2])
        if tag == "row":
            self.found.append((tag, said, ""))
        elif tag == self.wanted:
            self._attributes, self._texts = said, []

    def _end(self, _tag: str) -> None:
        if (tag := self._path.pop()) == self.wanted:
            self.found.append((tag, self._attributes, "".join(self._texts)))

    def _shown(self, text: str) -> None:
        if self._path[-1] in ("t", "v") and "rPh" not in self._path:  # not how it is spoken
            self._texts.append(text)

    def _refuse(self, *_: object) -> None:
        raise Refused("The workbook declares a document type, as none does: not imported.")


def _parts(archive: zipfile.ZipFile, name: str, wanted: str) -> Iterator[Part]:
    reader = _Reader(wanted)
    with archive.open(name) as file:
        try:
            while piece := file.read(PIECE):
                yield from reader.read(piece)
            yield from reader.read(b"")
        except expat.ExpatError as error:
            raise Refused(f"The workbook's {name} is no whole XML: not imported.") from error
