"""The public archive and its feeds: N39, from what was frozen and the same for everybody."""

from __future__ import annotations

from collections.abc import Callable
from xml.etree import ElementTree as ET

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.editions import archive, rendering
from portal.editions.models import Edition, State
from portal.errors import Conflict, Refused
from portal.newsletter.models import Language
from tests import world
from tests.conftest import Clock
from tests.editions.conftest import make_edition, send, step
from tests.mail.conftest import Sink
from tests.newsletter.people import make_subscriber
from tests.pages import Visitor

ATOM = "{http://www.w3.org/2005/Atom}"
PAGES = ("/newsletter/editions/march-2026", "/es/boletin/ediciones/march-2026")


@pytest.fixture
def scheduled(app: Flask, postal_address: None) -> Callable[..., None]:
    """Writes and schedules one."""

    def make(**changes: object) -> None:
        with app.app_context():
            make_edition(**changes)

    return make


@pytest.fixture
def begin(app: Flask, clock: Clock) -> Callable[[], Sink]:
    """Send what is scheduled."""

    def run() -> Sink:
        sink = Sink()
        clock.tick(minutes=10)
        with app.app_context():
            step()
            send(sink)
            step()
        return sink

    return run


@pytest.fixture
def sent(app: Flask, scheduled: Callable[..., None], begin: Callable[[], Sink]) -> Callable[..., None]:
    """One that was sent to somebody; called, it lets staff do something with it."""
    make_subscriber(app, address="en@mail.example")
    scheduled()
    begin()

    def act(verb: Callable[..., object], *words: str) -> None:
        with app.app_context(), transaction():
            by = world.employ(f"Lou {len(words)}{verb.__name__}")
            verb(db.session.scalars(select(Edition)).one(), *words, by=by, at=now())

    return act


def test_before_it_is_sent_nobody_can_read_it(scheduled: Callable[..., None], visitor: Visitor) -> None:
    scheduled()

    assert [visitor.get(path).status_code for path in PAGES] == [404, 404]
    assert "No newsletter has been sent yet" in visitor.get("/newsletter/editions").text
    assert "march-2026" not in visitor.get("/sitemap.xml").text


