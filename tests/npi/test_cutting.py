"""Rows of the registry are cut as `csv.reader` would read them, however they are written, or refused by number."""

import csv
import io
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as some

from portal.errors import Refused
from portal.npi import importing, nppes, storing
from portal.npi.cutting import Cutter
from portal.npi.facts import FACTS, NEEDED, OTHERS, values
from portal.npi.index import NAME, Index
from tests.npi.test_importing import AT, CLINIC, COLUMNS, FULL, GONE, JANE, WEEK, text, zipped

FREE = [name for name in FACTS[7:] if name not in OTHERS]
FIRST = "Provider First Name"
SHAPES = {"": COLUMNS, "the number last": COLUMNS[1:] + COLUMNS[:1], "backwards": COLUMNS[::-1]}


def rows(content: str) -> list[list[str]]:
    """What the import makes of a file's rows, in the order of their numbers."""
    (header, *_), rest = content.split("\n", 1), content[content.index("\n") + 1 :].encode()
    cutter = Cutter(header.strip('"').split('","'))
    try:
        found = cutter.cut(rest)
    except ValueError:
        found = cutter.cut(b"".join(nppes._written(rest, cutter, 2)))
    lines = [line for cut in found for line in cut.lines.split(b"\n")[1:]]
    assert [int(line[:10]) for line in lines] == np.concatenate([cut.numbers for cut in found]).tolist()
    return sorted(values(line) for line in lines)


def read(content: str) -> list[list[str]]:
    """What `csv.reader` makes of the same, as the index keeps it."""
    found = []
    for row in csv.DictReader(io.StringIO(content)):
        kept = [row[name] for name in (FACTS[:7] if row["Entity Type Code"] == "2" else NEEDED)]
        while not kept[-1]:
            kept.pop()
        found.append([" ," if value == "," else value.replace('"', "'") for value in kept])
    return sorted(
        row + [""] * (len(FACTS) - len(row) if len(row) < len(FACTS) else -len(row) % 3) for row in found
    )


def written(*people: dict[str, str], columns: list[str] = COLUMNS) -> str:
    file = io.StringIO()
    csv.writer(file, quoting=csv.QUOTE_ALL, lineterminator="\n").writerows(
        [columns, *([row.get(name, "") for name in columns] for row in people)]
    )
    return file.getvalue()


@pytest.mark.parametrize("shape", SHAPES)
@given(some.lists(some.dictionaries(some.sampled_from(FREE), some.text("\",a /é'", max_size=4)), max_size=5))
def test_rows_are_cut_as_csv_reads_them(shape: str, typed: list[dict[str, str]]) -> None:
    people = [{**JANE, **free, "NPI": str(1_000_000_000 + n)} for n, free in enumerate(typed)]
    content = written(CLINIC, *people, GONE, columns=SHAPES[shape])
    assert rows(content) == read(content)


@pytest.mark.parametrize(
    "cell",
    ['"JA""NE"', '"JA"', '","', '",A"', '"A,"', '",,"', "JANE", "", '"""JANE"""', "J'N", '" "', '"/"', 'JA"'],
)
def test_a_value_written_in_another_way_is_read(cell: str) -> None:
    content = text({**JANE, FIRST: "~"}, CLINIC).replace('"~"', cell)
    assert rows(content) == read(content)


@pytest.mark.parametrize(
    "cell",
    ['"JA"NE"', '"JA', '"JA","NE"', '"JA"";"NE"', '"JA\nNE"', '"JANE"x', '"JANE";"X"'],
)
def test_a_row_that_is_none_is_refused_by_its_number(tmp_path: Path, cell: str) -> None:
    content = text(CLINIC, {**JANE, FIRST: "~"}, GONE).replace('"~"', cell)
    with pytest.raises(Refused, match="Row 3 "):
        importing.take(zipped(tmp_path / "full.zip", content), tmp_path, at=AT)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("NPI", npi) for npi in ["", "123456789", "12345678931", "3234567893", "0234567893", "12345678:3"]),
        *(("Entity Type Code", kind) for kind in ["3", "0", "11", "A"]),
        *(("Replacement NPI", npi) for npi in ["1", "1234567A93", "0000000000"]),
        *(
            (name, day)
            for name in FACTS[2:5]
            for day in ["13/01/2024", "00/01/2024", "01/32/2024", "01/00/2024", "1/1/2024", "01-01-2024"]
        ),
        *(("Last Update Date", day) for day in ["01/01/0024", "01/01/3024", "01/01/20:4", "0a/01/2024"]),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_its_row(tmp_path: Path, name: str, value: str) -> None:
    content = text(CLINIC, GONE, {**JANE, name: value}, {**GONE, "NPI": "1000000000"})
    with pytest.raises(Refused, match="Row 4 "):
        importing.take(zipped(tmp_path / "full.zip", content), tmp_path, at=AT)


