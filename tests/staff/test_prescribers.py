"""A prescriber's card: whose requests stand on it, what staff write there, and how far it reaches."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask
from sqlalchemy import delete

from portal.clock import now
from portal.db import db, transaction
from portal.desk.models import CardNote
from portal.desk.prescribers import LIMIT
from portal.intake import checks
from portal.intake.checks import NpiCheck
from portal.intake.models import Request, RequestTerm
from portal.npi.names import Registered
from portal.npi.verdicts import Answer, Provider
from portal.retention import requests
from tests.conftest import Clock
from tests.pages import Page, words
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, rows

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]

NPI, OTHER_NPI = "1234567893", "1679576722"


def theirs(page: Page) -> list[str]:
    return [words(head) for head in page.soup.select(".table tbody th")]


def card(colleague: Colleague, who: str) -> Page:
    return colleague.open(f"/staff/prescribers/{who}")


def test_one_npi_is_one_card_whatever_address_was_used(ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    first = ask()
    clock.tick(hours=30)
    second = ask(email="ana@home.example", phone="415-555-0109")
    ask(npi=OTHER_NPI, name="Lee Park")

    page = signed_in("desk").open(address(first)).follow("Card of this prescriber")

    assert f"/staff/prescribers/{NPI}?" in page.address
    assert theirs(page) == [second, first]
    page.sees("Ana Ruiz, NP", "ana@home.example; ana@clinic.example", "415-555-0109; 925-555-0142")


def test_two_who_share_an_address_stay_two_and_name_each_other(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    other = ask(npi=OTHER_NPI, name="Lee Park", phone="")

    page = card(signed_in("desk"), OTHER_NPI)

    assert theirs(page) == [other]
    assert words(page.follow("Ana Ruiz, NP").soup.h1) == "Ana Ruiz, NP"


@pytest.mark.parametrize(
    "same",
    [{"email": "LEE@Park.example", "phone": ""}, {"email": "x@y.example", "phone": "+1 (925) 555 0188"}],
)
def test_without_an_npi_address_or_phone_tell(ask: Ask, signed_in: SignedIn, same: dict[str, str]) -> None:
    first = ask("resource", phone="925-555-0188")
    second = ask("resource", **same)
    ask("resource", email="lee@park.example.net", phone="925-555-0189")
    known = ask(npi=OTHER_NPI, name="Lee Park", email="lee@park.example")

    page = card(signed_in("desk"), first)

    assert sorted(theirs(page)) == sorted([first, second])
    assert theirs(page.follow("Lee Park, NP")) == [known]
    assert page.soup.find("a", string=first) is not None


def test_a_request_that_the_index_does_not_know_has_its_page_and_its_card(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    """As of rows that somebody put in by hand."""
    reference = ask("resource", npi="")
    with app.app_context(), transaction():
        db.session.execute(delete(RequestTerm))

    page = signed_in("desk").open(address(reference))

    assert page.response.status_code == 200
    assert theirs(page.follow("Card of this prescriber")) == [reference]


@pytest.mark.parametrize("who", ["1234567890", "LDN-BCDF-GHJK", "x", "%00", "0" * 300])
def test_nobody_has_no_card(ask: Ask, signed_in: SignedIn, who: str) -> None:
    ask()

    assert signed_in("manager").get(f"/staff/prescribers/{who}").status_code == 403


def test_a_note_is_kept_once_and_stands_on_the_card_of_each_request(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    first = ask()
    grace = signed_in("pharmacist", "Grace Hall")
    page = card(grace, NPI).fill("Note", "Prefers the summary.")
    page.press("Save note", status=303).sees("Prefers the summary.", "Grace Hall")
    page.press("Save note", status=303)
    clock.tick(hours=30)

    ask()

    card(signed_in("desk"), NPI).sees("Prefers the summary.")
    assert rows(app, CardNote) == 1
    signed_in("pharmacist").open(address(first)).sees("Written on the prescriber’s card", "A note")


@pytest.mark.parametrize("button", ["Save note", "Mark: do not contact"])
def test_who_did_not_see_a_colleagues_newer_note_is_told_and_keeps_the_words(
    app: Flask, ask: Ask, signed_in: SignedIn, button: str
) -> None:
    ask()
    grace, dee = signed_in("pharmacist", "Grace Hall"), signed_in("desk")
    field = "Note" if button == "Save note" else "What they asked for, and when"
    page = card(grace, NPI).fill(field, "Wants everything by phone.")
    card(dee, NPI).fill("Note", "Moved to Fresno.").press("Save note", status=303)

    late = page.press(button, status=409)

    late.sees(
        "This card changed while you were looking at it.", "Moved to Fresno.", "Wants everything by phone."
    )
    assert rows(app, CardNote) == 1
    late.press(button, status=303).sees("Wants everything by phone.", "Moved to Fresno.")
    assert rows(app, CardNote) == 2


def test_a_mark_that_a_colleague_set_meanwhile_is_not_taken_away_unseen(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    ask()
    grace, dee = signed_in("pharmacist", "Grace Hall"), signed_in("desk")
    why = "What they asked for, and when"
    card(dee, NPI).fill(why, "No calls.").press("Mark: do not contact", status=303)
    page = card(grace, NPI)
    card(dee, NPI).fill("Note", "They said so twice.").press("Save note", status=303)

    late = page.press("They may be contacted again", status=409).sees("They said so twice.")

    late.press("They may be contacted again", status=303).sees("The mark is gone.")


def test_what_hangs_on_a_request_of_long_ago_is_read_and_holds(
    ask_often: Callable[[int], list[str]], signed_in: SignedIn
) -> None:
    first = ask_often(1)[0]
    desk = signed_in("desk")
    page = card(desk, NPI).fill("Note", "Prefers the summary.").press("Save note", status=303)
    page = page.fill("What they asked for, and when", "No calls.").press("Mark: do not contact", status=303)

    last = ask_often(LIMIT + 1)[-1]

    page = card(desk, NPI).sees("Prefers the summary.", "Do not contact beyond an answer", "List all")
    assert len(theirs(page)) == LIMIT
    assert first not in theirs(page)
    desk.open(address(last)).sees("Do not contact beyond an answer")


def test_an_empty_or_too_long_note_is_refused_with_its_words(ask: Ask, signed_in: SignedIn) -> None:
    ask()
    page = card(signed_in("desk"), NPI)

    assert page.press("Save note", status=422).errors == {"note-text": "Write the note"}
    failed = page.fill("Note", "x" * 4_001).press("Save note", status=422)
    assert words(failed.soup.find(id="note-text")) == "x" * 4_001


def test_do_not_contact_is_said_on_each_request_until_it_is_lifted(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    first, second = ask(), ask()
    desk = signed_in("desk")
    page = card(desk, NPI)
    assert page.press("Mark: do not contact", status=422).errors
    page = page.fill("What they asked for, and when", "No calls, they said.").press(
        "Mark: do not contact", status=303
    )

    for reference in (first, second):
        desk.open(address(reference)).sees("Do not contact beyond an answer", "No calls, they said.")
    page.press("They may be contacted again", status=303).sees("The mark is gone.")
    desk.open(address(first)).lacks("Do not contact beyond an answer")


def test_trust_is_what_was_proved_in_the_last_twelve_months(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    reference = ask()
    with app.app_context():
        names, place = Registered("RUIZ", "ANA"), {"taxonomies": ("363LF0000X",), "states": ("CA",)}
        known = Provider(npi=NPI, names=names, credential="NP", phone="9255550142", **place)
        checks.check_new(lambda _npi, _again: Answer(known, now().date()), now())
    grace = signed_in("pharmacist", "Grace Hall")
    card(grace, NPI).sees(
        "Trust 1 of 3: registry agrees", "Match. Number, name and profession agree with the registry."
    )
    grace.open(address(reference)).fill("What you found", "Active.").press(
        "Record what you found", status=303
    )
    card(grace, NPI).sees("Trust 2 of 3: license looked up", "License looked up by Grace Hall")
    grace.open(address(reference)).fill("What you learned", "It was them.").press(
        "Record the call", status=303
    )
    card(grace, NPI).sees("Trust 3 of 3: called back")

    clock.tick(hours=24 * 366)

    card(signed_in("pharmacist"), NPI).sees("Trust 1 of 3: registry agrees")


def test_what_may_repeat_another_is_named_on_both(ask: Ask, signed_in: SignedIn) -> None:
    first, second = ask(), ask()
    desk = signed_in("desk")

    assert desk.open(address(first)).sees("May be repeated").follow(second).sees("Possible duplicate")


def test_a_card_goes_with_who_asked(app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    desk = signed_in("desk")
    card(desk, NPI).fill("Note", "Prefers calls.").press("Save note", status=303)

    with app.app_context(), transaction():
        requests.blank([stored(reference).id])

    assert (rows(app, CardNote), rows(app, NpiCheck)) == (0, 0)
    assert desk.get(f"/staff/prescribers/{reference}").status_code == 403
    desk.open(address(reference)).lacks("Card of this prescriber")
    with app.app_context():
        assert db.session.query(Request).one().email == ""
