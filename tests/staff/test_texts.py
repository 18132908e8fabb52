"""Signing texts at the desk: who may, what one press signs, and what is never signed by the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.library.statements import Statement
from portal.review import signing
from portal.review.models import TextVerdict
from portal.review.shelf import Shelf
from tests.staff.conftest import Colleague

SignedIn = Callable[..., Colleague]
LEGAL = "/staff/texts/legal"
ALL = "Agree to all 12 that I have read"


@pytest.fixture(autouse=True)
def shelf(app: Flask) -> Iterator[Shelf]:
    found: Shelf = app.extensions["shelf"]
    yield found
    found._mark.unlink(missing_ok=True)
    found.shown = app.extensions["library"] = found.read
    app.extensions["ready"]._seen = None


def stored(app: Flask) -> list[TextVerdict]:
    with app.app_context():
        return list(db.session.scalars(select(TextVerdict).order_by(TextVerdict.id)))


def test_managers_see_how_far_the_texts_are_and_sign_none(app: Flask, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    manager.open("/staff/texts").sees("0 of 12")
    page = manager.open(LEGAL).sees("Only a pharmacist may sign.")
    assert not page.soup.select("main button")

    statement = page.soup.select_one("main td a")
    assert statement is not None
    manager.open(str(statement["href"])).sees("Only a pharmacist may sign.")
    csrf = manager.open("/staff/replies/new").soup.select_one("[name=csrf_token]")
    assert csrf is not None
    refused = manager.post(str(statement["href"]), data={"verdict": "agree", "csrf_token": csrf["value"]})
    assert refused.status_code == 403
    assert stored(app) == []
    signed_in("desk").open("/staff/texts", status=403)


def test_one_press_signs_one_statement(app: Flask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist", "Ada Park")
    second = pharmacist.open(LEGAL).soup.select("[id^=s-]")[1]["id"]
    page = pharmacist.open(LEGAL).press("Agree", status=303, follow=False)

    assert page.response.headers["Location"].endswith(f"#{second}")  # whoever signs stays where they are
    pharmacist.open(LEGAL).sees("1 of 12 statements signed")
    assert [(row.verdict, row.by_name, row.page) for row in stored(app)] == [("agree", "Ada Park", "/legal")]


def test_all_that_is_listed_is_signed_only_by_who_says_that_they_read_it(
    app: Flask, signed_in: SignedIn
) -> None:
    pharmacist = signed_in("pharmacist")
    page = pharmacist.open(LEGAL).press(ALL, status=422)
    assert page.errors and not stored(app)

    page.fill("I have read each statement listed here").press(ALL, status=303).sees(
        "12 of 12 statements signed"
    )
    assert {row.verdict for row in stored(app)} == {"agree"} and len(stored(app)) == 12
    pharmacist.open("/staff/texts").sees("12 of 12")


def test_a_text_that_changed_while_it_was_read_is_not_signed_by_that_press(
    app: Flask, signed_in: SignedIn, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    pharmacist = signed_in("pharmacist")
    page = pharmacist.open(LEGAL).fill("I have read each statement listed here")
    first, *_ = change_first(shelf, monkeypatch)

    page.press(ALL, status=409).sees("Nothing was signed", first.words)
    assert not stored(app)


def test_what_changed_since_it_was_signed_stands_alone_and_beside_what_it_said(
    app: Flask, signed_in: SignedIn, shelf: Shelf, monkeypatch: pytest.MonkeyPatch
) -> None:
    pharmacist = signed_in("pharmacist", "Ada Park")
    page = pharmacist.open(LEGAL).fill("I have read each statement listed here")
    page.press(ALL, status=303)
    was = stored(app)[1].words
    changed = change_first(shelf, monkeypatch)[1]

    page = pharmacist.open(LEGAL).sees("Changed since it was signed", changed.words, was, "Ada Park")
    assert "Agree to all" not in page.text and "Agree to this one" not in page.text
    page.press("Agree", status=303).sees("12 of 12 statements signed").lacks("Changed since it was signed")


def test_a_change_is_asked_for_with_words_and_what_was_typed_is_kept(app: Flask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist")
    link = pharmacist.open(LEGAL).soup.select_one("main td a")
    assert link is not None
    page = pharmacist.open(str(link["href"]))
    page.fill("Change it").press("Keep this", status=422).sees("Say what it should say instead")
    page = page.fill("Change it").fill("What it should say, or why", "Say until when.")

    page.press("Keep this", status=303).sees("To be changed or removed", "Say until when.")
    assert [(row.verdict, row.note) for row in stored(app)] == [("change", "Say until when.")]


def test_one_class_alone_is_listed_and_signed(app: Flask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist")
    page = pharmacist.open(f"{LEGAL}?risk=A")
    listed = page.soup.select("[id^=s-]")
    assert 0 < len(listed) < 12 and all("Class A" in one.text for one in listed)

    page.fill("I have read each statement listed here")
    page.press(f"Agree to all {len(listed)} that I have read", status=303).sees(
        f"{len(listed)} of 12 statements"
    )
    assert len(stored(app)) == len(listed)
    pharmacist.open(f"{LEGAL}?risk=A").sees("Nothing of class A is left to read.")
    pharmacist.open(f"{LEGAL}?risk=none").sees("To read")  # no class of ours: all are listed


@pytest.mark.parametrize("place", ["no-such", "legal/000000000000", "accessibility"])
def test_what_is_no_text_to_sign_is_refused_like_what_is_not_allowed(signed_in: SignedIn, place: str) -> None:
    signed_in("pharmacist").open(f"/staff/texts/{place}", status=403)


def change_first(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> tuple[Statement, ...]:
    """As if the second statement of the legal page said something else now."""
    found = signing.cut(shelf.read)
    legal = list(found["/legal"])
    legal[1] = replace(legal[1], words="It says something else now.", digest="e" * 64)
    monkeypatch.setattr(shelf, "_cut", (shelf.read, {**found, "/legal": tuple(legal)}))
    return legal[1], *legal


def test_a_translation_is_signed_for_a_translator_who_is_named_once(app: Flask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist", "Ada Park")
    spanish, label = (
        "/staff/texts/es-aviso-legal",
        "Qualified translator who read the Spanish beside the English",
    )
    page = pharmacist.open(spanish).sees("English: ").press("Agree", status=422)
    assert page.errors == {"translator": signing.NAME_TRANSLATOR} and not stored(app)

    page = page.fill(label, "Luz Reyes").press("Agree", status=303)
    page.press("Agree", status=303)  # the name stands there still
    assert [(row.page, row.by_name, row.translator) for row in stored(app)] == [
        ("/es/aviso-legal", "Ada Park", "Luz Reyes")
    ] * 2

    link = pharmacist.open(spanish).soup.select_one("main td a[href*='/es-aviso-legal/']")
    assert link is not None
    asked = (
        pharmacist.open(str(link["href"]))
        .set(verdict="change")
        .fill("What it should say, or why", "De otro modo.")
    )
    asked.press("Keep this", status=303).sees("2 of 12 statements signed, 1 to change")
