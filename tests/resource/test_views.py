"""Addresses, the gate, and what robots get."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from flask import Flask

from portal import app as wiring
from portal.library import typography, words
from portal.library.evidence import CERTAINTY
from tests.pages import Visitor
from tests.pages import words as said

GATED = "/prescribers/dosing"
BUTTON = "I am a health professional: continue"


def test_the_front_page_has_three_doors(visitor: Visitor) -> None:
    page = visitor.open("/")

    doors = [a["href"] for a in page.soup.select(".door a")]
    assert doors == ["/prescribers", "/patients", "/requests/consultation"]
    assert page.soup.select("a[href='https://ldnresearchtrust.org/']")


def test_the_front_page_promises_nothing_and_names_no_condition(visitor: Visitor) -> None:
    for address in ("/", "/prescribers"):
        text = visitor.open(address).text
        assert not words.promises(text, "en") and not words.conditions(text), address


def test_every_public_text_opens_in_its_language(app: Flask, visitor: Visitor) -> None:
    for text in app.extensions["library"].public():
        page = visitor.open(text.path)
        assert page.title == text.title
        assert page.soup.html["lang"] == text.language
        assert "Set-Cookie" not in page.response.headers, text.path


def test_a_translation_waits_for_a_signature_only_where_its_original_does(
    app: Flask, visitor: Visitor
) -> None:
    library = app.extensions["library"]
    waiting = {}

    for text in library.public():
        if text.language == "es":
            page = visitor.open(text.path)
            page.sees("Borrador Un traductor calificado aún no ha revisado esta traducción.")
            waiting[text.path] = "El farmacéutico responsable tampoco ha firmado el texto." in page.text

    originals = {library.pages[path].twin: is_waiting for path, is_waiting in waiting.items()}
    assert originals == {path: library.pages[path].review != "none" for path in originals}
    assert not waiting["/es/accesibilidad"] and waiting["/es/privacidad"]


def test_a_faulty_change_is_told_in_the_log_with_its_file_and_reason(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "page.md").write_text("No front matter.\n", "utf-8")
    told: list[str] = []
    monkeypatch.setattr(app.extensions["shelf"], "_folder", tmp_path)
    monkeypatch.setattr(wiring.logger, "error", lambda words, extra: told.append(extra["reason"]))
    layer = app.extensions["ready"]
    monkeypatch.setattr(layer, "_seen", "another")
    monkeypatch.setattr(layer, "_next_look", 0.0)

    page = visitor.open("/legal")

    assert page.status == 200
    assert any(fault.startswith("page.md: the front matter must stand") for fault in told)


def test_a_translator_alone_signs_for_the_translation_only(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    library = app.extensions["library"]
    spanish = library.pages["/es/pacientes"]
    signed = replace(spanish, review="signed", reviewer="A. Lector", reviewed_on=date(2026, 12, 1))
    pages = {**library.pages, spanish.path: signed}
    monkeypatch.setitem(app.extensions, "library", replace(library, pages=pages))
    app.extensions["ready"].drop()

    page = visitor.open("/es/pacientes")

    page.sees(
        "Traducción revisada el 1 de diciembre de 2026 por A. Lector.",
        "El farmacéutico responsable aún no ha firmado el texto.",
    )
    app.extensions["ready"].drop()


def test_each_text_for_everybody_says_when_it_last_changed(app: Flask, visitor: Visitor) -> None:
    """One that nobody has to sign says it too, so that a text and its translation agree."""
    said = {"en": "Last changed", "es": "Último cambio"}

    for text in app.extensions["library"].public():
        dates = visitor.open(text.path).soup.select_one(".dates").get_text()
        assert re.search(rf"\s{said[text.language]}", dates), f"{text.path}: {dates}"


def test_every_gated_text_opens_for_a_professional(app: Flask, professional: Visitor) -> None:
    for text in app.extensions["library"].chapters("prescribers"):
        page = professional.open(text.path)
        assert page.title == text.title
        page.sees("Not yet signed by the pharmacist-in-charge")


def test_the_first_visit_shows_the_gate_in_place_of_the_page(visitor: Visitor) -> None:
    page = visitor.open(GATED)

    assert page.title == "For health professionals"
    page.lacks("fibromyalgia", "Fibromyalgia")
    form = page.soup.select_one("main form")
    assert form.select_one("input[name=next]")["value"] == GATED
    assert not form.has_attr("action"), "the browser keeps the #passage that was asked for"
    root = visitor.open("/prescribers").soup.select_one("main form")
    assert root["action"] == "/prescribers/gate"
    assert page.response.headers["Cache-Control"] == "no-store"


def test_passing_the_gate_leads_to_the_page_that_was_asked_for(visitor: Visitor) -> None:
    page = visitor.open(GATED).press(BUTTON, follow=False)

    assert page.status == 303 and page.response.headers["Location"] == GATED
    assert visitor.open(GATED).title == "Dosing low dose naltrexone"


@pytest.mark.parametrize("path", ["/patients", "/", "/newsletter/left"])
def test_no_page_before_the_gate_takes_its_form(visitor: Visitor, path: str) -> None:
    assert visitor.post(path, data={"next": GATED}).status_code == 405


def test_the_gates_cookie_is_modest(visitor: Visitor) -> None:
    page = visitor.open(GATED).press(BUTTON, follow=False)

    cookie = next(c for c in page.response.headers.getlist("Set-Cookie") if c.startswith("professional="))
    assert cookie.startswith("professional=yes;")
    assert {"HttpOnly", "Path=/prescribers", "SameSite=Lax", "Max-Age=2592000"} <= set(cookie.split("; "))


@pytest.mark.parametrize(
    "target", ["https://evil.example/", "//evil.example", "/patients", "/staff", "", "/nowhere"]
)
def test_the_gate_leads_nowhere_but_to_a_gated_page(visitor: Visitor, target: str) -> None:
    page = visitor.open(GATED).set(next=target).press(BUTTON, follow=False)

    assert page.response.headers["Location"] == "/prescribers"


def test_the_gate_without_its_tokens_shows_itself_again(visitor: Visitor) -> None:
    response = visitor.post("/prescribers/gate", data={"next": GATED})

    assert response.status_code == 400
    assert "professional" not in response.headers.get("Set-Cookie", "")
    assert BUTTON in response.text


def test_opening_the_gates_own_address_is_refused(visitor: Visitor) -> None:
    assert visitor.get("/prescribers/gate").status_code == 405


def test_a_professional_page_is_kept_by_no_shared_cache_and_not_listed(professional: Visitor) -> None:
    headers = professional.open(GATED).response.headers

    assert headers["Cache-Control"] == "private, no-cache"
    assert headers["X-Robots-Tag"] == "noindex"


def test_with_the_gate_off_the_pages_open_at_once(
    app: Flask, visitor: Visitor, change_settings: Callable[..., None]
) -> None:
    change_settings(PROFESSIONAL_GATE=False)

    assert visitor.open(GATED).title == "Dosing low dose naltrexone"


def test_citations_lead_to_their_works_and_back(professional: Visitor) -> None:
    soup = professional.open("/prescribers/evidence").soup

    ids = {element["id"] for element in soup.find_all(id=True)}
    marks = soup.select("a[href^='#ref-']")
    assert marks and all(a["href"].removeprefix("#") in ids for a in marks)
    backs = soup.select(".refs a.backref")
    assert {a["href"].removeprefix("#") for a in backs} == {a["id"] for a in marks}


def test_each_work_has_a_lasting_anchor_in_the_full_list(app: Flask, professional: Visitor) -> None:
    soup = professional.open("/prescribers/references").soup

    assert {li["id"] for li in soup.select(".refs > li")} == set(app.extensions["library"].references)


def test_every_internal_link_of_a_text_resolves(app: Flask, professional: Visitor) -> None:
    pages = {path: professional.open(path).soup for path in app.extensions["library"].pages}
    links = {
        (path, link["href"])
        for path, soup in pages.items()
        for link in soup.select("main a[href^='/'], main a[href^='#']")
    }
    ids: dict[str, set[str]] = {}

    for path, link in sorted(links):
        target, _, anchor = link.partition("#")
        target = target or path
        if target not in ids:
            soup = pages[target] if target in pages else professional.open(target).soup
            ids[target] = {element["id"] for element in soup.find_all(id=True)}
        assert not anchor or anchor in ids[target], f"{path}: {link}"


def test_a_patients_page_leads_to_its_translation(visitor: Visitor) -> None:
    page = visitor.open("/patients")

    assert page.soup.select_one("header a[hreflang=es]")["href"] == "/es/pacientes"
    assert visitor.open("/es/pacientes").soup.select_one("header a[hreflang=en]")["href"] == "/patients"
    alternates = {link["hreflang"]: link["href"] for link in page.soup.select("link[rel=alternate]")}
    assert alternates == {"en": "http://localhost:8000/patients", "es": "http://localhost:8000/es/pacientes"}


def test_a_spanish_page_leads_to_spanish_pages_or_says_that_it_does_not(app: Flask, visitor: Visitor) -> None:
    spanish = [text.path for text in app.extensions["library"].public() if text.language == "es"]

    for path in (*spanish, "/es/boletin"):
        soup = visitor.open(path).soup
        for link in soup.select("a[href^='/']:not(.brand)"):
            is_told = link.get("hreflang") == "en" or "en inglés" in link.get_text()
            assert link["href"].startswith("/es/") or is_told, f"{path}: {link}"
        assert {"/es/privacidad", "/es/accesibilidad", "/es/aviso-legal"} <= {
            link["href"] for link in soup.select("footer a")
        }


def test_each_text_and_its_translation_name_each_other_to_search_engines(
    app: Flask, visitor: Visitor
) -> None:
    library = app.extensions["library"]
    pairs = [text for text in library.public() if text.twin]

    assert {text.path for text in pairs if text.language == "es"} == {
        text.path for text in library.public() if text.language == "es"
    }
    for text in pairs:
        links = visitor.open(text.path).soup.select("link[rel=alternate]")
        assert {link["hreflang"]: urlsplit(link["href"]).path for link in links} == {
            text.language: text.path,
            library.pages[text.twin].language: text.twin,
        }


def test_the_front_page_warns_in_the_words_that_a_pharmacist_signs(visitor: Visitor) -> None:
    warnings = [
        visitor.open(path).soup.select_one(".notice.danger") for path in ("/", "/patients", "/patients/faq")
    ]

    (home, patients, questions) = (
        [said(part) for part in warning.find_all(["h2", "p"])] for warning in warnings
    )
    assert home == patients[:2], "the heading and the statement"
    assert questions[1].startswith(home[1])


def test_the_contact_facts_are_the_settings_and_nothing_else(visitor: Visitor) -> None:
    page = visitor.open("/privacy")

    page.sees("Linden Test Pharmacy", "925-555-0100").lacks("Fax")


def test_robots_are_asked_to_leave_private_pages_alone(visitor: Visitor) -> None:
    response = visitor.get("/robots.txt")

    assert response.mimetype == "text/plain"
    lines = response.text.splitlines()
    assert {"Disallow: /prescribers", "Disallow: /staff", "Disallow: /r/"} <= set(lines)
    assert "Sitemap: http://localhost:8000/sitemap.xml" in lines


def test_the_site_map_lists_public_pages_only(app: Flask, visitor: Visitor) -> None:
    response = visitor.get("/sitemap.xml")
    root = ElementTree.fromstring(response.data)

    addresses = {element.text for element in root.iter("{http://www.sitemaps.org/schemas/sitemap/0.9}loc")}
    paths = {urlsplit(address or "").path for address in addresses}
    assert {text.path for text in app.extensions["library"].public()} <= paths
    assert not any(path.startswith(("/prescribers", "/staff")) for path in paths)
    for text in app.extensions["library"].public():
        assert (
            not text.twin
            or f'hreflang="{text.language}" href="http://localhost:8000{text.path}"' in response.text
        )
    assert response.text.count('hreflang="es" href="http://localhost:8000/es/boletin"') == 2, (
        "on both sign-ups"
    )
    for path in paths:
        visitor.open(path)


def test_one_condition_alone_is_the_page_from_its_table_on(app: Flask, professional: Visitor) -> None:
    page = professional.open("/prescribers/evidence?condition=fibromyalgia")

    assert page.title == "Evidence by condition: Fibromyalgia"
    assert [th["id"] for th in page.soup.select("th[scope=rowgroup]")] == ["fibromyalgia"]
    assert page.soup.select_one("main .text h2")["id"] == "studies"
    assert not page.soup.select("#conditions-table"), "the list of all conditions is the whole page's"
    page.sees(
        "http://localhost:8000/prescribers/evidence?condition=fibromyalgia",
        "FINAL 2024",
        "No difference shown",
    )
    listed = [f"#{li['id']}" for li in page.soup.select("ol.refs > li")]
    numbers = {a["href"]: int(a.contents[-1]) for a in page.soup.select("a[href^='#ref-']")}
    assert numbers == {address: number for number, address in enumerate(listed, 1)}


def test_each_condition_stands_at_a_glance_with_its_certainty_and_opens_alone(
    app: Flask, professional: Visitor
) -> None:
    soup = professional.open("/prescribers/evidence").soup
    (table,) = soup.select("table:has(> caption#conditions-table)")

    conditions = app.extensions["library"].evidence
    lines = table.select("tbody tr")
    for line, condition in zip(lines, conditions, strict=True):
        assert line.th["scope"] == "row"
        assert [cell.get_text() for cell in line.select("td")] == [
            CERTAINTY[condition.certainty],
            typography.typeset(condition.summary)[0],
        ]
        assert line.th.a["href"] == f"/prescribers/evidence?condition={condition.id}"
        view = professional.open(line.th.a["href"])
        assert view.title.endswith(line.th.get_text())


def test_the_table_follows_its_heading_and_how_to_read_it(professional: Visitor) -> None:
    for query in ("", "?condition=fibromyalgia"):
        soup = professional.open(f"/prescribers/evidence{query}").soup
        how, region = soup.select_one("#studies").find_next_siblings()[:2]
        assert how.get_text().startswith("One study, one row")
        assert region.select_one("table caption#evidence-table")


def test_a_view_of_one_condition_is_short_and_leads_back_to_all(professional: Visitor) -> None:
    soup = professional.open("/prescribers/evidence?condition=fibromyalgia").soup

    assert soup.select_one(".back a")["href"] == "/prescribers/evidence"
    assert not soup.select("nav.contents")


@pytest.mark.parametrize(
    "asked", ["hope", "", "Fibromyalgia", "<script>alert(1)</script>", "fibromyalgia%00"]
)
def test_a_condition_we_do_not_list_gets_a_note_and_the_whole_table(
    asked: str, app: Flask, professional: Visitor
) -> None:
    page = professional.open("/prescribers/evidence", query_string={"condition": asked})

    assert page.title == "Evidence by condition"
    page.sees("We do not list that condition")
    assert len(page.soup.select("th[scope=rowgroup]")) == len(app.extensions["library"].evidence)
    assert "alert(1)" not in page.response.text


def test_a_view_of_one_condition_is_private_and_not_among_the_kept_pages(
    app: Flask, professional: Visitor
) -> None:
    whole = professional.open("/prescribers/evidence")
    one = professional.open("/prescribers/evidence?condition=crps")

    assert one.response.headers["Cache-Control"] == "private, no-cache"
    assert one.response.headers["Vary"] == "Cookie" and "X-Ready" not in one.response.headers
    assert "Cookie" in whole.response.headers["Vary"]
    assert professional.open("/prescribers/evidence").text == whole.text


@pytest.mark.parametrize(
    ("asked", "led_to"),
    [
        ("/prescribers/evidence?condition=crps", "/prescribers/evidence?condition=crps"),
        ("/prescribers/evidence?condition=hope", "/prescribers/evidence"),
        ("/prescribers/evidence?condition=crps&next=//evil.example", "/prescribers/evidence?condition=crps"),
        ("/prescribers/dosing?utm=1", "/prescribers/dosing"),
        ("/prescribers/summary", "/prescribers/summary"),
        ("/prescribers/evidence.csv", "/prescribers/evidence.csv"),
    ],
)
def test_the_gate_leads_on_to_the_view_that_was_asked_for(asked: str, led_to: str, visitor: Visitor) -> None:
    status = 403 if asked.endswith("csv") else 200

    page = visitor.open(asked, status=status).press(BUTTON, follow=False)

    assert page.response.headers["Location"] == led_to


@pytest.mark.parametrize(
    "target",
    ["//evil.example/prescribers", "https://evil.example/prescribers/summary", "/prescribersx", "/prescribers/gate",
     "/prescribers/../staff", "/prescribers/nowhere", "\\\\evil.example"],
)  # fmt: skip
def test_the_gate_leads_to_no_address_that_only_looks_like_ours(target: str, visitor: Visitor) -> None:
    page = visitor.open(GATED).set(next=target).press(BUTTON, follow=False)

    assert page.response.headers["Location"] == "/prescribers"


def test_the_resource_page_leads_to_the_sheets_and_so_does_dosing(professional: Visitor) -> None:
    for path, links in (
        ("/prescribers", {"/prescribers/summary", "/prescribers/dose-plan"}),
        ("/prescribers/dosing", {"/prescribers/dose-plan"}),
    ):
        assert links <= {a["href"] for a in professional.open(path).soup.select("main .text a[href]")}, path


def test_the_dates_and_what_changed_stand_at_the_top(app: Flask, professional: Visitor) -> None:
    for chapter in app.extensions["library"].chapters("prescribers"):
        head = professional.open(chapter.path).soup.select_one(".head")
        assert "Last changed" in head.select_one(".dates").get_text()
        told = [li.get_text() for li in head.select("details#changes li")]
        assert len(told) == len(chapter.changes) > 0
        assert all(what in line for line, (_, what) in zip(told, chapter.changes, strict=True))
