"""The search finds what stands in the texts, in their language, and shows a stranger nothing of the gated ones."""

from __future__ import annotations

import pytest

from portal.library import search
from portal.library.pages import Library
from tests.pages import Visitor


@pytest.mark.parametrize(
    ("asked", "first"),
    [
        ("how many days to hold before surgery", "/prescribers/safety#surgery"),
        ("withdrawal", "/prescribers/safety#withdrawal"),
        ("FIBROMYALGIA", "/prescribers/faq#fibromyalgia"),
        ("quantity refills", "/prescribers/compounding#prescription"),
        ("cirugia", "/es/pacientes/preguntas#surgery"),
        ("abdómen COSTILLAS", "/es/pacientes#help"),
    ],
)
def test_it_finds_the_passage(asked: str, first: str, library: Library) -> None:
    found = [one.section.address for one in search.search(library.pages.values(), asked)]

    assert first in found[:4], found


def test_a_passage_shows_the_words_and_folding_keeps_every_letter(library: Library) -> None:
    found = search.search(library.pages.values(), "acamprosate")
    assert found and all("acamprosate" in search.fold(one.passage) for one in found)
    for page in library.pages.values():
        assert len(search.fold(page.text)) == len(page.text)


@pytest.mark.parametrize("asked", ["", "   ", "?!", "%00", "<script>", "a" * 5000, "( [ * \\"])
def test_odd_questions_find_nothing_odd(asked: str, visitor: Visitor) -> None:
    page = visitor.open("/search", query_string={"q": asked})

    assert page.status == 200 and "<script>" not in page.response.text


def test_a_stranger_finds_public_texts_only(visitor: Visitor, professional: Visitor) -> None:
    visitor.client.delete_cookie("professional", path="/prescribers")
    for path in ("/search?q=opioids", "/es/buscar?q=opioides"):
        page = visitor.open(path)
        links = [a["href"] for a in page.soup.select(".found a")]
        assert links and not any(link.startswith("/prescribers") for link in links)
    assert visitor.open("/prescribers/search?q=opioids").title == "For health professionals"

    professional.client.set_cookie("professional", "yes", domain="localhost", path="/prescribers")
    page = professional.open("/prescribers/search?q=opioids")
    assert any(a["href"].startswith("/prescribers/safety") for a in page.soup.select(".found a"))
    assert page.response.headers["Cache-Control"] == "private, no-cache"


def test_public_pages_tell_search_engines_what_they_say(visitor: Visitor) -> None:
    soup = visitor.open("/patients").soup

    assert soup.select_one("meta[property='og:title']")["content"] == soup.h1.get_text()
    about = soup.select_one("[itemtype='https://schema.org/MedicalWebPage']")
    assert about.select_one("[itemprop=publisher] [itemprop=telephone]")["content"] == "925-555-0100"
    assert not about.select("[itemprop=lastReviewed]"), "nobody has signed it"
    assert not visitor.open("/prescribers").soup.select("[itemscope], meta[property]")


def test_how_we_work_says_that_the_pharmacy_sells_what_it_writes_about(visitor: Visitor) -> None:
    visitor.open("/how-we-work").sees("makes and sells low dose naltrexone", "That is a conflict of interest")
    visitor.open("/es/como-trabajamos").sees("prepara y vende", "conflicto de interés")
    for path in ("/", "/patients", "/es/pacientes"):
        assert visitor.open(path).soup.select(
            "footer a[href$='how-we-work'], footer a[href$='como-trabajamos']"
        )


def test_points_are_not_run_together_in_what_was_found(library: Library) -> None:
    found = search.search(library.public(), "kidney")

    assert any("liver or kidney problems; are pregnant" in one.passage for one in found)