def test_numbers_sorted_in_several_turns_are_all_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storing, "SORTED_AT_ONCE", 5)
    monkeypatch.setattr("portal.npi.zipped.PIECE", 3000)
    numbers = [str(1_000_000_000 + n * 7_919_777 % 1_999_999_973) for n in range(300)]
    full = text(*({**JANE, "NPI": npi, FIRST: f"N{npi}"} for npi in numbers))
    importing.take(zipped(tmp_path / "full.zip", full), tmp_path, at=AT)
    index = Index(tmp_path / NAME)
    found = [index.find(npi) for npi in numbers]
    assert [known.names.first for known in found if known] == [f"N{npi}" for npi in numbers]
    assert index.find("1000000001") is None


def test_of_one_number_in_several_weeks_the_newest_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importing, "WEEKLY_TOGETHER", 2)
    importing.take(zipped(tmp_path / "full.zip", text(JANE, CLINIC)), tmp_path, at=AT)
    others = [{**JANE, "NPI": str(1_500_000_000 + n)} for n in range(3)]
    days = [{**JANE, "Last Update Date": f"11/{day}/2026", FIRST: day} for day in ("05", "09", "07")]
    week = text(days[0], others[0], days[1], others[1], days[2], others[2])
    importing.take(zipped(tmp_path / "week.zip", week, WEEK), tmp_path, at=AT)
    index = Index(tmp_path / NAME)
    known = index.find(JANE["NPI"])
    assert known
    assert known.names.first == "09"
    assert all(index.find(row["NPI"]) for row in [CLINIC, *others])


def test_a_monthly_file_mends_an_index_that_cannot_be_read(tmp_path: Path) -> None:
    (tmp_path / NAME).write_bytes(b"half written" * 500)
    with pytest.raises(Refused, match="monthly"):
        importing.take(zipped(tmp_path / "week.zip", text(JANE), WEEK), tmp_path, at=AT)
    assert importing.take(zipped(tmp_path / "full.zip", text(JANE)), tmp_path, at=AT)
    assert Index(tmp_path / NAME).find(JANE["NPI"])


def test_an_index_with_a_second_name_is_replaced_for_its_readers_too(tmp_path: Path) -> None:
    importing.take(zipped(tmp_path / "full.zip", text(JANE)), tmp_path, at=AT)
    index = Index(tmp_path / NAME)
    assert index.find(JANE["NPI"])
    (tmp_path / "copy.db").hardlink_to(tmp_path / NAME)
    later = zipped(tmp_path / "later.zip", text({**JANE, FIRST: "JOAN"}), f"{FULL[:9]}20261206")
    importing.take(later, tmp_path, at=datetime(2026, 12, 7, tzinfo=UTC))
    known = index.find(JANE["NPI"])
    assert known
    assert known.names.first == "JOAN"


WAYS: dict[str, bytes] = {
    "a byte order mark": b"\xef\xbb\xbf" + text(JANE, CLINIC).encode(),
    "the ends of lines of Windows": text(JANE, CLINIC).replace("\n", "\r\n").encode(),
    "both": b"\xef\xbb\xbf" + text(JANE, CLINIC).replace("\n", "\r\n").encode(),
    "no newline at the end": text(JANE, CLINIC).encode()[:-1],
    "no quotes, as saved by another program": text(JANE, CLINIC).replace('"', "").encode(),
}


@pytest.mark.parametrize("way", WAYS)
def test_a_file_may_be_written_otherwise(tmp_path: Path, way: str) -> None:
    source = importing.take(zipped(tmp_path / "full.zip", WAYS[way]), tmp_path, at=AT)
    assert source and (source.rows, source.replaced) == (2, 0)
    jane = Index(tmp_path / NAME).find("1234567893")
    assert jane and jane.names.first == "JANE"


def test_the_other_files_in_the_zip_are_left_alone(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "full.zip", "w") as archive:
        for other in ("othername_pfile", "pl_pfile", "endpoint_pfile"):
            archive.writestr(f"{other}_{FULL}.csv", '"NPI"\n"x"\n')
            archive.writestr(f"{other}_{FULL}_fileheader.csv", '"NPI"\n')
        archive.writestr(f"NPPES/npidata_pfile_{FULL}.csv", text(JANE))
        archive.writestr("NPPES_Data_Dissemination_Readme_v.2.pdf", "%PDF")
    source = importing.take(tmp_path / "full.zip", tmp_path, at=AT)
    assert source and source.rows == 1
