"""Markdown becomes checked HTML, and what an author got wrong is said in a sentence."""

import pytest
from bs4 import BeautifulSoup, Tag

from portal.library import markdown
from portal.library.tables import Grid, Group

TABLE = "Table: What it shows {#shown}\n\n| Dose | Weeks |\n|---|--:|\n| 4.5 mg | 12 |\n"


def parse(source: str, **kwargs: object) -> tuple[markdown.Document, BeautifulSoup]:
    document = markdown.parse(source, **kwargs)  # type: ignore[arg-type]
    return document, BeautifulSoup(document.lead + document.html, "html.parser")


def one(soup: BeautifulSoup, selector: str) -> Tag:
    found = soup.select(selector)
    assert len(found) == 1, f"{len(found)} of {selector}"
    return found[0]


def test_a_heading_carries_its_id_and_stands_in_the_contents() -> None:
    document, soup = parse("## Doses of *4.5 mg* {#doses}\n\n### More {#more}\n")

    assert one(soup, "h2")["id"] == "doses"
    assert document.contents == (("doses", "Doses of 4.5\N{NO-BREAK SPACE}mg"),)
    assert not document.faults


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("## Plain\n", "has no id"),
        ("# Title {#a}\n", "is a second title"),
        ("## A {#a}\n\n#### B {#b}\n", "skips a level"),
        ("## A {#a}\n\n## B {#a}\n", "the id 'a' is given twice"),
        ("## A {#A B}\n", "has no id"),
    ],
)
def test_a_faulty_heading_is_named(source: str, fault: str) -> None:
    assert any(fault in found for found in markdown.parse(source).faults)


def test_citations_are_numbered_by_first_use_stand_in_order_and_lead_there_and_back() -> None:
    document, soup = parse("A [@b2001]. B [@a2000; @b2001].\n")

    assert [a["href"] for a in soup.select("sup a")] == ["#ref-b2001", "#ref-b2001", "#ref-a2000"]
    assert document.cited == {"b2001": ("cite-b2001-1", "cite-b2001-2"), "a2000": ("cite-a2000-1",)}
    assert {a["id"] for a in soup.select("sup a")} == {"cite-b2001-1", "cite-b2001-2", "cite-a2000-1"}
    assert soup.sup is not None and soup.sup.get_text() == "Reference 1"
    assert soup.p is not None and soup.p.get_text().startswith("AReference"), "no break before the mark"


@pytest.mark.parametrize("source", ["[@Upper]", "[@a b]", "[@a, @b]", "[@]"])
def test_a_citation_that_cannot_be_read_is_a_fault(source: str) -> None:
    assert any("could not be read" in fault for fault in markdown.parse(f"A {source}.").faults)


def test_a_table_prints_what_the_table_component_prints() -> None:
    document, soup = parse(TABLE)

    region = one(soup, "div.table")
    assert (region["role"], region["tabindex"], region["aria-labelledby"]) == ("region", "0", "shown")
    assert one(soup, "table > caption#shown").get_text() == "What it shows"
    assert not soup.select("table[role], table [role]")  # decision 0016
    assert [th["scope"] for th in soup.select("thead th")] == ["col", "col"]
    assert one(soup, "tbody th[scope=row]")["data-label"] == "Dose"
    cell = one(soup, "tbody td")
    assert (cell["data-label"], cell["class"]) == ("Weeks", ["num"])
    assert "style" not in document.html and not document.faults


def test_a_table_without_a_caption_is_a_fault() -> None:
    assert "a table has no caption" in markdown.parse("| A |\n|---|\n| 1 |\n").faults[0]


def test_a_table_from_data_stands_where_its_name_stands() -> None:
    grid = Grid("g", "All", ("Study", "Source"), (Group("x", "X", "One study.", (("A", "[@a1]"),)),))

    document, soup = parse("Before [@b1].\n\n[[evidence]]\n", grids={"evidence": grid})

    heading = one(soup, "th[scope=rowgroup]")
    assert (heading["id"], heading["colspan"]) == ("x", "2")
    assert one(soup, "span.detail").get_text() == "One study."
    assert one(soup, "tbody th[scope=row]").get_text() == "A"
    assert one(soup, "td").get_text() == "Reference 2"
    assert {"g", "x"} <= document.ids


def test_an_unknown_table_is_a_fault() -> None:
    assert "there is no table named 'nothing'" in markdown.parse("[[nothing]]\n").faults


def test_a_box_says_its_level_and_may_lead_the_page() -> None:
    document, _ = parse("::: warning Look out\nCareful.\n:::\n\n## Next {#next}\n\n::: info Also\nx\n:::\n")

    lead, rest = BeautifulSoup(document.lead, "html.parser"), BeautifulSoup(document.html, "html.parser")
    assert one(lead, "div.notice.warn > h2").get_text() == "Warning: Look out"
    assert one(rest, "div.notice.info > h3").get_text() == "Information: Also"
    assert document.contents == (("next", "Next"),)


@pytest.mark.parametrize(
    ("source", "fault"),
    [
        ("::: warning\nx\n:::\n", "a warning box has no heading"),
        ("::: other X\nx\n:::\n", "could not be read"),
    ],
)
def test_a_faulty_box_is_named(source: str, fault: str) -> None:
    assert any(fault in found for found in markdown.parse(source).faults)


def test_a_link_that_leaves_says_so() -> None:
    document, soup = parse("[There](https://there.example/x) and [here](/patients#what).\n")

    away, home = soup.select("a")
    assert (away["rel"], away.get_text()) == (["noopener"], "There (leaves this site)")
    assert home.attrs == {"href": "/patients#what"}
    assert document.links == ("/patients#what",)


def test_a_number_for_an_emergency_is_called_by_pressing_it() -> None:
    document = markdown.parse("[Call 911](tel:911), or [988](tel:988).")

    assert document.faults == ()
    assert '<a href="tel:911">Call 911</a>, or <a href="tel:988">988</a>' in document.html


@pytest.mark.parametrize(
    "address",
    ["//evil.example/", "http://plain.example/", "mailto:a@b.example", "page", "ftp://x", "tel:925-555-0100"],
)
def test_any_other_link_is_a_fault(address: str) -> None:
    assert any(
        "neither a page of ours nor an https address" in f for f in markdown.parse(f"[x]({address})").faults
    )


def test_a_script_link_is_not_made_and_is_a_fault() -> None:
    document, soup = parse("[x](javascript:alert)\n")

    assert not soup.select("a") and document.faults


def test_html_is_printed_not_obeyed() -> None:
    document, soup = parse(
        '<script>alert(1)</script> <b onclick="x">b</b>\n\n<div style="color:red">x</div>\n'
    )

    assert not soup.select("script, b, div")
    assert "&lt;script&gt;" in document.html


def test_a_word_may_be_in_another_language_and_carry_nothing_else() -> None:
    _, soup = parse('[hola]{lang=es onclick="x" style="y"}\n')

    assert one(soup, "span").attrs == {"lang": "es"}


def test_a_dose_is_typeset_and_a_wrong_one_is_a_fault() -> None:
    document, soup = parse("Take 4.5 mg.\n")

    assert soup.get_text().strip() == "Take 4.5\N{NO-BREAK SPACE}mg."
    assert not document.faults
    assert "write the nought before the point" in markdown.parse("Take .5 mg.\n").faults[0]


def test_the_words_of_the_frame_are_in_the_language_of_the_text() -> None:
    document, _ = parse("::: danger Ojo\n[Fuera](https://x.example) [@a1]\n:::\n", language="es")

    for words in ("Peligro: ", "sale de este sitio", "Referencia "):
        assert words in document.lead
