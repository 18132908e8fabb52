"""Signing up by the form: N1, N3 (same answer), N4, N5, N57."""

from __future__ import annotations

import hashlib

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import db
from portal.newsletter import consent
from portal.newsletter.models import Signup, State
from tests.newsletter.people import ADDRESS, Outbox, make_subscriber, row_of, sign_up, use_up_sign_ups
from tests.pages import Visitor


def count(app: Flask) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(Signup)) or 0


def only(app: Flask) -> Signup:
    with app.app_context():
        return db.session.scalars(select(Signup)).one()


def answer(visitor: Visitor, address: str) -> tuple[int, list[tuple[str, str]], bytes]:
    page = visitor.open("/newsletter").set(email=address).press("Sign up", follow=False)
    headers = [(name, value) for name, value in page.response.headers if name != "Set-Cookie"]
    return page.status, headers, page.response.data


@pytest.mark.parametrize("state", list(State))
def test_the_same_answer_for_every_state(app: Flask, visitor: Visitor, state: State) -> None:
    """Status, headers and bytes do not tell whether an address is known."""
    make_subscriber(app, state)

    known, unknown = answer(visitor, ADDRESS), answer(visitor, "nobody@mail.example")

    assert known == unknown
    assert known[0] == 303
    assert ("Location", "/newsletter/check-email") in known[1]


@pytest.mark.parametrize("state", list(State))
def test_signing_up_changes_no_column_of_an_existing_person(
    app: Flask, visitor: Visitor, outbox: Outbox, state: State
) -> None:
    """N57: not by the post, and not by the answer that the worker gives."""
    make_subscriber(app, state)
    before = row_of(app)

    sign_up(visitor, ADDRESS.upper(), topics=["research", "pharmacy"], language="es")
    after_post = row_of(app)
    outbox()

    assert before == after_post == row_of(app)


def test_signing_up_makes_nobody_a_subscriber(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    sign_up(visitor)
    outbox()

    assert row_of(app) is None


def test_the_evidence_is_kept_with_the_sign_up(app: Flask, visitor: Visitor) -> None:
    """N5: text, version, hash, language, page, source, time, network prefix; no user agent."""
    visitor.environ["REMOTE_ADDR"] = "203.0.113.77"

    sign_up(visitor, page="/es/boletin", topics=["pharmacy", "news", "news"])

    row, words = only(app), consent.current("es")
    assert (row.address, row.address_key) == ("Anna@mail.example", "anna@mail.example")
    assert (row.language, row.topics, row.page, row.source) == ("es", "news,pharmacy", "/es/boletin", "form")
    assert (row.text_id, row.text_version) == (words.id, words.version)
    assert row.text_sha256 == hashlib.sha256(words.text.encode()).hexdigest()
    assert row.network == "203.0.113.0/24"
    assert not any("agent" in column.key for column in Signup.__table__.columns)


@pytest.mark.parametrize("language", ["en", "es"])
def test_the_form_shows_the_very_words_that_are_recorded(visitor: Visitor, language: str) -> None:
    page = visitor.open("/newsletter" if language == "en" else "/es/boletin")

    page.sees(consent.current(language).text)


def test_consent_words_are_never_edited() -> None:
    """A changed text is a new version: these hashes only ever get company."""
    assert {words.name: words.sha256[:16] for words in consent.TEXTS} == {
        "newsletter-1-en": "019bbad1a6aa214d",
        "newsletter-1-es": "f0761bfca6ed6c95",
        "newsletter-2-es": "e5c3f03777a6835a",
    }


def test_words_that_were_followed_by_others_are_still_known() -> None:
    for words in consent.TEXTS:
        assert consent.shown_elsewhere(words.name, "en") is consent.shown_elsewhere(words.text, "en") is words
    assert (consent.current("en").version, consent.current("es").version) == (1, 2)


def test_the_same_form_twice_is_one_sign_up(app: Flask, visitor: Visitor) -> None:
    page = visitor.open("/newsletter").set(email=ADDRESS)

    first, second = page.press("Sign up", follow=False), page.press("Sign up", follow=False)

    assert first.status == second.status == 303
    assert first.response.data == second.response.data
    assert count(app) == 1


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("  Anna@MAIL.Example ", "Anna@mail.example"),
        ("anna.b+news@mail.example", "anna.b+news@mail.example"),
        ("anna@bücher.example", "anna@xn--bcher-kva.example"),
    ],
)
def test_an_address_is_kept_as_typed_but_for_its_domain(
    app: Flask, visitor: Visitor, typed: str, kept: str
) -> None:
    """N4: trimmed, domain in lower case and IDNA, no dot or plus folding."""
    sign_up(visitor, typed)

    assert only(app).address == kept


