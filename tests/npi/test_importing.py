"""The registry's files into the index: what is taken, what is refused, and that the old index stays."""

import fcntl
import sqlite3
import subprocess
import sys
import time
import zipfile
from datetime import UTC, date, datetime
from pathlib import Path

import openpyxl
import pytest

from config import ROOT
from portal.errors import Conflict, PortalError, Refused, Unavailable
from portal.npi import facts, importing, nppes
from portal.npi import zipped as zip_member
from portal.npi.index import NAME, Index

AT = datetime(2026, 11, 9, tzinfo=UTC)
FULL, WEEK = "20050523-20261108", "20261109-20261115"
COLUMNS = list(
    dict.fromkeys(
        [
            *facts.FACTS,
            "Provider Sex Code",
            *facts.OTHERS,
            "Certification Date",
        ]
    )
)
JANE = {
    "NPI": "1234567893", "Entity Type Code": "1", "Provider Last Name (Legal Name)": "DOE",
    "Provider First Name": "JANE",
    "Healthcare Provider Taxonomy Code_1": "111N00000X", "Healthcare Provider Taxonomy Code_2": "207Q00000X",
    "Healthcare Provider Primary Taxonomy Switch_1": "N", "Healthcare Provider Primary Taxonomy Switch_2": "Y",
    "Provider License Number State Code_2": "NV", f"{facts.PRACTICE}State Name": "CA",
    "Last Update Date": "11/01/2026",
}  # fmt: skip
CLINIC = {
    "NPI": "1993999998",
    "Entity Type Code": "2",
    facts.FACTS[6]: "EXAMPLE CLINIC",
    "Last Update Date": "01/02/2020",
}
GONE = {"NPI": "1234567000", "NPI Deactivation Date": "01/02/2024"}


def text(*rows: dict[str, str], columns: list[str] = COLUMNS) -> str:
    lines = [columns, *([row.get(name, "") for name in columns] for row in rows)]
    return "".join(",".join(f'"{cell}"' for cell in line) + "\n" for line in lines)


def zipped(path: Path, content: str | bytes, dates: str = FULL) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"npidata_pfile_{dates}.csv", content)
        archive.writestr(f"npidata_pfile_{dates}_fileheader.csv", "no data")
    return path


def listed(path: Path, *rows: tuple[str, str]) -> Path:
    book = openpyxl.Workbook()
    for row in [("NPPES Deactivated NPI Report", None), ("NPI", "NPPES Deactivation Date"), *rows]:
        book.active.append(row)
    book.save(path)
    return path


@pytest.fixture
def index(tmp_path: Path) -> Index:
    """An index of three rows, in the folder of the test."""
    importing.take(zipped(tmp_path / "full.zip", text(JANE, CLINIC, GONE)), tmp_path, at=AT)
    return Index(tmp_path / NAME)


def test_what_is_known(index: Index) -> None:
    jane = index.find("1234567893")
    assert jane
    assert (jane.names.last, jane.taxonomies, jane.states) == (
        "DOE",
        ("207Q00000X", "111N00000X"),
        ("CA", "NV"),
    )
    assert index.find("1993999998").organisation == "EXAMPLE CLINIC"  # type: ignore[union-attr]
    assert not index.find("1234567000").is_active  # type: ignore[union-attr]
    assert index.find("1999999984") is None
    assert index.as_of() == date(2026, 11, 8)


def test_the_same_file_twice_changes_nothing(index: Index, tmp_path: Path) -> None:
    before = index.path.read_bytes()
    assert importing.take(tmp_path / "full.zip", tmp_path, at=AT) is None
    assert index.path.read_bytes() == before


@pytest.mark.parametrize(
    ("day", "name"), [("10/31/2026", "DOE"), ("11/01/2026", "ROE"), ("11/02/2026", "ROE")]
)
def test_an_older_row_never_overwrites_a_newer_one(index: Index, tmp_path: Path, day: str, name: str) -> None:
    assert index.find("1234567893")  # a live reader takes up the new index
    week = text({**JANE, "Last Update Date": day, "Provider Last Name (Legal Name)": "ROE"})
    source = importing.take(zipped(tmp_path / "week.zip", week, WEEK), tmp_path, at=AT)
    assert source
    assert (source.kind, source.rows) == ("weekly", 1)
    assert index.find("1234567893").names.last == name  # type: ignore[union-attr]
    assert index.find("1993999998")


def test_an_encoding_fault_is_counted(tmp_path: Path) -> None:
    content = text({**JANE, "Provider First Name": "JOS~"}).encode().replace(b"~", b"\xe9")
    source = importing.take(zipped(tmp_path / "full.zip", content), tmp_path, at=AT)
    assert source
    assert source.replaced == 1


