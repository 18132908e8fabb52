"""What somebody began to write about a request is theirs until it is sent, whatever comes between."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal import keeping
from portal.db import db, transaction
from portal.desk.models import Draft
from portal.intake.models import Request
from portal.mail.models import Delivery
from portal.people.models import User
from tests.conftest import Clock
from tests.pages import Page, words
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, claimed, rows

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
ANSWER, NOTE = "Half an answer, and", "Half a note, and"


def boxes(page: Page) -> tuple[str, str]:
    """What stands in the answer's box and in the note's."""
    found = [page.soup.find(id=f"{box}-text") for box in ("answer", "note")]
    return words(found[0]), words(found[1])


def written(colleague: Colleague, reference: str) -> Page:
    """Both boxes half full, on a page that is one's own."""
    return claimed(colleague, reference).fill("Answer", ANSWER).fill("Note", NOTE)


def kept(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        return [(draft.box, draft.text) for draft in db.session.scalars(select(Draft).order_by(Draft.box))]


@pytest.mark.parametrize(
    ("button", "status", "left"),
    [
        ("Save draft", 303, (ANSWER, NOTE)),
        ("Save note", 303, (ANSWER, "")),
        ("Close request", 422, (ANSWER, NOTE)),
        ("Send answer to ana@clinic.example", 303, ("", NOTE)),
    ],
)
def test_each_box_survives_every_button_but_its_own(
    ask: Ask, signed_in: SignedIn, button: str, status: int, left: tuple[str, str]
) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")

    written(colleague, reference).press(button, status=status)

    assert boxes(colleague.open(address(reference))) == left


def test_release_and_claim_lose_no_word(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")

    released = written(colleague, reference).press("Release", status=303)

    released.sees("Your answer was not sent", ANSWER)
    assert boxes(claimed(colleague, reference)) == (ANSWER, NOTE)


def test_taking_over_after_a_refused_answer_loses_no_word(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")
    page = written(colleague, reference)
    signed_in("pharmacist").open(address(reference)).press("Take over", status=303)

    refused = page.press("Send answer to ana@clinic.example", status=409)

    assert boxes(refused.press("Take over", status=303)) == (ANSWER, NOTE)


def test_a_draft_is_its_writers_alone_and_colleagues_know_that_somebody_writes(
    ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    reference = ask()
    grace, other = signed_in("pharmacist", "Grace Hall"), signed_in("pharmacist")
    written(grace, reference).press("Save draft")

    page = other.open(address(reference))
    page.sees("Writing at the moment: Grace Hall").lacks(ANSWER, NOTE)
    other.open("/staff/requests").sees("Grace Hall is writing")
    grace.open(address(reference)).lacks("Writing at the moment")

    clock.tick(minutes=6)
    other.open(address(reference)).lacks("Writing at the moment")


@pytest.mark.parametrize("button", ["Save note", "Save draft", "Release"])
def test_a_session_that_ended_keeps_the_words_and_leads_back_to_them(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock, button: str
) -> None:
    reference = ask()
    colleague = signed_in("pharmacist", "Grace Hall")
    page = written(colleague, reference)
    clock.tick(hours=13)

    over = page.press(button, status=401)

    over.sees("What you wrote is kept as your draft", ANSWER, NOTE)
    [link] = [a["href"] for a in over.soup.select("main a") if words(a) == "Sign in"]
    assert link.startswith(f"/staff/login?next=/staff/requests/{reference}")
    assert kept(app) == [("answer", ANSWER), ("note", NOTE)]
    with app.app_context():
        assert db.session.scalars(select(Request)).one().status == "in_progress"


@pytest.mark.parametrize(
    "spoil", ["no pass", "another's", "another request", "too old", "disabled", "new key"]
)
def test_without_its_own_pass_no_page_keeps_a_draft(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock, spoil: str
) -> None:
    reference, other = ask(), ask("resource")
    colleague, somebody = signed_in("pharmacist"), signed_in("pharmacist")
    page = written(colleague, reference)
    place, sent = page.data("Save draft")
    if spoil == "no pass":
        del sent["draft_pass"]
    elif spoil == "another's":
        sent["draft_pass"] = [f"{somebody.user_id}." + sent["draft_pass"][0].partition(".")[2]]
    elif spoil == "another request":
        place = place.replace(reference, other)
    elif spoil in ("disabled", "new key"):
        change = {"active": False} if spoil == "disabled" else {"session_key": "f" * 64}
        with app.app_context(), transaction():
            db.session.execute(update(User).where(User.id == colleague.user_id).values(**change))
    clock.tick(hours=25 if spoil == "too old" else 13)

    answer = colleague.post(place, data=sent)

    assert answer.status_code == 401
    assert "kept as your draft" not in answer.text
    assert kept(app) == []


@pytest.mark.parametrize(
    ("text", "stays"),
    [("", False), (" \n", False), ("\x00", False), ("x" * 8_001, True), ("y" * 40_001, False)],
    ids=["empty", "blank", "nothing to be seen", "longer than can be sent", "longer than any box"],
)
def test_what_is_no_draft_and_what_is_one(
    app: Flask, ask: Ask, signed_in: SignedIn, text: str, stays: bool
) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("Answer", text)

    page.press("Save draft", status=303)

    assert kept(app) == ([("answer", text)] if stays else [])


def test_no_draft_reaches_a_mail(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    page = written(signed_in("pharmacist"), ask())
    mails = rows(app, Delivery)

    page.press("Save draft").press("Save note")

    assert rows(app, Delivery) == mails


def test_a_thrown_away_draft_is_gone(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("Answer", ANSWER).press("Release", status=303)

    page.press("Throw this draft away", status=303).lacks(ANSWER)

    assert kept(app) == []


def test_drafts_go_after_a_fortnight(app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    written(signed_in("pharmacist"), ask()).press("Save draft")

    for days, left in ((13, 2), (2, 0)):
        clock.tick(hours=24 * days)
        with app.app_context():
            keeping.forget(clock())
        assert rows(app, Draft) == left


def test_a_forged_post_keeps_no_draft(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")

    forged: Any = {"answer-text": "Planted.", "csrf_token": "none"}
    for act in ("draft", "note", "release"):
        assert colleague.post(address(reference, act), data=forged).status_code == 400

    assert kept(app) == []
