"""The pictures of the evidence are of today's data, and their numbers stand in the table beside them."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import replace
from pathlib import Path

import pytest

from portal.library import evidence, pictures
from portal.library.pages import Library
from tests.pages import Visitor

pytestmark = pytest.mark.slow

ROWS = "table:has(#evidence-table) tbody tr"


def test_what_is_kept_was_drawn_from_the_evidence_of_today(library: Library) -> None:
    assert set(library.pictures) == {"forest", "map"}, "run `make pictures`"


def test_drawing_again_gives_the_same(library: Library) -> None:
    draw = pytest.importorskip("drawings.draw", reason="the plotting library is not installed")

    assert draw.all_of(library) == {name: one.svg for name, one in library.pictures.items()}


def test_a_picture_older_than_its_data_is_left_out(library: Library) -> None:
    first, *others = library.evidence
    changed = (replace(first, certainty="conflicting"), *others)

    assert set(pictures.load(library.folder, changed)) == {"forest"}
    assert pictures.load(Path("/nowhere"), library.evidence) == {}


def test_every_number_of_the_forest_stands_in_its_studys_result(library: Library) -> None:
    studies = [study for one in library.evidence for study in one.studies if study.effect]
    assert len(studies) >= 6
    for study in studies:
        for number in re.findall(r"−?\d+\.\d+", pictures.words_of(study.effect)):  # type: ignore[arg-type]
            assert number in study.result, study.name


@pytest.mark.parametrize("name", ["forest", "map", "forest-dark", "map-dark"])
def test_each_opens_behind_the_gate_as_plain_svg(name: str, visitor: Visitor, professional: Visitor) -> None:
    response = professional.get(f"/prescribers/evidence/{name}.svg")

    root = ElementTree.fromstring(response.data)
    assert response.mimetype == "image/svg+xml" and root.tag.endswith("svg")
    assert not re.search(rb"<script|<style|style=|href|on\w+=", response.data)
    colours = set(re.findall(r"#[0-9a-f]{6}", response.text))
    assert colours <= set(pictures.DARK.values() if name.endswith("dark") else pictures.DARK)
    visitor.client.delete_cookie("professional", path="/prescribers")
    assert visitor.get(f"/prescribers/evidence/{name}.svg").status_code == 403


def test_the_page_shows_both_with_words_and_a_table(professional: Visitor) -> None:
    soup = professional.open("/prescribers/evidence").soup

    assert professional.get("/prescribers/evidence/none.svg").status_code == 404
    shown = soup.select("figure")
    assert [one.img["src"].rpartition("/")[2] for one in shown] == ["forest.svg", "map.svg"]
    assert all(one.img["alt"] and one.figcaption.get_text() and one.img["width"] for one in shown)
    rows = soup.select("table:has(#effects-caption) tbody tr")
    assert len(rows) == len(
        re.findall(
            "effect:", Path(pictures.__file__).with_name("pages").joinpath("evidence.yaml").read_text("utf-8")
        )
    )


def test_studies_can_be_read_by_size_year_and_direction(library: Library, professional: Visitor) -> None:
    total = sum(len(one.studies) for one in library.evidence)
    for sort, column in (("n", 2), ("year", 3), ("direction", 4)):
        page = professional.open(f"/prescribers/evidence?sort={sort}")
        rows = [[cell.get_text() for cell in row.select("th, td")] for row in page.soup.select(ROWS)]
        assert len(rows) == total
        found = [row[column] for row in rows]
        if sort == "direction":
            order = [evidence.READING[one] for one in evidence.DIRECTIONS]
            assert found == sorted(found, key=order.index)
        else:
            numbers = [int(one.replace(",", "")) if one != "–" else 0 for one in found]
            assert numbers == sorted(numbers, reverse=True)
        assert page.soup.select_one("main nav [aria-current]").get_text() == evidence.SORTS[sort]
    one = professional.open("/prescribers/evidence?condition=fibromyalgia&sort=n")
    assert one.title.endswith("Fibromyalgia") and len(one.soup.select(ROWS)) == 10
    assert professional.open("/prescribers/evidence?sort=hope").soup.select("#conditions-table")


def test_every_study_has_a_year_and_most_their_people(library: Library) -> None:
    studies = [study for one in library.evidence for study in one.studies]
    without = [study.name for study in studies if not study.people]
    undated = [study.name for study in studies if not study.year(library.references)]

    assert without == ["Pooled analysis 2025", "Ologunowa 2025", "Hegde 2025", "Ekelem 2019", "Soin 2021"]
    assert undated == ["INNOVA", "J Drugs Dermatol review"], "no year is confirmed for these"


@pytest.mark.parametrize(
    ("effect", "words"),
    [
        ({"scale": "points", "label": "x", "value": "1.0"}, "does not stand in the result"),
        ({"scale": "feet", "label": "x", "value": "0.5"}, "scale must be one of"),
        ({"scale": "points", "label": "x", "value": "0.5", "low": "0.6"}, "both ends of its interval"),
        ({"scale": "points", "label": "x", "value": "0.5", "low": "0.6", "high": "0.7"}, "both ends"),
    ],
)
def test_an_effect_that_the_result_does_not_have_is_refused(effect: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        evidence._effect(effect, "Difference 0.5 (0.6 to 0.7).")
