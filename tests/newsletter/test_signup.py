"""Signing up by the form: N1, N3 (same answer), N4, N5, N57."""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal import domains
from portal.db import db
from portal.newsletter import asked, consent
from portal.newsletter.models import Signup, State
from tests.conftest import START, Clock
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


@pytest.mark.parametrize("page", ["/newsletter", "/es/boletin"])
@pytest.mark.parametrize(("trap", "wait"), [("x", 30.0), ("", 0.4), ("x", 0.4)])
def test_haste_or_a_trap_costs_a_press_and_never_the_mail(
    app: Flask, visitor: Visitor, outbox: Outbox, page: str, trap: str, wait: float
) -> None:
    """A browser that fills in, an extension that fills in everything, Enter at once."""
    button, asks = ("Inscribirme", "Oprima una vez más") if "es" in page else ("Sign up", "Press once more")
    again = visitor.open(page).set(email=ADDRESS, office_code=trap, topics=["research"])
    again = again.press(button, wait=wait, status=422)

    again.sees(asks)
    assert not again.soup.select("[name=office_code]")
    assert again.soup.select_one("[name=email]")["value"] == ADDRESS
    assert [box["value"] for box in again.soup.select("[name=topics][checked]")] == ["research"]
    assert count(app) == 0
    again.press(button, wait=0, status=303)
    assert [mail["To"] for mail in outbox()] == [ADDRESS]


def test_answers_are_judged_before_haste(visitor: Visitor, outbox: Outbox) -> None:
    page = (
        visitor.open("/newsletter").set(email="anna", office_code="x").press("Sign up", wait=0.2, status=422)
    )

    page.lacks("Press once more")
    assert "email" in page.errors
    page.set(email=ADDRESS, office_code="").press("Sign up", wait=0, status=303)
    assert len(outbox()) == 1


def test_our_own_page_for_a_lost_token_may_be_pressed_at_once(visitor: Visitor, outbox: Outbox) -> None:
    page = visitor.open("/newsletter").set(email=ADDRESS, form_token="spoiled").press("Sign up", status=400)

    page._typed.pop("form_token", None)
    page.press("Sign up", wait=0, status=303)

    assert [mail["To"] for mail in outbox()] == [ADDRESS]


SLIPS = (
    *("anna@gmial.com", "anna@gmail.con", "anna@hotmal.com", "anna@yahooo.com", "anna@outlok.com"),
    *("anna@clinic.con", "anna@kaiser.ogr"),
)


@pytest.mark.parametrize("typed", SLIPS)
@pytest.mark.parametrize("keeps", [True, False])
def test_a_slip_in_the_address_is_asked_about_once(
    app: Flask, visitor: Visitor, outbox: Outbox, typed: str, keeps: bool
) -> None:
    meant = domains.suggestion(typed)
    page = visitor.open("/newsletter").set(email=typed).press("Sign up", status=422)

    page.sees(f"Did you mean {meant}?", f"You typed {typed}")
    assert count(app) == 0
    after = page.press(f"No, keep {typed}" if keeps else f"Yes, use {meant}", wait=0, status=303)

    expected = typed if keeps else meant
    after.sees(f"We are sending an email to {expected}.")
    assert [mail["To"] for mail in outbox()] == [expected]


@pytest.mark.parametrize("good", ["anna@mail.com", "anna@gmail.com", "anna@kaiser.org", "anna@ymail.com"])
def test_a_good_address_is_not_asked_about(visitor: Visitor, good: str) -> None:
    visitor.open("/newsletter").set(email=good).press("Sign up", status=303).sees(good)


def test_the_next_page_shows_the_address_for_a_quarter_of_an_hour(
    app: Flask, visitor: Visitor, new_visitor: Callable[[], Visitor], clock: Clock
) -> None:
    page = sign_up(visitor, "o'hara&co@mail.example")
    page.sees("We are sending an email to o'hara&co@mail.example.")
    assert "o'hara" not in page.address

    new_visitor().open(page.address).lacks("o'hara").sees("the address you gave")
    clock.tick(minutes=16)
    visitor.open(page.address).lacks("o'hara")


@pytest.mark.parametrize("value", ["", "x", "a.b.c", "YQ==.1768500000.AAAA", "ñ.1.2"])
def test_a_forged_cookie_shows_nothing(app: Flask, value: str) -> None:
    assert asked.address_in(app.extensions["settings"], value, at=START) == ""


def test_too_many_from_one_network_are_told_when_to_come_back(app: Flask, visitor: Visitor) -> None:
    use_up_sign_ups(app)

    page = visitor.open("/newsletter").set(email=ADDRESS).press("Sign up", status=429)

    assert int(page.response.headers["Retry-After"]) > 0
    assert page.soup.find(id="email")["value"] == ADDRESS


def test_a_sign_up_of_a_clock_that_ran_ahead_is_answered_when_it_is_right_again(
    app: Flask, clock: Clock, visitor: Visitor, outbox: Outbox
) -> None:
    clock.tick(days=3650)
    sign_up(visitor)
    clock.set(START)

    assert [mail["To"] for mail in outbox()] == [ADDRESS]
