"""The one-page summary has no words of its own, so it cannot drift from its chapters."""

import re
from dataclasses import dataclass

import pytest

from portal.library import markdown, passages, sheet
from portal.library.markdown import Document
from portal.library.pages import Library
from tests.pages import Visitor

TABLE = """
## Doses {#doses}

- **Start low** [@a2000].
- See [the label](https://label.example/x) and [below](#doses).

Table: What it shows {#shown}

| Step | Dose | Why |
|---|---|---|
| Start | 0.5 mg [@a2000] | [Why](#doses) |
| Then | 4.5 mg | |
"""
FIGURE = re.compile(r"\d+(?:\.\d+)?")


@dataclass
class Chapter:
    """The part of a page that the sheet asks for."""

    document: Document


def test_rows_of_a_table_come_without_its_head_citations_and_links() -> None:
    rows = passages.rows(markdown.parse(TABLE), "shown")

    assert rows == (("Start", "0.5&nbsp;mg", "Why"), ("Then", "4.5&nbsp;mg", ""))


def test_points_of_a_list_keep_their_emphasis_and_lose_their_links() -> None:
    points = passages.points(markdown.parse(TABLE), "doses")

    assert points == ("<strong>Start low</strong>.", "See the label and below.")


def test_the_box_a_text_begins_with_has_points_too() -> None:
    document = markdown.parse("::: warning Look\n- One\n- Two\n:::\n\n## Next {#next}\n\nWords.\n")

    assert passages.points(document, passages.LEAD) == ("One", "Two")


@pytest.mark.parametrize("source", ["## A {#a}\n\nWords.\n\n## B {#b}\n\n- One\n", "Words.\n"])
def test_a_passage_that_is_not_there_is_a_key_error(source: str) -> None:
    document = markdown.parse(source)

    with pytest.raises(KeyError):
        passages.points(document, "a")
    with pytest.raises(KeyError):
        passages.rows(document, "a")


def test_html_in_a_passage_is_text() -> None:
    assert passages.points(markdown.parse("## A {#a}\n\n- <b>x</b>\n"), "a") == ("&lt;b&gt;x&lt;/b&gt;",)


def test_a_chapter_that_lost_a_passage_is_a_fault_with_its_name() -> None:
    sections, faults = sheet.make({"/prescribers/dosing": Chapter(markdown.parse("## Doses {#doses}\n"))})

    assert sections == ()
    assert faults == ["the sheet needs 'stopping' in /prescribers/dosing, which is not there"]


def test_the_sheet_has_every_part_and_five_works(library: Library) -> None:
    assert [section.heading for section in library.sheet] == [part.heading for part in sheet.PARTS]
    assert all(section.lines for section in library.sheet)
    assert len(sheet.KEY_REFERENCES) == 5
    assert {"bruun2024", "innova"} <= set(sheet.KEY_REFERENCES), "the negative trials are among the five"


def test_every_line_and_figure_of_the_sheet_stands_in_the_chapter_it_leads_to(library: Library) -> None:
    for section in library.sheet:
        path, _, anchor = section.address.partition("#")
        chapter = library.pages[path].document
        text = chapter.text.replace("\N{NO-BREAK SPACE}", " ")
        assert anchor in chapter.ids, section.address
        for line in section.lines:
            for part in (line.name, *line.words):
                words = part.striptags().replace("\N{NO-BREAK SPACE}", " ")
                assert words.rstrip(".") in text, f"{section.address}: {words!r}"
                assert set(FIGURE.findall(words)) <= set(FIGURE.findall(text))


def test_the_page_is_the_sheet_with_its_review_state_and_address(professional: Visitor) -> None:
    page = professional.open("/prescribers/summary")

    page.sees("At least 7 to 10 days", "0.5 to 1.5 mg", "Do not combine")
    page.sees(
        "Not yet signed by the pharmacist-in-charge", "Last changed", "http://localhost:8000/prescribers"
    )
    page.sees("Every use is off-label; compounded medicines are not FDA-approved.")
    assert [a["href"] for a in page.soup.select("main h2 a")][:2] == [
        "/prescribers/safety#contraindications-table",
        "/prescribers/safety#opioid-free-table",
    ]
    assert len(page.soup.select("main ol li")) == 5
    assert page.response.headers["Cache-Control"] == "private, no-cache"


def test_the_page_stands_behind_the_gate(visitor: Visitor) -> None:
    page = visitor.open("/prescribers/summary")

    assert page.title == "For health professionals"
    assert page.press("I am a health professional: continue").title == "Low dose naltrexone on one page"
