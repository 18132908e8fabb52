"""What patients get on paper: accessible, on one sheet, in their language, the words of their page."""

from __future__ import annotations

import re
from io import BytesIO
from pathlib import Path

import page as page_validation
import pytest
from flask import Flask
from pypdf import PdfReader

from portal.intake.catalogue import CATALOGUE
from portal.library import words
from portal.library.pages import Library
from portal.organisation import Organisation
from portal.print import guide, leaflets
from portal.print.guide import Printed
from tests.figures import Figure
from tests.pages import Visitor

pytestmark = pytest.mark.xdist_group("guide")  # so that each is printed in one process only

ADDRESSES = {
    "leaflet-en": "/patients/leaflet.pdf",
    "leaflet-es": "/es/pacientes/hoja.pdf",
    "card-en": "/patients/card.pdf",
    "card-es": "/es/pacientes/tarjeta.pdf",
}
MM = 72 / 25.4


def sheet(app: Flask, name: str) -> Printed:
    found = app.extensions["leaflets"][name].printed(app.extensions["library"], wait=60)
    assert found is not None, app.extensions["leaflets"][name].fault
    return found


def read(printed: Printed) -> str:
    text = " ".join(one.extract_text() for one in PdfReader(BytesIO(printed.body)).pages)
    return re.sub(r"\s+", " ", text)


@pytest.mark.parametrize("name", ADDRESSES)
def test_each_is_accessible_one_sheet_and_in_its_language(app: Flask, name: str, figure: Figure) -> None:
    printed = sheet(app, name)
    reader = PdfReader(BytesIO(printed.body))
    is_leaflet = name.startswith("leaflet")

    assert len(reader.pages) == printed.pages == (2 if is_leaflet else 1), "front and back of one sheet"
    assert {tuple(map(round, one.mediabox[2:])) for one in reader.pages} == {(612, 792)}
    assert reader.trailer["/Root"]["/Lang"] == name[-2:] + "-US"
    report = page_validation.validate_pdf_bytes(
        printed.body, profile=page_validation.ValidationProfile.PDF_UA_1
    )
    assert [failure.message for failure in report.failures] == []
    figure(f"{name}.pdf", len(printed.body) // 1000, "KB")


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_leaflet_says_what_its_page_says_but_for_news(
    app: Flask, library: Library, language: str
) -> None:
    said = read(sheet(app, f"leaflet-{language}"))
    page = leaflets._page(library, language)

    for paragraph in re.split(r"\n+", page.document.text):
        is_for_the_screen = re.search(
            r"(?i)news|noticias|e-?mail|correo|inscr|to print|para imprimir", paragraph
        )
        start = re.sub(r"\s+", " ", paragraph).strip()[:40]
        assert is_for_the_screen or start in said, start
    assert "Linden Test Pharmacy" in said and "925-555-0100" in said
    assert not words.conditions(said) and not words.promises(said, language)


@pytest.mark.parametrize("name", [name for name in ADDRESSES if name.startswith("leaflet")])
def test_no_page_of_a_leaflet_ends_with_what_leads_to_a_list(app: Flask, name: str) -> None:
    front = PdfReader(BytesIO(sheet(app, name).body)).pages[0].extract_text().splitlines()
    said = [line.strip() for line in front if line.strip() and "1 / 2" not in line]

    assert not said[-1].endswith(":") and not said[-2].endswith(":"), said[-3:]


def test_a_leaflet_of_a_pharmacy_without_a_number_leaves_room_to_write_it(
    app: Flask, library: Library
) -> None:
    unknown = Organisation(name="Linden Test Pharmacy")

    for language in ("en", "es"):
        last = leaflets.leaflet(library, unknown, "https://a.example", language).splitlines()[-1]
        assert last.startswith("#last(") and "Linden Test Pharmacy: " in last and ", true, " in last


def test_the_cards_say_what_they_must_and_are_85_by_54_millimetres(app: Flask) -> None:
    for language, front in (("en", "I take naltrexone (low dose)"), ("es", "Tomo naltrexona en dosis baja")):
        printed = sheet(app, f"card-{language}")
        said = read(printed)
        assert front in said and "1-800-222-1222" in said and "Linden Test Pharmacy" in said
        assert "Naltrexone blocks opioids." in said
        assert not words.conditions(said) and not words.promises(said, language)
        content = PdfReader(BytesIO(printed.body)).pages[0].get_contents()
        assert content is not None
        drawn = content.get_data().decode("latin-1")
        sizes = {
            (round(float(w), 1), round(float(h), 1))
            for w, h in re.findall(r"([\d.]+) 0 l\s+[\d.]+ ([\d.]+) l", drawn)
        }
        assert any(abs(w - 85 * MM) < 0.2 and abs(h - 54 * MM) < 0.2 for w, h in sizes), sizes


def test_frame_words_are_those_of_the_pages(app: Flask) -> None:
    catalogue = Path(app.root_path, "translations/es/LC_MESSAGES/messages.po")
    said = " ".join(catalogue.read_text("utf-8").replace('"\n"', "").split())
    english, spanish = leaflets.WORDS["en"], leaflets.WORDS["es"]

    assert english.keys() == spanish.keys()
    for key in ("draft", "unread", "changed", "call", "law"):
        first = (
            spanish[key].removeprefix("Borrador. ").replace("{day}", "%(day)s").replace("{name}", "%(name)s")
        )
        assert f'msgstr "{first}"' in said, key


@pytest.mark.parametrize(("name", "address"), ADDRESSES.items())
def test_each_opens_without_the_gate(name: str, address: str, visitor: Visitor) -> None:
    response = visitor.get(address)

    assert response.status_code == 200 and response.mimetype == "application/pdf"
    assert response.headers["Content-Disposition"] == f'inline; filename="ldn-{name}.pdf"'


def test_what_the_catalogue_links_to_is_there(app: Flask, visitor: Visitor) -> None:
    visitor.client.set_cookie("professional", "yes", domain="localhost", path="/prescribers")

    for item in CATALOGUE:
        assert item.address and visitor.get(item.address).status_code == 200, item.slug
    assert set(ADDRESSES.values()) <= {item.address for item in CATALOGUE}
    assert {one.name for one in guide.LEAFLETS} == set(ADDRESSES)