BAD = {
    "missing": ({"email": []}, "Enter your email address"),
    "empty": ({"email": " "}, "Enter your email address"),
    "no address": ({"email": "anna"}, "like name@example.com"),
    "too long": ({"email": "a" * 250 + "@mail.example"}, "like name@example.com"),
    "line break": ({"email": "anna@mail.example\r\nBcc: x@mail.example"}, "like name@example.com"),
    "two addresses": ({"email": ["anna@mail.example", "ben@mail.example"]}, "Give one answer only"),
    "no topic": ({"topics": []}, "Select at least one topic"),
    "wrong topic": ({"topics": ["news", "pain"]}, "Select topics from the list"),
    "no language": ({"language": []}, "Select a language"),
    "wrong language": ({"language": "fr"}, "Select English or Spanish"),
    "two languages": ({"language": ["en", "es"]}, "Give one answer only"),
}


@pytest.mark.parametrize("fault", BAD)
def test_a_malformed_answer_is_refused_with_advice(app: Flask, visitor: Visitor, fault: str) -> None:
    fields, advice = BAD[fault]

    page = visitor.open("/newsletter").set(**{"email": ADDRESS, **fields}).press("Sign up", status=422)

    assert any(advice in message for message in page.errors.values()), page.errors
    assert count(app) == 0


def test_what_was_typed_survives_an_error(visitor: Visitor) -> None:
    page = visitor.open("/newsletter").set(email="anna", topics=["research"], language="es")

    page = page.press("Sign up", status=422)

    assert page.soup.find(id="email")["value"] == "anna"
    checked = [box["value"] for box in page.soup.select("input[checked]")]
    assert checked == ["research", "es"]


def test_a_lost_form_token_keeps_the_answers(app: Flask, visitor: Visitor) -> None:
    page = visitor.open("/newsletter").set(email=ADDRESS, form_token="", csrf_token="")

    page = page.press("Sign up", status=400)

    assert page.soup.find(id="email")["value"] == ADDRESS
    assert count(app) == 0
    page.press("Sign up", status=303)
    assert count(app) == 1


def test_a_page_with_older_words_is_shown_the_new_ones(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nobody's consent is recorded for words that their page did not show."""
    page = visitor.open("/newsletter").set(email=ADDRESS)
    newer = consent.Words("newsletter", 2, "en", "New words.")
    monkeypatch.setattr(consent, "TEXTS", (*consent.TEXTS, newer))

    page = page.press("Sign up", status=400)

    page.sees("New words.")
    assert count(app) == 0


def test_robots_see_the_ordinary_answer_and_get_no_mail(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N3: a filled honeypot, or less than two seconds."""
    trapped = visitor.open("/newsletter").set(email=ADDRESS, office_code="x").press("Sign up", status=303)
    hasty = visitor.open("/newsletter").set(email="ben@mail.example").press("Sign up", status=303, wait=1)

    assert trapped.title == hasty.title == "One more step: check your email"
    assert count(app) == 2
    assert outbox() == []


def test_too_many_from_one_network_are_told_when_to_come_back(app: Flask, visitor: Visitor) -> None:
    use_up_sign_ups(app)

    page = visitor.open("/newsletter").set(email=ADDRESS).press("Sign up", status=429)

    assert int(page.response.headers["Retry-After"]) > 0
    assert page.soup.find(id="email")["value"] == ADDRESS
