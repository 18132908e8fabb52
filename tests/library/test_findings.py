"""What was found in people is printed with its source, what was pooled with its number of studies."""

import re

import pytest
from bs4 import BeautifulSoup, Tag

from portal.library.pages import Library

# A figure of a finding: a share, a ratio or difference with its interval, a p, a count out of a count. Doses, days
# and identifiers are not; nor is what a law or a pharmacopoeia sets.
FINDING = re.compile(
    r"\d%|\b(?:RR|IRR|SMD|CI|d)\s[−-]?\d|\bp\s[=<]\s0|\b\d[\d,]* of (?:the )?\d[\d,]*\b"
    r"|\b\d[\d,]* (?:people|women|adults|children|volunteers|men|newborns|trials|studies|guidelines)\b"
)
REGISTERED = re.compile(r"NCT\d{8}|EudraCT|ACTRN")
POOLED = re.compile(r"\b(?:RR|IRR|SMD)\b|\bpooled trials\b")
STUDIES = re.compile(
    r"\b(?:\d+|two|three|few) (?:\w+ ){0,2}(?:trials|studies|papers|analyses)\b|number of trials not in what we read"
)
GRAVE = ("Do not combine", "Avoid", "Caution", "No action")


def _passages(library: Library, path: str) -> list[Tag]:
    """Each row, point and paragraph of a text that is none of another; not the list of works."""
    soup = BeautifulSoup(library.pages[path].document.html, "html.parser")
    for works in soup.select(
        ".refs, thead, tr:has(> th[scope='rowgroup'])"
    ):  # the last: a condition, above its studies
        works.decompose()
    return [
        passage
        for passage in soup.select("tr, li, p, dd")
        if not passage.find(["tr", "li", "p"]) and not (passage.name == "p" and passage.find_parent("tr"))
    ]


def _words(passage: Tag) -> str:
    return re.sub(r"\s+", " ", passage.get_text(" "))


@pytest.mark.parametrize("chapter", ["", "/evidence", "/dosing", "/safety", "/compounding", "/faq"])
def test_no_number_without_its_source(library: Library, chapter: str) -> None:
    findings = [
        passage for passage in _passages(library, f"/prescribers{chapter}") if FINDING.search(_words(passage))
    ]

    without = [
        _words(passage)
        for passage in findings
        if not passage.select("a[href^='#ref-'], a[href*='?condition=']")  # or the studies it is drawn from
        and not REGISTERED.search(_words(passage))
    ]
    assert findings
    assert not without


@pytest.mark.parametrize("chapter", ["", "/evidence", "/dosing", "/safety", "/compounding", "/faq"])
def test_no_pooled_figure_without_its_number_of_studies(library: Library, chapter: str) -> None:
    without = [
        words
        for words in map(_words, _passages(library, f"/prescribers{chapter}"))
        if POOLED.search(words) and re.search(r"\d\.\d", words) and not STUDIES.search(words)
    ]

    assert not without


def test_each_row_of_pooled_studies_says_how_many(library: Library) -> None:
    pooled = [
        study
        for condition in library.evidence
        for study in condition.studies
        if re.match(r"Pooled|Systematic review", study.design)
    ]

    assert len(pooled) > 5
    for study in pooled:
        assert re.search(
            r"\b\d+ (?:[\w-]+ )*(?:trials?|papers|studies)|number of trials not", study.design
        ), study.design


def test_each_interaction_says_first_how_grave_it_is(library: Library) -> None:
    soup = BeautifulSoup(library.pages["/prescribers/safety"].document.html, "html.parser")
    rows = soup.select("table:has(> #interactions-table) tbody tr")
    advice = [row.select("td")[-1].get_text() for row in rows]

    assert len(rows) > 10
    assert [words for words in advice if not words.startswith(GRAVE)] == []
    grave = [next(i for i, word in enumerate(GRAVE) if words.startswith(word)) for words in advice]
    assert set(grave) == set(range(len(GRAVE)))
