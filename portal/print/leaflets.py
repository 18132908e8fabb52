"""What patients get on paper in each language: the leaflet, from the Markdown of their page, and the wallet card.

The words of the frame (that it is a draft, whom to call) are those of the web pages, kept here because nothing below
the edge has a catalogue; a test holds the two together.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from pathlib import Path
from types import MappingProxyType

from babel.dates import format_date
from markdown_it.tree import SyntaxTreeNode

from portal import addresses
from portal.library.pages import Library, Page
from portal.organisation import Organisation
from portal.print.typesetting import BASE, Writer, array, call, qr, quoted, words

LOOK = Path(__file__).with_name("leaflet.typ")
NEWS = "news"  # the section that is for who reads the page on a screen
WORDS = MappingProxyType(
    {
        "en": {
            "draft": "Draft. Not yet signed by the pharmacist-in-charge.",
            "unread": "",
            "changed": "Last changed {day}.",
            "reviewed": "Reviewed {day} by {name}.",
            "call": "Questions? Call {name}",
            "online": "This page on the web:",
            "code": "QR code that leads to this page on the web",
            "law": "This site gives general information, not medical advice.",
        },
        "es": {
            "draft": "Borrador. El farmacéutico responsable aún no ha firmado este texto.",
            "unread": "Un traductor calificado aún no ha revisado esta traducción.",
            "changed": "Último cambio: {day}.",
            "reviewed": "Traducción revisada el {day} por {name}.",
            "call": "¿Preguntas? Llame a {name}",
            "online": "Esta página en la web:",
            "code": "Código QR que lleva a esta página en la web",
            "law": "Este sitio da información general, no consejo médico.",
        },
    }
)


def leaflet(library: Library, org: Organisation, base_url: str, language: str) -> str:
    """The patients' page as two letter pages. KeyError without that page."""
    page = _page(library, language)
    writer = Writer({page.path}, base_url, {})
    writer.enter(page.path)
    settings = (*_document(page, org, page.title), f"foot: {quoted(WORDS[language]['law'])}")
    lines = [f"#show: {call('leaflet.with', *settings)}", _head(library, page, org)]
    lines += [f"#{writer.wide(node)} // {page.source}" for node in _on_paper(page)]
    lines.append(_foot(page, org, base_url))
    return "\n".join([BASE.read_text("utf-8"), LOOK.read_text("utf-8"), *lines, ""])


def card(library: Library, org: Organisation, base_url: str, language: str) -> str:
    """The wallet card twice on one letter page. KeyError without its words."""
    page, said = _page(library, language), library.cards[language]
    lines = [
        f"#show: {call('card-sheet.with', *_document(page, org, said.title))}",
        _line("how", words(said.how), words(_review(library, page))),
    ]
    parts = (
        words(said.front),
        words(said.warning),
        array(map(quoted, said.blanks)),
        words(" ".join(part for part in (said.pharmacy, org.name, org.phone) if part)),
        words(said.back),
        array(map(words, said.points)),
        words(said.help),
        words(f"{base_url}{page.path}".partition("://")[2]),
    )
    lines.append(_line("cards", *parts))
    return "\n".join([BASE.read_text("utf-8"), LOOK.read_text("utf-8"), *lines, ""])


def changed_on(library: Library, language: str) -> date:
    """The day of the newest change to the patients' page."""
    return _page(library, language).updated_on


def _page(library: Library, language: str) -> Page:
    return library.pages[addresses.PATIENTS.twins[language]]


def _document(page: Page, org: Organisation, title: str) -> tuple[str, ...]:
    on = page.updated_on
    return (
        f"title: {quoted(title)}",
        f"author: {quoted(org.name)}",
        f"language: {quoted(page.language)}",
        f"day: datetime(year: {on.year}, month: {on.month}, day: {on.day})",
    )


def _head(library: Library, page: Page, org: Organisation) -> str:
    phone = org.phone or ""
    return _line(
        "head", quoted(org.name), quoted(phone), words(page.description), words(_review(library, page))
    )


def _foot(page: Page, org: Organisation, base_url: str) -> str:
    said, address = WORDS[page.language], f"{base_url}{page.path}"
    ask = f"{said['call'].format(name=org.name)}: {org.phone}"
    blank = "false" if org.phone else "true"  # a number nobody set is written by hand
    return _line(
        "last",
        words(ask),
        blank,
        words(said["online"]),
        quoted(address),
        qr(address),
        quoted(said["code"]),
    )


def _review(library: Library, page: Page) -> str:
    said = WORDS[page.language]
    parts = [said["draft"]] if library.waits_for_pharmacist(page) else []
    if page.review == "signed" and page.reviewed_on:
        parts.append(said["reviewed"].format(day=_day(page.reviewed_on, page), name=page.reviewer))
    elif page.review == "translation-pending":
        parts.append(said["unread"])
    return " ".join([*parts, said["changed"].format(day=_day(page.updated_on, page))])


def _day(on: date, page: Page) -> str:
    return str(format_date(on, "long", locale="es_US" if page.language == "es" else "en_US"))


def _on_paper(page: Page) -> Iterator[SyntaxTreeNode]:
    """The page's text but for what only a screen needs: where else to read, and the section on the newsletter."""
    is_news = False
    itself = addresses.LEAFLET.twins[page.language]
    for node in SyntaxTreeNode(page.document.tokens).children:
        if any(part.type == "link" and part.attrs["href"] == itself for part in node.walk()):
            continue
        if node.type == "heading" and node.tag == "h2":
            is_news = node.attrs.get("id") == NEWS
        if not is_news:
            yield node


def _line(name: str, *parts: str) -> str:
    return f"#{call(name, *parts)}"