@pytest.mark.parametrize("columns", [COLUMNS, COLUMNS[::-1], COLUMNS[:2] + COLUMNS[2:][::-1], COLUMNS[:-1]])
def test_columns_are_found_by_name(tmp_path: Path, columns: list[str]) -> None:
    several = {**JANE, "Healthcare Provider Taxonomy Code_15": "390200000X", "Replacement NPI": "1993999998"}
    content = text(several, CLINIC, GONE, columns=columns)
    importing.take(zipped(tmp_path / "full.zip", content), tmp_path, at=AT)
    jane = Index(tmp_path / NAME).find("1234567893")
    assert jane
    assert (jane.names.first, jane.replacement) == ("JANE", "1993999998")
    assert jane.taxonomies == ("207Q00000X", "111N00000X", "390200000X")
    assert Index(tmp_path / NAME).find("1234567000").deactivated == "2024-01-02"  # type: ignore[union-attr]
    assert Index(tmp_path / NAME).find("1993999998").organisation == "EXAMPLE CLINIC"  # type: ignore[union-attr]


@pytest.mark.parametrize("how", [zipfile.ZIP_STORED, zipfile.ZIP_BZIP2])
def test_how_it_may_be_zipped(tmp_path: Path, how: int) -> None:
    with zipfile.ZipFile(tmp_path / "full.zip", "w", how) as archive:
        archive.writestr(f"npidata_pfile_{FULL}.csv", text(JANE))
    if how == zipfile.ZIP_STORED:
        assert importing.take(tmp_path / "full.zip", tmp_path, at=AT)
    else:
        with pytest.raises(Refused, match="another way than Deflate"):
            importing.take(tmp_path / "full.zip", tmp_path, at=AT)


def test_rows_over_many_pieces_are_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(zip_member, "PIECE", 7)
    rows = [{**JANE, "NPI": str(1_000_000_000 + n), "Provider First Name": f"N{n}\tO"} for n in range(300)]
    importing.take(zipped(tmp_path / "full.zip", text(*rows).replace("\n", "\r\n")), tmp_path, at=AT)
    found = [Index(tmp_path / NAME).find(row["NPI"]) for row in rows]
    assert [known.names.first for known in found if known] == [f"N{n}\tO" for n in range(300)]


ROWS, COLUMNS_ONLY = text(JANE, CLINIC, GONE), text()
BAD: dict[str, tuple[str | bytes, str, str]] = {
    "a column less": (text(JANE, columns=COLUMNS[1:]), FULL, "no column 'NPI'"),
    "a row less": (text(JANE, CLINIC), FULL, "less than 95 %"),
    "an older file": (ROWS, "20050523-20261008", "already of 2026-11-08"),
    "a row cut short": (ROWS[:-9], FULL, "Row 4"),
    "a number twice": (text(JANE, CLINIC, GONE, JANE), FULL, "two rows of one NPI"),
    "bytes that are no CSV": (b"\x00\xff" * 400, FULL, "no column"),
    "a newline in a value": (text({**JANE, "Provider First Name": "JA\nNE"}), FULL, "Row 2"),
    "swapped values": (text({**JANE, "NPI": "DOE", "Provider First Name": "1234567893"}), FULL, "Row 2"),
    "no date": (text({**JANE, "Last Update Date": "2026-11-01"}), FULL, "Row 2"),
    "UTF-16": (ROWS.encode("utf-16"), FULL, "no column"),
    "columns with two names swapped": (
        ROWS.replace("Entity Type Code", "~")
        .replace("Replacement NPI", "Entity Type Code")
        .replace("~", "Replacement NPI"),
        FULL,
        "Row 2",
    ),
    "a column twice": (text(JANE, columns=[*COLUMNS, "NPI"]), FULL, "two columns 'NPI'"),
    "a header without end": ("x" * 70_000 + "\n" + ROWS, FULL, "no header"),
    "nothing but the ends of lines": (COLUMNS_ONLY + "\n" * 90_000, FULL, "Row 2"),
    "nothing": ("", FULL, "empty"),
    "one endless row": ('"' * 300_000, FULL, "longer than 64 kB"),
    "no such day": (ROWS, "20050523-20261308", "no dates"),
}


@pytest.mark.parametrize("case", BAD)
def test_a_bad_file_is_refused_and_the_old_index_serves(index: Index, tmp_path: Path, case: str) -> None:
    content, dates, reason = BAD[case]
    before = index.path.read_bytes()
    with pytest.raises(Refused, match=reason):
        importing.take(zipped(tmp_path / "bad.zip", content, dates), tmp_path, at=AT)
    assert index.path.read_bytes() == before
    assert not (tmp_path / "registry.new.db").exists()


@pytest.mark.parametrize("keep", [0.3, 0.6, 0.95])
def test_a_truncated_zip_is_refused(index: Index, tmp_path: Path, keep: float) -> None:
    whole = (tmp_path / "full.zip").read_bytes()
    (tmp_path / "cut.zip").write_bytes(whole[: int(len(whole) * keep)])
    with pytest.raises(Refused, match="no whole zip"):
        importing.take(tmp_path / "cut.zip", tmp_path, at=AT)
    assert index.find("1234567893")


