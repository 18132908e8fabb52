"""`flask npi import`, `show` and `compare`: what they print, and the status they end with."""

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from click.testing import Result
from flask import Flask

from config import ROOT
from portal.npi import importing
from portal.npi.index import NAME
from tests.npi.test_importing import AT, CLINIC, GONE, JANE, listed, text, zipped

Run = Callable[..., Result]


@pytest.fixture
def run(app: Flask, tmp_path: Path) -> Iterator[Run]:
    """`flask npi …`, with an index of three providers."""
    index = app.config["INSTANCE_DIR"] / NAME
    index.unlink(missing_ok=True)
    importing.take(zipped(tmp_path / "full.zip", text(JANE, CLINIC, GONE)), index.parent, at=AT)
    yield lambda *words: app.test_cli_runner().invoke(args=["npi", *words])
    index.unlink()


def imported(*words: Path) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "portal.npi.program", *map(str, words)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def test_import_becomes_a_program_without_the_portal(
    run: Run, app: Flask, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[list[str]] = []
    monkeypatch.setattr(os, "execve", lambda _path, words, _environment: became.append(words))
    run("import", str(tmp_path / "full.zip"))
    folder = str(app.config["INSTANCE_DIR"])
    assert became == [[sys.executable, "-m", "portal.npi.program", folder, str(tmp_path / "full.zip")]]
    assert run("import", str(tmp_path / "none.zip")).exit_code == 2
    script = "import sys, portal.npi.program; print('flask' in sys.modules or 'sqlalchemy' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout == "False\n"


def test_import_says_what_it_took_and_refuses_with_the_reason(tmp_path: Path) -> None:
    full = zipped(tmp_path / "full.zip", text(JANE, CLINIC, GONE).encode().replace(b"JANE", b"JAN\xe9"))
    gone = listed(tmp_path / "NPPES_Deactivated_NPI_Report_110826.xlsx", ("1234567893", "11/05/2026"))
    done = imported(tmp_path, full, gone, full)
    assert done.returncode == 0, done.stderr
    assert (
        "full.zip: full, 3 rows, as of 2026-11-08, 1 characters that were no UTF-8 replaced." in done.stdout
    )
    assert "deactivated, 1 rows, as of 2026-11-08" in done.stdout
    assert "full.zip is in the index already" in done.stdout
    assert done.stdout.count("SHA-256 ") == 2
    assert not done.stderr  # where nobody watches, nothing moves

    done = imported(tmp_path, zipped(tmp_path / "few.zip", text(JANE)), gone)
    assert done.returncode == 2
    assert "less than 95 %" in done.stderr
    assert "Traceback" not in done.stderr
    assert not done.stdout


@pytest.mark.slow
def test_whoever_watches_sees_rows_a_second_and_the_time_left(tmp_path: Path) -> None:
    rows = [{**JANE, "NPI": str(1_000_000_000 + n)} for n in range(9000)]
    full = zipped(tmp_path / "full.zip", text(*rows))
    ours, theirs = pty.openpty()
    command = [sys.executable, "-m", "portal.npi.program", str(tmp_path), str(full)]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        with suppress(OSError):  # at the end there is nobody to read from
            while got := os.read(ours, 4096):
                shown += got
    os.close(ours)
    assert process.returncode == 0
    assert re.search(rb"full\.zip [\d,]+ rows/s  \[#*-*\] +\d+%", shown)
    assert b"100%" in shown


def test_show_prints_what_is_known(run: Run) -> None:
    result = run("show", "1234567893")
    told = json.loads(result.output)
    assert result.exit_code == 0
    assert told["as_of"] == "2026-11-08"
    assert told["provider"]["names"]["last"] == "DOE"
    (file,) = told["files"]
    assert (file["name"], file["as_of"], file["rows"], file["replaced"]) == ("full.zip", "2026-11-08", 3, 0)
    assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
    assert told["provider"]["taxonomies"] == ["207Q00000X", "111N00000X"]

    result = run("show", "1999999984")
    assert result.exit_code == 1
    assert json.loads(result.output)["provider"] is None
    assert run("show", "1234567890").exit_code == 2


@pytest.mark.parametrize(
    ("npi", "words", "status", "verdict"),
    [
        ("1234567893", ("--name", "Jane Doe", "--credential", "MD", "--state", "CA"), 0, "match"),
        ("1234567893", ("--name", "Jane Roe"), 0, "name_differs"),
        ("1234567893", ("--name", "Jane Doe", "--state", "TX"), 0, "state_differs"),
        ("1993999998", ("--name", "Jane Doe"), 0, "organisation"),
        ("1234567000", ("--name", "Jane Doe"), 0, "deactivated"),
        ("1999999984", ("--name", "Jane Doe"), 1, "not_found"),
    ],
)
def test_compare_prints_the_verdict(
    run: Run, npi: str, words: tuple[str, ...], status: int, verdict: str
) -> None:
    result = run("compare", npi, *words)
    assert result.exit_code == status
    assert json.loads(result.output)["headline"] == verdict
