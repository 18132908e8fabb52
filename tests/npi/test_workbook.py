"""The list of deactivated numbers as one program or another writes a workbook, and what is no such list."""

import zipfile
from datetime import date
from pathlib import Path

import openpyxl
import pytest

from portal.errors import Refused
from portal.npi import importing, workbook
from portal.npi.index import NAME, Index
from portal.npi.workbook import deactivations
from tests.npi.test_importing import AT, CLINIC, JANE, text, zipped

MAIN = "http://schemas.openxmlformats.org/spreadsheetml/2006/main"
HEADER = (
    "<c t='inlineStr'><is><t>NPI</t></is></c><c t='inlineStr'><is><t>NPPES Deactivation Date</t></is></c>"
)
FOUND = [(1234567893, "2026-11-05")]


def book(
    path: Path, rows: str, *, strings: str = "", main: str = "", namespace: str = MAIN, name: str = "sheet1"
) -> Path:
    """A workbook of these rows behind the header, with no more in it than must be."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", f"<workbook xmlns='{namespace}'>{main}</workbook>")
        sheet = f"<worksheet xmlns='{namespace}'><sheetData><row>{HEADER}</row>{rows}</sheetData></worksheet>"
        archive.writestr(f"xl/worksheets/{name}.xml", sheet)
        if strings:
            archive.writestr("xl/sharedStrings.xml", f"<sst xmlns='{namespace}'>{strings}</sst>")
    return path


def row(number: str, day: str) -> str:
    return f"<row><c t='str'><v>{number}</v></c><c t='str'><v>{day}</v></c></row>"


GOOD = row("1234567893", "11/05/2026")
SHAPES = {
    "text": {"rows": GOOD},
    "shared text, some of it formatted, with how it is spoken": {
        "rows": "<row><c t='s'><v>1</v></c><c t='s'><v>0</v></c></row>",
        "strings": "<si><r><t>11/05</t></r><r><t>/2026</t></r><rPh><t>x</t></rPh></si><si><t>1234567893</t></si>",
    },
    "numbers": {"rows": "<row><c><v>1234567893</v></c><c><v>46331</v></c></row>"},
    "numbers of a day since 1904": {
        "rows": "<row><c><v>1234567893</v></c><c><v>44869.5</v></c></row>",
        "main": "<workbookPr date1904='1'/>",
    },
    "a date": {"rows": "<row><c t='n'><v>1234567893</v></c><c t='d'><v>2026-11-05T00:00:00</v></c></row>"},
    "a formula's result": {"rows": GOOD.replace("<v>1", "<f>A1&amp;B1</f><v>1", 1)},
    "columns elsewhere, one before them, an empty row": {
        "rows": "<row r='2'/><row r='9'><c r='A9'/><c r='B9' t='str'><v>11/05/2026</v></c>"
        "<c r='A9' t='str'><v> 1234567893 </v></c></row>"
    },
    "strict": {"rows": GOOD, "namespace": "http://purl.oclc.org/ooxml/spreadsheetml/main"},
    "another name of the sheet": {"rows": GOOD, "name": "Sheet"},
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_list_is_read_however_it_is_written(
    tmp_path: Path, shape: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(workbook, "PIECE", 7)
    assert list(deactivations(book(tmp_path / "list.xlsx", **SHAPES[shape]))) == FOUND


def test_a_list_behind_an_empty_sheet_with_its_columns_the_other_way_round(tmp_path: Path) -> None:
    made = openpyxl.Workbook()
    made.active.append(["Read me"])
    sheet = made.create_sheet("List")
    for cells in [
        ["Title"],
        [None, "Deactivation Date", None, "NPI"],
        [],
        ["x", date(2026, 11, 5), "", 1234567893],
    ]:
        sheet.append(cells)
    made.save(tmp_path / "list.xlsx")
    assert list(deactivations(tmp_path / "list.xlsx")) == FOUND


BAD = {
    "letters": (row("12345A7893", "11/05/2026"), "Row 2 "),
    "other digits": (row("١٢٣٤٥٦٧٨٩٣", "11/05/2026"), "Row 2 "),
    "a digit less": (GOOD + row("123456789", "11/05/2026"), "Row 3 "),
    "the columns swapped": (row("11/05/2026", "1234567893"), "Row 2 "),
    "no day": ("<row><c t='str'><v>1234567893</v></c></row>", "Row 2 "),
    "no such day": (row("1234567893", "02/30/2026"), "Row 2 "),
    "a day of another age": ("<row><c><v>1234567893</v></c><c><v>9e99</v></c></row>", "Row 2 "),
    "text that is not there": ("<row><c t='s'><v>4</v></c></row>", "Row 2 .* not whole"),
    "XML that ends": (GOOD + "<row", "no whole XML"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_is_no_list_is_refused_and_the_old_index_serves(tmp_path: Path, case: str) -> None:
    rows, reason = BAD[case]
    importing.take(zipped(tmp_path / "full.zip", text(JANE, CLINIC)), tmp_path, at=AT)
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(Refused, match=reason):
        importing.take(book(tmp_path / "list.xlsx", rows), tmp_path, at=AT)
    assert (tmp_path / NAME).read_bytes() == before
    assert Index(tmp_path / NAME).find("1234567893")


def test_a_document_type_is_refused(tmp_path: Path) -> None:
    path = book(tmp_path / "list.xlsx", GOOD)
    sheet = "<!DOCTYPE w [<!ENTITY a 'NPI'>]><worksheet><row>&a;</row></worksheet>"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        archive.writestr("xl/worksheets/sheet1.xml", sheet)
    with pytest.raises(Refused, match="document type"):
        list(deactivations(path))


def test_what_is_far_larger_than_the_list_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workbook, "UNZIPPED_MOST", 100)
    with pytest.raises(Refused, match="far larger"):
        list(deactivations(book(tmp_path / "list.xlsx", GOOD)))


@pytest.mark.parametrize("at", [60, 260, -30])
def test_a_damaged_workbook_is_refused(tmp_path: Path, at: int) -> None:
    importing.take(zipped(tmp_path / "full.zip", text(JANE, CLINIC)), tmp_path, at=AT)
    path = book(tmp_path / "list.xlsx", GOOD * 50)
    broken = bytearray(path.read_bytes())
    broken[at : at + 8] = bytes(255 - byte for byte in broken[at : at + 8])
    path.write_bytes(broken)
    with pytest.raises(Refused):
        importing.take(path, tmp_path, at=AT)
    assert Index(tmp_path / NAME).find("1234567893")
