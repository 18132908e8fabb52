"""Spanish is an equal: every word that is marked for translation has one, and no page mixes the two."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask import Flask

from portal.newsletter.models import Language
from tests.newsletter.people import ADDRESS, Outbox, link_in, make_subscriber, sign_up, use_up_sign_ups
from tests.pages import Visitor

ROOT = Path(__file__).resolve().parent.parent.parent
TRANSLATIONS = ROOT / "portal" / "translations"
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}")


@cache
def catalogue() -> Catalog:
    with (TRANSLATIONS / "es" / "LC_MESSAGES" / "messages.po").open("rb") as file:
        return read_po(file, locale="es")


@cache
def marked() -> frozenset[str]:
    """Every English text that the code or a template marks."""
    with (TRANSLATIONS / "babel.cfg").open() as file:
        methods, options = parse_mapping_cfg(file)
    found = set()
    for folder in ("portal", "templates"):
        keywords = {**DEFAULT_KEYWORDS, "lazy_gettext": None}
        mapping = [
            (pattern.removeprefix(f"{folder}/"), method)
            for pattern, method in methods
            if pattern.startswith(folder)
        ]
        chosen = {pattern.removeprefix(f"{folder}/"): option for pattern, option in options.items()}
        for _file, _line, text, _notes, _context in extract_from_dir(
            ROOT / folder, mapping, chosen, keywords=keywords
        ):
            found.add(text if isinstance(text, str) else text[0])
    return frozenset(found)


def spanish_of(text: str) -> list[str]:
    message = catalogue().get(text)
    if message is None:
        return []
    return [message.string] if isinstance(message.string, str) else list(message.string)


def test_every_marked_text_is_translated() -> None:
    """Run `make translations` and fill in what this lists."""
    assert len(marked()) > 100
    assert sorted(text for text in marked() if not spanish_of(text) or not all(spanish_of(text))) == []


def test_no_translation_is_a_guess_or_loses_a_placeholder() -> None:
    for message in catalogue():
        if message.id:
            english = message.id if isinstance(message.id, str) else message.id[-1]
            assert not message.fuzzy, english
            for spanish in spanish_of(english if isinstance(message.id, str) else message.id[0]):
                assert sorted(PLACE.findall(english)) == sorted(PLACE.findall(spanish)), english


@cache
def telling() -> list[str]:
    """English texts long enough, and different enough, to be recognised on a Spanish page."""
    return [
        text for text in marked() if len(text) > 8 and not PLACE.search(text) and spanish_of(text) != [text]
    ]


def english_in(text: str) -> list[str]:
    return [english for english in telling() if re.search(rf"(?<!\w){re.escape(english)}(?!\w)", text)]


def test_the_spanish_pages_have_no_english_left(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    person = make_subscriber(app, address="ben@mail.example", language=Language.ES)
    sign_up(visitor, page="/es/boletin")
    confirm = link_in(outbox()[-1], "/newsletter/confirm/")
    visitor.open(person["preferences"]).press("Borrar todo lo que tienen sobre mí")
    erase = link_in(outbox()[-1], "/newsletter/erase/")

    done = [
        "check-email",
        "confirmed",
        "blocked",
        "left",
        "erased",
        "editions",
        "confirm/unknown",
        "unsubscribe/unknown",
    ]
    addresses = [
        "/es/boletin",
        "/es/pacientes",
        "/es/pacientes/preguntas",
        *(f"/newsletter/{page}?lang=es" for page in done),
        confirm,
        erase,
        *person.values(),
        person["preferences"] + "/record",
        *(person["preferences"] + f"?done={act}" for act in ("save", "resume", "erase")),
    ]
    for address in addresses:
        page = visitor.open(address)
        assert page.soup.html["lang"] == "es", address
        for link in page.soup.find_all(lang="en"):
            link.decompose()
        assert english_in(page.soup.get_text(" ")) == [], address


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"email": ""}, "Escriba su correo electrónico"),
        ({"email": "ana"}, "Escriba un correo electrónico con el formato correcto, como nombre@example.com"),
        ({"topics": []}, "Seleccione al menos un tema"),
        ({"language": "fr"}, "Seleccione inglés o español"),
        ({"email": [ADDRESS, ADDRESS]}, "Dé una sola respuesta"),
    ],
)
def test_errors_are_in_spanish(visitor: Visitor, fields: dict[str, object], advice: str) -> None:
    page = visitor.open("/es/boletin").set(**{"email": ADDRESS, **fields})  # type: ignore[arg-type]

    page = page.press("Inscribirme", status=422)

    assert advice in page.errors.values()
    assert english_in(page.soup.get_text(" ")) == []


def test_too_many_and_stale_are_in_spanish(app: Flask, visitor: Visitor) -> None:
    stale = visitor.open("/es/boletin").set(email=ADDRESS, form_token="").press("Inscribirme", status=400)
    use_up_sign_ups(app)
    many = visitor.open("/es/boletin").set(email=ADDRESS).press("Inscribirme", status=429)

    stale.sees("Revíselas y envíelas de nuevo")
    assert english_in(stale.text) == english_in(many.text) == []


@pytest.mark.parametrize("path", ["/es", "/es/", "/es/nada", "/es/pacientes/"])
def test_a_mistyped_spanish_address_is_answered_in_spanish(path: str, visitor: Visitor) -> None:
    page = visitor.open(path, status=404)

    assert (page.soup.html["lang"], page.title) == ("es", "No encontramos esa página")
    assert {"/es/pacientes", "/es/boletin"} <= {link["href"] for link in page.soup.select("header nav a")}
    assert [link["href"] for link in page.soup.select("main .buttons a")] == ["/es/pacientes"]
    assert english_in(page.soup.get_text(" ")) == []


@pytest.mark.parametrize("path", ["/nada", "/esx", "/especial/es/"])
def test_any_other_mistyped_address_is_answered_in_english(path: str, visitor: Visitor) -> None:
    assert visitor.open(path, status=404).soup.html["lang"] == "en"


def test_the_same_redirect_for_every_address_in_spanish(app: Flask, visitor: Visitor) -> None:
    make_subscriber(app)

    known = visitor.open("/es/boletin").set(email=ADDRESS).press("Inscribirme", follow=False)
    unknown = visitor.open("/es/boletin").set(email="nadie@mail.example").press("Inscribirme", follow=False)

    assert known.response.headers["Location"] == "/newsletter/check-email?lang=es"
    assert known.response.data == unknown.response.data


def test_each_page_leads_to_its_twin(visitor: Visitor) -> None:
    assert visitor.open("/newsletter").follow("Español").soup.html["lang"] == "es"
    assert visitor.open("/es/boletin").follow("English").soup.html["lang"] == "en"
    assert visitor.open("/newsletter/left").follow("Español").title == "No recibirá más correos"


def test_a_browser_that_prefers_spanish_gets_it_where_the_address_does_not_say(visitor: Visitor) -> None:
    response = visitor.get(
        "/newsletter/unsubscribe/unknown", headers={"Accept-Language": "es-MX,es;q=0.9,en;q=0.5"}
    )

    assert '<html lang="es">' in response.text


def test_an_english_page_stays_english_in_a_spanish_browser(visitor: Visitor) -> None:
    """Where the address says the language, it is not the browser that decides."""
    spanish = {"Accept-Language": "es"}

    for address in ("/newsletter", "/newsletter/check-email", "/newsletter/left"):
        assert '<html lang="en">' in visitor.get(address, headers=spanish).text
