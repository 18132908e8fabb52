"""Spanish is an equal: every word that is marked for translation has one, and no page mixes the two."""

from __future__ import annotations

import re
from copy import copy
from functools import cache
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.pofile import read_po
from flask import Flask
from werkzeug.test import TestResponse

from portal.db import NOTHING_SAVED
from portal.errors import Unavailable
from portal.newsletter import service
from portal.newsletter.door import FORM
from portal.newsletter.models import Language
from tests.figures import Figure
from tests.newsletter.people import (
    ADDRESS,
    Outbox,
    link_in,
    make_subscriber,
    sign_up,
    use_up,
    use_up_sign_ups,
)
from tests.pages import Page, Visitor

ROOT = Path(__file__).resolve().parent.parent.parent
TRANSLATIONS = ROOT / "portal" / "translations"
PLACE = re.compile(r"%\(\w+\)s|\{\w+\}")
ENGLISH = re.compile(r"\b(?:the|this|that|was|were|are|your|you|from|and|with|not|again)\b", re.IGNORECASE)


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


def read_answer(visitor: Visitor, answer: TestResponse, status: int) -> Page:
    page = Page(visitor, answer.request.path, answer)
    assert (page.status, page.soup.html["lang"]) == (status, "es")
    return page


def test_every_marked_text_is_translated(figure: Figure) -> None:
    """Run `make translations` and fill in what this lists."""
    missing = sorted(text for text in marked() if not spanish_of(text) or not all(spanish_of(text)))

    assert len(marked()) > 100
    assert missing == []
    figure("interface words in Spanish", len(marked()) - len(missing), f"of {len(marked())}")


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
    """The English that was marked, and the words that give away a sentence nobody marked."""
    marked_texts = [
        english for english in telling() if re.search(rf"(?<!\w){re.escape(english)}(?!\w)", text)
    ]
    return marked_texts + ENGLISH.findall(text)


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
        "confirm/unknown",
        "unsubscribe",
        "leave-asked",
    ]
    addresses = [
        "/es/boletin",
        "/es/boletin/ediciones",
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
        soup = copy(page.soup)
        for link in soup.find_all(lang="en"):
            link.decompose()
        assert english_in(soup.get_text(" ")) == [], address


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
    many.sees("Hubo demasiados intentos desde esta conexión.")
    assert english_in(stale.text) == english_in(many.text) == []


@pytest.mark.parametrize("path", ["/es/nada", "/es/pacientes/nada"])
def test_a_mistyped_spanish_address_is_answered_in_spanish(path: str, visitor: Visitor) -> None:
    page = visitor.open(path, status=404)

    assert (page.soup.html["lang"], page.title) == ("es", "No encontramos esa página")
    assert {"/es/pacientes", "/es/boletin"} <= {link["href"] for link in page.soup.select("header nav a")}
    assert [link["href"] for link in page.soup.select("main .buttons a")] == ["/es/pacientes"]
    assert english_in(page.soup.get_text(" ")) == []


@pytest.mark.parametrize("path", ["/nada", "/esx", "/especial/es/"])
def test_any_other_mistyped_address_is_answered_in_english(path: str, visitor: Visitor) -> None:
    assert visitor.open(path, status=404).soup.html["lang"] == "en"


@pytest.mark.parametrize(
    ("sent", "status", "said"),
    [
        ({"data": {"email": "x" * 70_000}}, 413, "Es demasiado texto"),
        ({"data": {f"a{number}": "" for number in range(200)}}, 413, "Es demasiado texto"),
        (
            {"data": {"email": (BytesIO(b"x"), "a.txt")}},
            415,
            "Esta página recibe solo el texto de un formulario",
        ),
        ({"data": b"email=%FF", "content_type": FORM}, 400, "No se pudo leer el texto del formulario"),
        ({"headers": {"Origin": "https://other.example"}}, 403, "Este formulario se envió desde otro sitio"),
    ],
    ids=["too long", "too many fields", "a file", "no text", "another site"],
)
def test_what_no_page_of_ours_sends_is_refused_in_spanish(
    sent: dict[str, Any], status: int, said: str, visitor: Visitor
) -> None:
    page = read_answer(visitor, visitor.post("/es/boletin", **sent), status)

    page.sees(said)
    assert english_in(page.soup.get_text(" ")) == []


def test_a_page_that_takes_no_post_says_so_in_spanish(visitor: Visitor) -> None:
    page = read_answer(visitor, visitor.post("/es/privacidad", data={}), 405)

    assert page.title == "Esta dirección funciona de otra manera"
    assert english_in(page.soup.get_text(" ")) == []


def test_too_many_posts_of_any_kind_are_refused_in_spanish(app: Flask, visitor: Visitor) -> None:
    use_up(app, "post")

    for address in ("/es/boletin", "/es/privacidad", "/es/nada"):
        page = read_answer(visitor, visitor.post(address, data={}), 429)
        page.sees("Hubo demasiados intentos desde esta conexión.")
        assert english_in(page.soup.get_text(" ")) == []


@pytest.mark.parametrize("words", [NOTHING_SAVED, ""])
def test_what_could_not_be_saved_is_told_in_spanish(
    words: str, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_rows: Any) -> None:
        raise Unavailable(words)

    page = visitor.open("/es/boletin").set(email=ADDRESS)
    monkeypatch.setattr(service, "sign_up", fail)

    page = page.press("Inscribirme", status=503)

    page.sees("No pudimos guardarlo", "No se guardó nada.")
    assert english_in(page.soup.get_text(" ")) == []


def test_a_fault_of_ours_is_told_in_spanish(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_path: str) -> None:
        raise RuntimeError("a fault")

    monkeypatch.setitem(app.view_functions, "resource.article", lambda path: fail(path))

    page = visitor.open("/es/privacidad?fresh", status=500)

    assert page.title == "Hay un problema de nuestro lado"
    assert english_in(page.soup.get_text(" ")) == []


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
