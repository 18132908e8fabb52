"""The generated registry has the shape of the real one, and with it who asks in the demo meets each verdict."""

import csv
import io
import zipfile
from pathlib import Path

import pytest

from bench import nppes
from portal import demo
from portal.npi import importing
from portal.npi.index import NAME, Index
from portal.npi.verdicts import Typed, Verdict, judge
from tests.npi.test_importing import AT

ROWS = 300


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return nppes.write(tmp_path_factory.mktemp("npi") / "full.zip", ROWS)


def test_those_who_ask_in_the_demo_meet_each_verdict(file: Path, tmp_path: Path) -> None:
    source = importing.take(file, tmp_path, at=AT)
    assert source and source.rows == ROWS + len(demo.REGISTERED)
    index, found = Index(tmp_path / NAME), set()
    for who in (*demo.PRESCRIBERS, demo.ADVERTISER):
        name, credential, _, state, *_ = who
        found.add(judge(Typed(name, credential, state), index.find(demo.npi(who)), index.as_of()).headline)
    assert {*Verdict} - found == {Verdict.UNCHECKED}  # that is without a registry


def test_it_has_the_shape_of_the_real_file(file: Path) -> None:
    with zipfile.ZipFile(file) as archive:
        content = archive.read(nppes.INSIDE).decode()
    header, *rows = csv.reader(io.StringIO(content))
    assert len(header) == len(set(header)) == 330
    assert {len(row) for row in rows} == {330}
    assert content.count('"') == 2 * 330 * (len(rows) + 1)
    kinds = [row[1] for row in rows]
    assert kinds.count("1") > kinds.count("2") > kinds.count("") > 0
