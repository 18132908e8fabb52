"""The evidence as data: what the page shows, in names that last, and nothing a spreadsheet would calculate."""

import csv
import io
import json
from dataclasses import replace
from datetime import date

import pytest
from flask import Flask

from portal.library.evidence import CERTAINTY, READING, Condition, Study
from portal.library.pages import Library
from portal.library.references import Reference
from portal.resource import downloads
from portal.resource.downloads import Circumstances
from tests.pages import Visitor

PAGE = Circumstances(
    title="Evidence",
    publisher="A Pharmacy",
    address="https://x.example/e",
    changed_on="2026-01-15",
    review="Draft.",
)
WORK = Reference(
    id="known2020", title="A work", kind="trial", certainty="b", tier="core", journal="J", doi="10.1000/x",
    pmid="1", unconfirmed=("pmid",),
)  # fmt: skip


def condition(result: str = "Better.") -> Condition:
    study = Study(name="Known", design="10 people", result=result, reading="favors", sources=("known2020",))
    return Condition(
        id="a-condition", name="A condition", certainty="cases", summary="One.", studies=(study,)
    )


def rows(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def test_the_columns_are_a_promise(library: Library) -> None:
    text = downloads.as_csv(library.evidence, library.references, PAGE)

    assert text.split("\r\n")[0] == (
        "condition_id,condition,certainty,summary,study,design,result,reads_as,reference_ids,references,"
        "reference_urls,address,changed_on,review,terms,people,year"
    )


def test_every_study_is_a_row_with_its_reading_and_its_works(library: Library) -> None:
    found = rows(downloads.as_csv(library.evidence, library.references, PAGE))

    assert [row["study"] for row in found] == [
        study.name for one in library.evidence for study in one.studies
    ]
    first = found[0]
    assert (first["condition_id"], first["study"]) == ("fibromyalgia", "FINAL 2024")
    assert first["reads_as"] == "No difference shown" and first["certainty"].startswith(
        "Larger trials found no benefit"
    )
    assert first["reference_urls"] == "https://doi.org/10.1016/S2665-9913(23)00278-3"
    assert "Lancet Rheumatol" in first["references"]
    for row in found:
        assert row["certainty"] in CERTAINTY.values() and row["reads_as"] in READING.values()
        assert all(key in library.references for key in row["reference_ids"].split("; "))
        assert (
            row["changed_on"] == "2026-01-15" and row["review"] == "Draft." and "MIT license" in row["terms"]
        )


def test_no_cell_is_a_formula_and_no_sign_can_be_misread(library: Library) -> None:
    text = downloads.as_csv(library.evidence, library.references, PAGE)

    for row in rows(text):
        for value in row.values():
            assert not value.startswith(downloads.FORMULA), value
        assert row["result"].isascii() and row["design"].isascii(), "a minus sign survives any encoding"
    assert "-0.34 (95% CI -0.95 to 0.27)" in text


@pytest.mark.parametrize("value", ["=1+1", "+1", "-1.3 points", "−1.3 points", "@x", "\tx", " =x", "＝x"])
def test_what_a_spreadsheet_would_calculate_is_made_text(value: str) -> None:
    assert downloads.cell(value).startswith("'")
    assert rows(downloads.as_csv([condition(value)], {"known2020": WORK}, PAGE))[0]["result"][0] == "'"


def test_quotes_commas_and_lines_come_back_as_they_were() -> None:
    found = rows(downloads.as_csv([condition('Say "x",\nand y')], {"known2020": WORK}, PAGE))

    assert found[0]["result"] == 'Say "x",\nand y'


def test_the_json_holds_the_same_and_leaves_out_what_nobody_knows(library: Library) -> None:
    text = downloads.as_json(library.evidence, library.references, PAGE, "https://x.example/e?condition=")
    found = json.loads(text)

    assert [one["id"] for one in found["conditions"]] == [one.id for one in library.evidence]
    assert found["conditions"][0]["address"] == "https://x.example/e?condition=fibromyalgia"
    assert found["conditions"][0]["studies"][0]["result"].startswith("Pain −1.3 points")
    cited = {key for one in found["conditions"] for study in one["studies"] for key in study["reference_ids"]}
    assert cited == set(found["references"])
    assert found["references"]["bruun2024"]["doi"] == "10.1016/S2665-9913(23)00278-3"
    assert all(found["references"].values()) and '""' not in text and "null" not in text
    assert found["citation"] == "A Pharmacy. Evidence. Changed 2026-01-15. Draft. https://x.example/e"


def test_an_unconfirmed_field_is_no_data() -> None:
    found = json.loads(downloads.as_json([condition()], {"known2020": WORK}, PAGE, ""))

    assert found["references"]["known2020"] == {
        "citation": "A work. J.",
        "kind": "trial",
        "doi": "10.1000/x",
        "url": "https://doi.org/10.1000/x",
    }


# At their addresses


def test_the_page_offers_both_files(professional: Visitor) -> None:
    page = professional.open("/prescribers/evidence")

    for ending in ("csv", "json"):
        assert page.soup.select_one(f"main a[href='/prescribers/evidence.{ending}']")


def test_both_files_open_with_their_type_and_say_whether_they_are_reviewed(professional: Visitor) -> None:
    table = professional.get("/prescribers/evidence.csv")
    data = professional.get("/prescribers/evidence.json")

    assert table.content_type == "text/csv; charset=utf-8"
    assert table.headers["Content-Disposition"] == 'attachment; filename="ldn-evidence.csv"'
    assert data.content_type == "application/json; charset=utf-8"
    found = json.loads(data.data)
    assert found["address"] == "http://localhost:8000/prescribers/evidence"
    assert "Not yet signed by the pharmacist-in-charge" in found["review"] == rows(table.text)[0]["review"]
    for answer in (table, data):
        assert answer.headers["Cache-Control"] == "private, no-cache"
        assert answer.headers["X-Robots-Tag"] == "noindex"


def test_a_signed_page_gives_its_reviewer_and_day(
    app: Flask, professional: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = app.extensions["library"]
    page = replace(
        library.pages["/prescribers/evidence"],
        review="signed", reviewer="Test Person", reviewed_on=date(2026, 1, 10),
    )  # fmt: skip
    signed = replace(library, pages={**library.pages, page.path: page})
    monkeypatch.setitem(app.extensions, "library", signed)

    found = professional.get("/prescribers/evidence.json?condition=crps").get_json()

    assert found["review"] == "Reviewed 2026-01-10 by Test Person."


def test_one_condition_can_be_taken_alone(professional: Visitor) -> None:
    found = professional.get("/prescribers/evidence.json?condition=crps").get_json()

    assert [one["id"] for one in found["conditions"]] == ["crps"]
    assert set(found["references"]) == {"chopra2013", "soin2021", "nct06306157"}
    assert len(rows(professional.get("/prescribers/evidence.csv?condition=crps").text)) == 3


def test_a_program_that_asks_for_a_condition_we_do_not_list_gets_404(professional: Visitor) -> None:
    assert professional.get("/prescribers/evidence.csv?condition=hope").status_code == 404
    assert professional.get("/prescribers/evidence.json?condition=").status_code == 404


@pytest.mark.parametrize("ending", ["csv", "json"])
def test_the_files_stand_behind_the_gate(ending: str, visitor: Visitor) -> None:
    page = visitor.open(f"/prescribers/evidence.{ending}", status=403)

    assert page.title == "For health professionals"
    page.lacks("ibromyalgia")
    answer = page.press("I am a health professional: continue")
    assert answer.response.mimetype in ("text/csv", "application/json")