def test_what_was_sent_is_read_in_both_languages_and_is_the_same_for_all(
    sent: object, visitor: Visitor, new_visitor: Callable[[], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rendering, "html", lambda _source: "written anew")  # what a later version would say
    english, spanish = (visitor.open(path) for path in PAGES)

    assert english.soup.h1.get_text() == "Later on Thursdays"
    assert [h.get_text() for h in english.soup.article.find_all("h2")] == ["Hours"]
    assert english.soup.article.find("a")["href"] == "https://a.example/h"
    assert spanish.soup.html["lang"] == "es"
    assert spanish.soup.h1.get_text() == "Los jueves, más tarde"
    assert spanish.soup.article.h2.get_text() == "Horario"
    assert english.soup.find("link", hreflang="es")["href"] == f"http://localhost:8000{PAGES[1]}"
    for path in (*PAGES, "/newsletter/editions", "/newsletter/feed.xml", "/sitemap.xml"):
        one, other = visitor.get(path), new_visitor().get(path)
        assert one.data == other.data
        assert "Set-Cookie" not in one.headers
        assert "style=" not in one.text
        assert "/unsubscribe/" not in one.text
        again = visitor.get(path, headers={"If-None-Match": one.headers["ETag"]})
        assert again.status_code == 304, path


def test_style_is_taken_off_tags_and_stays_in_the_words_of_its_author(
    scheduled: Callable[..., None], begin: Callable[[], Sink], visitor: Visitor
) -> None:
    words = 'Write <p style="color:red"> or style="x" in [a link with style="y"](https://a.example/h).'
    scheduled(source_en=words)
    begin()

    article = visitor.open(PAGES[0]).soup.article

    assert words.partition("[")[0].strip() in article.get_text()
    assert article.find("a").get_text() == 'a link with style="y"'
    assert not article.find_all(style=True)


def test_the_lists_the_site_map_and_the_mail_lead_to_it(
    app: Flask, scheduled: Callable[..., None], begin: Callable[[], Sink], visitor: Visitor
) -> None:
    make_subscriber(app, address="es@mail.example", language=Language.ES)
    scheduled()
    sink = begin()

    assert PAGES[1].encode() in sink.sent[0].replace(b"=\r\n", b"")
    for place, path in zip(("/newsletter/editions", "/es/boletin/ediciones"), PAGES, strict=True):
        assert path in {link["href"] for link in visitor.open(place).soup.find_all("a", href=True)}
        assert f"<loc>http://localhost:8000{path}</loc>" in visitor.get("/sitemap.xml").text
    assert "Disallow: /newsletter/editions" not in visitor.get("/robots.txt").text
    assert visitor.get("/newsletter/Editions/March-2026/").headers["Location"] == PAGES[0]


@pytest.mark.parametrize(
    ("place", "page", "language"),
    [("/newsletter/feed.xml", PAGES[0], "en"), ("/es/boletin/feed.xml", PAGES[1], "es")],
)
def test_a_feed_holds_the_whole_text_and_a_name_that_lasts(
    sent: object, visitor: Visitor, place: str, page: str, language: str
) -> None:
    answer = visitor.get(place)
    feed = ET.fromstring(answer.data)
    entry = feed.find(f"{ATOM}entry")

    assert answer.headers["Content-Type"] == "application/atom+xml; charset=utf-8"
    assert feed.get("{http://www.w3.org/XML/1998/namespace}lang") == language
    assert entry is not None
    assert entry.findtext(f"{ATOM}id", "").startswith("urn:uuid:")
    assert "<h2>" in entry.findtext(f"{ATOM}content", "")
    assert entry.find(f"{ATOM}link").get("href") == f"http://localhost:8000{page}"  # type: ignore[union-attr]
    assert feed.findtext(f"{ATOM}updated") == entry.findtext(f"{ATOM}updated")


def test_an_empty_feed_is_a_feed(visitor: Visitor) -> None:
    feed = ET.fromstring(visitor.get("/newsletter/feed.xml").data)

    assert feed.find(f"{ATOM}entry") is None
    assert feed.findtext(f"{ATOM}updated")


def test_a_correction_stands_above_it_and_needs_every_language(
    sent: Callable[..., None], visitor: Visitor, clock: Clock
) -> None:
    clock.tick(days=1)
    with pytest.raises(Refused, match="Spanish"):
        sent(archive.add_note, "Until 8.", " ")
    sent(archive.add_note, "Until <8>.", "Hasta las <8>.")

    assert "Until <8>." in visitor.open(PAGES[0]).soup.find(class_="notice").get_text()
    assert "Hasta las <8>." in visitor.open(PAGES[1]).soup.find(class_="notice").get_text()
    entry = ET.fromstring(visitor.get("/newsletter/feed.xml").data).find(f"{ATOM}entry")
    assert entry is not None
    assert "Until &lt;8&gt;." in entry.findtext(f"{ATOM}content", "")
    assert entry.findtext(f"{ATOM}updated") > entry.findtext(f"{ATOM}published")  # type: ignore[operator]


def test_taken_out_it_says_so_and_is_listed_nowhere(sent: Callable[..., None], visitor: Visitor) -> None:
    sent(archive.withdraw)

    assert [visitor.get(path).status_code for path in PAGES] == [410, 410]
    for place in ("/newsletter/editions", "/newsletter/feed.xml", "/sitemap.xml"):
        assert "march-2026" not in visitor.get(place).text
    sent(archive.put_back)
    assert visitor.get(PAGES[0]).status_code == 200


@pytest.mark.parametrize("changes", [{"is_public": False}, {"only_english": True}])
def test_what_is_not_for_all_or_not_in_that_language_is_not_there(
    scheduled: Callable[..., None], begin: Callable[[], Sink], visitor: Visitor, changes: dict[str, bool]
) -> None:
    scheduled(**changes)
    begin()

    assert visitor.get(PAGES[1]).status_code == 404
    assert visitor.get(PAGES[0]).status_code == (200 if "only_english" in changes else 404)
    assert "march-2026" not in visitor.get("/es/boletin/ediciones").text


def test_a_draft_is_corrected_in_its_text(scheduled: Callable[..., None], app: Flask) -> None:
    with app.app_context():
        made = make_edition(State.DRAFT)
        with pytest.raises(Conflict), transaction():
            archive.add_note(made, "a", "b", by=world.employ("Lou Reed"), at=now())
