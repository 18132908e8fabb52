"""What comes after the monthly file: weeks in any order, and the list of deactivated numbers."""

import re
import zipfile
from pathlib import Path

import pytest

from portal.npi import importing
from portal.npi.index import Index
from tests.npi.test_importing import AT, CLINIC, FULL, GONE, JANE, index, listed, text, zipped

__all__ = ["index"]


def weekly(folder: Path, day: str, row: dict[str, str]) -> None:
    path = zipped(folder / f"week-{day}.zip", text(row), f"20261101-202611{day}")
    importing.take(path, folder, at=AT)


WITHDRAWN = {"NPI": "1234567893", "NPI Deactivation Date": "11/10/2026"}
BACK = {
    **JANE,
    **WITHDRAWN,
    "NPI Reactivation Date": "11/20/2026",
    "Last Update Date": "11/20/2026",
}


@pytest.mark.parametrize(
    ("weeks", "is_active"),
    [
        ([("15", WITHDRAWN)], False),
        ([("15", WITHDRAWN), ("09", JANE)], False),
        ([("15", WITHDRAWN), ("22", BACK)], True),
        ([("22", BACK), ("15", WITHDRAWN)], True),
        (
            [("22", BACK), ("15", WITHDRAWN), ("29", {**WITHDRAWN, "NPI Deactivation Date": "11/25/2026"})],
            False,
        ),
        # Withdrawn as of a day before the row was last changed.
        ([("12", {**JANE, "Last Update Date": "11/11/2026"}), ("15", WITHDRAWN)], False),
    ],
)
def test_weeks_in_any_order_end_as_the_newest_says(
    index: Index, tmp_path: Path, weeks: list[tuple[str, dict[str, str]]], is_active: bool
) -> None:
    for day, row in weeks:
        weekly(tmp_path, day, row)
    assert index.find("1234567893").is_active == is_active  # type: ignore[union-attr]


def test_an_older_week_brings_no_withdrawn_number_of_the_monthly_file_back(
    index: Index, tmp_path: Path
) -> None:
    weekly(tmp_path, "07", {**JANE, "NPI": GONE["NPI"], "Last Update Date": "10/30/2026"})
    assert not index.find(GONE["NPI"]).is_active  # type: ignore[union-attr]
    weekly(tmp_path, "15", {**JANE, "NPI": GONE["NPI"], "Last Update Date": "11/12/2026"})
    assert index.find(GONE["NPI"]).is_active  # type: ignore[union-attr]


def test_the_list_and_the_rows_together_say_who_is_withdrawn(index: Index, tmp_path: Path) -> None:
    importing.take(listed(tmp_path / "a_110826.xlsx", ("1234567893", "11/05/2026")), tmp_path, at=AT)
    assert index.find("1234567893").deactivated == "2026-11-05"  # type: ignore[union-attr]
    weekly(tmp_path, "22", BACK)
    assert index.find("1234567893").is_active  # type: ignore[union-attr]
    again = {**BACK, "NPI Deactivation Date": "11/25/2026", "Last Update Date": "11/25/2026"}
    weekly(tmp_path, "29", again)  # the list is still the one before
    assert not index.find("1234567893").is_active  # type: ignore[union-attr]
    full = zipped(tmp_path / "later.zip", text(BACK, CLINIC, GONE), f"{FULL[:9]}20261206")
    importing.take(full, tmp_path, at=AT)  # the list stays with a new monthly file
    assert index.find("1234567893").is_active  # type: ignore[union-attr]
    assert {source.kind for source in index.sources()} == {"full", "deactivated"}


@pytest.mark.parametrize("wrapped", [False, True])
def test_the_deactivated_list_is_replaced_whole(index: Index, tmp_path: Path, wrapped: bool) -> None:
    for day, npi in (("110826", "1234567893"), ("111526", "1993999998")):
        path = listed(tmp_path / f"NPPES_Deactivated_NPI_Report_{day}.xlsx", (npi, "11/05/2026"))
        if wrapped:
            book, path = path, path.with_name(f"NPPES_Deactivated_NPI_Report_{day}_V2.zip")
            with zipfile.ZipFile(path, "w") as archive:
                archive.write(book, book.name)
        importing.take(path, tmp_path, at=AT)
        assert not index.find(npi).is_active  # type: ignore[union-attr]
    assert index.find("1234567893").is_active  # type: ignore[union-attr]


def test_no_row_of_the_deactivated_list_is_lost(index: Index, tmp_path: Path) -> None:
    whole = listed(tmp_path / "whole.xlsx", ("1234567893", "11/05/2026"), ("1993999998", "11/05/2026"))
    path = tmp_path / "NPPES_Deactivated_NPI_Report_110826.xlsx"
    with zipfile.ZipFile(whole) as old, zipfile.ZipFile(path, "w") as new:
        for name in old.namelist():  # as a program writes it that does not know yet how long the sheet gets
            new.writestr(name, re.sub(rb"<dimension [^>]*/>", b'<dimension ref="A1"/>', old.read(name)))
    source = importing.take(path, tmp_path, at=AT)
    assert source and source.rows == 2
    assert not index.find("1993999998").is_active  # type: ignore[union-attr]