def test_a_damaged_zip_is_refused(index: Index, tmp_path: Path) -> None:
    whole = bytearray((tmp_path / "full.zip").read_bytes())
    whole[200] ^= 0xFF
    (tmp_path / "bad.zip").write_bytes(whole)
    with pytest.raises(Refused):
        importing.take(tmp_path / "bad.zip", tmp_path, at=AT)
    assert index.find("1234567893")


@pytest.mark.parametrize(("field", "value"), [("CRC", 1), ("file_size", 5), ("compress_size", 9)])
def test_what_is_not_what_its_zip_says_is_refused(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, field: str, value: int
) -> None:
    inside = zipfile.ZipFile.infolist

    def lying(archive: zipfile.ZipFile) -> list[zipfile.ZipInfo]:
        for info in (found := inside(archive)):
            setattr(info, field, value)
        return found

    monkeypatch.setattr(zipfile.ZipFile, "infolist", lying)
    with pytest.raises(Refused):
        importing.take(zipped(tmp_path / "lies.zip", text(JANE, CLINIC, GONE, GONE)), tmp_path, at=AT)
    monkeypatch.undo()
    assert index.find("1234567893")


def test_what_would_unzip_to_far_too_much_is_refused(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(nppes, "UNZIPPED_MOST", 10)
    with pytest.raises(Refused, match="would unzip"):
        importing.take(zipped(tmp_path / "big.zip", text(JANE, CLINIC, GONE, GONE)), tmp_path, at=AT)


def test_a_full_disk_keeps_the_old_index(
    index: Index, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path) -> sqlite3.Connection:
        connection = sqlite3.connect(path)
        connection.execute("PRAGMA max_page_count = 2")
        return connection

    monkeypatch.setattr(importing, "_open", full)
    with pytest.raises(Refused, match="full"):
        importing.take(zipped(tmp_path / "new.zip", text(JANE, CLINIC, GONE, GONE)), tmp_path, at=AT)
    assert index.find("1234567893")


def test_what_a_killed_import_left_is_in_nobodys_way(index: Index, tmp_path: Path) -> None:
    (tmp_path / "registry.new.db").write_bytes(b"half")
    week = zipped(tmp_path / "week.zip", text(JANE), WEEK)
    assert importing.take(week, tmp_path, at=AT)
    assert not (tmp_path / "registry.new.db").exists()


TAKE = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from portal.npi import importing
importing.take(Path(sys.argv[1]), Path(sys.argv[2]), at=datetime.now(UTC), progress=lambda *_: sys.stdin.read(1))
"""


@pytest.mark.kill
def test_an_import_that_is_killed_in_the_middle_changes_nothing(index: Index, tmp_path: Path) -> None:
    before = index.path.read_bytes()
    rows = [{**JANE, "NPI": str(1_000_000_000 + n), "Provider First Name": f"N{n}"} for n in range(30_000)]
    full = zipped(tmp_path / "large.zip", text(*rows), "20050523-20261206")
    process = subprocess.Popen(
        [sys.executable, "-c", TAKE, str(full), str(tmp_path)], cwd=ROOT, stdin=subprocess.PIPE
    )
    end = time.monotonic() + 60
    while not (tmp_path / "registry.new.db").exists() and time.monotonic() < end:
        time.sleep(0.01)
    process.kill()
    process.communicate(timeout=20)
    assert (tmp_path / "registry.new.db").exists()
    assert index.path.read_bytes() == before
    assert index.find("1234567893").names.last == "DOE"  # type: ignore[union-attr]

    source = importing.take(full, tmp_path, at=AT)

    assert source and source.rows == 30_000
    assert index.find("1000029999").names.first == "N29999"  # type: ignore[union-attr]
    assert sorted(path.name for path in tmp_path.glob("registry*")) == ["registry.db", "registry.lock"]


def test_two_imports_at_once(index: Index, tmp_path: Path) -> None:
    with (tmp_path / "registry.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(Conflict, match="running"):
            importing.take(tmp_path / "full.zip", tmp_path, at=AT)


def test_an_index_that_is_none_is_said_so(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"half written" * 500)
    with pytest.raises(Unavailable, match="cannot be read"):
        Index(tmp_path / NAME).find("1234567893")


@pytest.mark.parametrize("name", ["week", "list"])
def test_what_needs_a_monthly_file_first(tmp_path: Path, name: str) -> None:
    path = (
        zipped(tmp_path / "week.zip", text(JANE), WEEK) if name == "week" else listed(tmp_path / "list.xlsx")
    )
    with pytest.raises(PortalError, match="monthly"):
        importing.take(path, tmp_path, at=AT)
