"""The pack to sign on paper: each statement, what it rests on, and room for a word on it."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from flask import Flask
from openpyxl import load_workbook
from pypdf import PdfReader

from portal.clock import now
from portal.db import transaction
from portal.library.pages import Library
from portal.review import pack, signing
from tests import world


@pytest.fixture(scope="session")
def rows(library: Library) -> tuple[pack.Row, ...]:
    of = signing.cut(library)
    texts = [page for page in signing.signable(library) if page.language == "en"]
    return pack.rows([signing._standing(page, of[page.path], ()) for page in texts])


def test_the_gravest_come_first_and_each_has_its_number(rows: tuple[pack.Row, ...]) -> None:
    classes = [row.one.risk.value for row in rows]

    assert classes == sorted(classes)
    assert [row.number for row in rows] == list(range(1, len(rows) + 1))
    assert len({(row.page.path, row.one.key) for row in rows}) == len(rows)


def test_the_spreadsheet_holds_every_statement_with_its_works_and_no_formula(
    context: Flask, rows: tuple[pack.Row, ...]
) -> None:
    works = context.extensions["library"].references
    sheet = load_workbook(io.BytesIO(pack.workbook(rows, works, "https://x.example"))).active
    assert sheet is not None
    head, *lines = sheet.iter_rows(values_only=True)
    column = {name: place for place, name in enumerate(head)}

    assert len(lines) == len(rows)
    assert not [cell for line in lines for cell in line if str(cell or "").startswith(("=", "+", "@"))]
    line = next(line for line in lines if "FINAL 2024" in str(line[column["Statement"]]))
    assert works["bruun2024"].finding in str(line[column["What they found"]])
    assert "https://doi.org/" in str(line[column["Where they are"]])
    assert line[column["Address"]] == "https://x.example/prescribers/evidence#fibromyalgia"


@pytest.mark.slow
def test_the_command_makes_both_with_what_is_signed_already(context: Flask, tmp_path: Path) -> None:
    with transaction():
        ada = world.employ("Ada Park", "pharmacist")
    shelf = context.extensions["shelf"]
    legal = next(one for one in shelf.standings() if one.page.path == "/legal")
    with transaction():
        signing.agree(legal, [legal.statements[0].digest], by=ada, at=now())

    done = context.test_cli_runner().invoke(args=["resource", "review-pack", str(tmp_path / "pack")])

    assert done.exit_code == 0, done.output
    reader = PdfReader(tmp_path / "pack" / "review-pack.pdf")
    said = " ".join(" ".join(page.extract_text() for page in reader.pages).split())
    assert reader.root_object["/MarkInfo"]["/Marked"]  # type: ignore[index]
    assert "Agreed (Ada Park" in said and "1 are signed in the portal" in said
    assert "No source" in said and "Appendix: where the texts come from" in said
    assert "Traditional techniques often rely on opiates" in said
    assert (tmp_path / "pack" / "review-pack.xlsx").stat().st_size > 10_000
    spanish = PdfReader(tmp_path / "pack" / "review-pack-es.pdf")
    said = " ".join(" ".join(page.extract_text() for page in spanish.pages).split())
    assert "No la comparta. English: Do not share it." in said and "qualified translator" in said
    assert "Appendix" not in said
    head, *lines = load_workbook(tmp_path / "pack" / "review-pack-es.xlsx").active.iter_rows(values_only=True)  # type: ignore[union-attr]
    column = head.index("Statement")
    assert ("No la comparta.", "Do not share it.") in [line[column : column + 2] for line in lines]
