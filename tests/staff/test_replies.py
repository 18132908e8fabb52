"""Stored replies: who writes them, what fills them, and how one comes into an answer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask

from portal.db import db
from portal.desk.models import Reply, ReplyVersion
from portal.mail.models import Delivery
from tests.conftest import Clock
from tests.pages import Page, words
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, claimed, rows

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]


def write(colleague: Colleague, title: str, text: str, *, clinical: bool = False, status: int = 303) -> Page:
    page = colleague.open("/staff/replies/new").fill("Title", title).fill("Text", text)
    if clinical:
        page.set(is_clinical="y")
    return page.press("Save the reply", status=status)


def test_a_stored_reply_is_filled_and_put_into_the_answer_and_nothing_is_sent(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    pharmacist = signed_in("pharmacist", "Grace Hall")
    write(
        pharmacist,
        "Which forms",
        "Dear {{ name }} of {{practice}}, about {{reference}} ({{topics}}): {{me}}, {{phone}}.",
    )
    reference = ask()
    page = (
        claimed(pharmacist, reference)
        .fill("Answer", "First of all:")
        .fill("Stored reply or link", "Which forms")
    )
    mails = rows(app, Delivery)

    page = page.press("Insert it below", status=303)

    page.sees("Read it before you send it.")
    assert words(page.soup.find(id="answer-text")) == (
        f"First of all: Dear Ana Ruiz of Valley Clinic, about {reference} (dosing or titration): "
        "Grace Hall, 925-555-0100."
    )
    assert rows(app, Delivery) == mails


def test_a_hole_that_would_stay_empty_is_refused_and_the_words_stay(ask: Ask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist")
    write(pharmacist, "To the practice", "To {{practice}}.")
    page = (
        claimed(pharmacist, ask(practice=""))
        .fill("Answer", "Mine.")
        .fill("Stored reply or link", "To the practice")
    )

    failed = page.press("Insert it below", status=422)

    failed.sees("{{practice}} is empty for this request.")
    assert words(failed.soup.find(id="answer-text")) == "Mine."


def test_no_reply_is_selected_at_first(ask: Ask, signed_in: SignedIn) -> None:
    pharmacist = signed_in("pharmacist")
    write(pharmacist, "Hours", "Hello.")

    page = claimed(pharmacist, ask()).fill("Answer", "Mine.").press("Insert it below", status=422)

    page.sees("Select a stored reply or a link")
    assert words(page.soup.find(id="answer-text")) == "Mine."


@pytest.mark.parametrize("chosen", ["999", "x", "-1"])
def test_a_reply_that_is_none_is_not_there(ask: Ask, signed_in: SignedIn, chosen: str) -> None:
    pharmacist = signed_in("pharmacist")
    write(pharmacist, "Hours", "Hello.")

    claimed(pharmacist, ask()).set(**{"insert-reply": chosen}).press("Insert it below", status=403)


@pytest.mark.parametrize(
    ("title", "text", "says"),
    [
        ("Hours", "Hello {{nobody}}", "Nothing fills {{nobody}}."),
        ("Hours", "Hello {{ }}", "Nothing fills {{}}."),
        ("Hours", "Hello {{name}", "{{ belongs to a place that is mistyped."),
        ("Hours", "Hello {name}}", "}} belongs to a place that is mistyped."),
        ("Hours", "", "Write the text"),
        ("", "Hello.", "Give it a title"),
        ("ours", "Hello.", "There is a stored reply with this title already"),
        ("Hours", "x" * 6_001, "Text must be 6,000 characters or fewer"),
    ],
)
def test_what_cannot_be_stored_says_why(
    app: Flask, signed_in: SignedIn, title: str, text: str, says: str
) -> None:
    manager = signed_in("manager")
    write(manager, "Ours", "Hello.")

    failed = write(manager, title, text, status=422)

    assert any(says[:20] in error for error in failed.errors.values()), failed.errors
    assert rows(app, Reply) == 1


def test_a_clinical_reply_is_a_pharmacists_and_is_read_again_each_year(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    manager, pharmacist = signed_in("manager"), signed_in("pharmacist", "Grace Hall")
    write(manager, "Start", "Begin low.", clinical=True, status=403)
    write(pharmacist, "Start", "Begin low.", clinical=True).sees("Clinical", "Grace Hall")
    manager.open("/staff/replies").follow("Start").press("Delete this reply", status=403)

    clock.tick(hours=24 * 366)
    pharmacist = signed_in("pharmacist", "Tom Oneill")
    pharmacist.open("/staff/replies").sees("Read it again")
    options = claimed(pharmacist, ask()).soup.select("#insert-reply option")
    assert words(options[1]) == "Start (to be read again first)"
    pharmacist.open("/staff/replies").follow("Start").press("Save the reply", status=303).lacks(
        "Read it again"
    )
    with app.app_context():
        saved = db.session.query(Reply).one()
        assert (saved.version, saved.changed_by) == (2, "Tom Oneill")


def test_of_two_who_write_the_later_is_told_and_loses_no_word(signed_in: SignedIn) -> None:
    manager, other = signed_in("manager"), signed_in("manager")
    write(manager, "Hours", "Nine to six.")
    page = manager.open("/staff/replies").follow("Hours").fill("Text", "Nine to five.")
    other.open("/staff/replies").follow("Hours").fill("Text", "Ten to six.").press(
        "Save the reply", status=303
    )

    stale = page.press("Save the reply", status=409)

    assert words(stale.soup.find(id="text")) == "Nine to five."


def test_the_desk_inserts_and_does_not_write(ask: Ask, signed_in: SignedIn) -> None:
    write(signed_in("manager"), "Sent", "It is on its way, {{name}}.")
    desk: Any = signed_in("desk")
    assert desk.get("/staff/replies").status_code == 403

    page = (
        claimed(desk, ask("resource"))
        .fill("Stored reply or link", "Sent")
        .press("Insert it below", status=303)
    )

    assert words(page.soup.find(id="answer-text")) == "It is on its way, Lee Park."
    assert desk.open(address(ask("resource"))).soup.find(id="insert-reply") is None, (
        "only with the answer's box"
    )


def test_each_text_that_was_saved_can_be_read_later(signed_in: SignedIn) -> None:
    manager, pharmacist = signed_in("manager", "Lou Manager"), signed_in("pharmacist", "Grace Hall")
    write(manager, "Hours", "Nine to six.")
    page = pharmacist.open("/staff/replies").follow("Hours").fill("Text", "Nine to five.")
    page.set(is_clinical="y").press("Save the reply", status=303).sees("by January 15, 2027")

    page = (
        pharmacist.open("/staff/replies")
        .follow("Hours")
        .sees("Grace Hall answers for it", "Earlier texts (2 in all)")
    )
    page = page.follow("Earlier texts (2 in all)")

    shown = [words(one) for one in page.soup.select(".message")]
    assert [("Grace Hall" in shown[0], "Nine to five." in shown[0])] == [(True, True)]
    assert [("Lou Manager" in shown[1], "Nine to six." in shown[1])] == [(True, True)]
    page.sees("Version 2, the one in use", "Clinical", "Not clinical")


def test_what_is_deleted_leaves_no_text(app: Flask, signed_in: SignedIn) -> None:
    manager = signed_in("manager")
    write(manager, "Hours", "Nine to six.")

    manager.open("/staff/replies").follow("Hours").press("Delete this reply", status=303)

    assert (rows(app, Reply), rows(app, ReplyVersion)) == (0, 0)


@pytest.mark.parametrize(
    ("chosen", "says"),
    [
        ("Link: Prescriber guide", "Prescriber guide: http://localhost:8000/prescribers/guide.pdf"),
        (
            "Link: Patient leaflet in Spanish",
            "Patient leaflet in Spanish: http://localhost:8000/es/pacientes/hoja.pdf",
        ),
        ("All", "http://localhost:8000/prescribers/summary http://localhost:8000/prescribers/dose-plan"),
    ],
)
def test_a_link_to_what_we_print_is_put_into_the_answer(
    ask: Ask, signed_in: SignedIn, chosen: str, says: str
) -> None:
    pharmacist = signed_in("pharmacist")
    write(pharmacist, "All", "{{summary}} {{dose_plan}}")

    page = claimed(pharmacist, ask()).fill("Stored reply or link", chosen)

    assert words(page.press("Insert it below", status=303).soup.find(id="answer-text")) == says


@pytest.mark.parametrize(
    ("place", "says"),
    [("{{ name }}", "{{ name }} is empty."), ("{{name}", "{{ belongs to a place that is mistyped.")],
)
@pytest.mark.parametrize("button", ["Send answer to ana@clinic.example", "Send as a question and wait"])
def test_nothing_goes_out_with_an_empty_place_in_it(
    app: Flask, ask: Ask, signed_in: SignedIn, button: str, place: str, says: str
) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("Answer", f"Dear {place}, yes.")
    mails = rows(app, Delivery)

    failed = page.press(button, status=422)

    assert failed.errors["answer-text"].startswith(says)
    assert words(failed.soup.find(id="answer-text")) == f"Dear {place}, yes."
    assert rows(app, Delivery) == mails
