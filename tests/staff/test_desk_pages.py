"""The desk's newer pages: calls, the post, what is new, the fate of mails, handing over, the views."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from flask import Flask

from portal.db import transaction
from portal.desk import perform
from portal.desk.actors import ASKER
from portal.desk.asking import ADD
from portal.intake.models import Request, Status
from tests.conftest import Clock
from tests.pages import words
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, answered, claimed

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]


def test_a_call_is_logged_with_what_came_of_it(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask(contact_method="phone")
    page = signed_in("pharmacist").open(address(reference))
    assert page.soup.find(id="call-number")["value"] == "925-555-0142"

    failed = page.press("Log the call", status=422)
    assert list(failed.errors.values()) == ["Select what came of the call"]
    page = failed.fill("Nobody answered").press("Log the call", status=303)
    page.sees("The call is noted.", "Phone call · 925-555-0142 · Nobody answered", "New")
    page = page.fill("We spoke").fill("What was said", "Told them to go slowly.")
    page = page.press("Log the call: it answered them", status=303)

    page.sees("the request is answered", "Told them to go slowly.", "Answered by phone")
    assert stored(reference).status == Status.ANSWERED


def test_half_a_call_is_a_draft_too(ask: Ask, signed_in: SignedIn) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("What was said", "They want").fill("Note", "Hm.")

    page = page.press("Save note", status=303)

    assert words(page.soup.find(id="call-text")) == "They want"
    assert page.soup.find(id="call-text").find_parent("details").has_attr("open")


def test_an_envelope_is_labelled_and_posted(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask("resource", delivery="post", address="1 Main Street\nDanville, CA 94526")
    desk = signed_in("desk")

    label = desk.open(address(reference)).follow("Label and list for the envelope")
    label.sees("Lee Park", "1 Main Street", "Danville, CA 94526", "Prescriber guide", "Dose plan sheets")
    page = label.follow("Back to the request").press("Mark as posted", status=303)

    page.sees("it went by post", "Posted")
    assert stored(reference).status == Status.ANSWERED
    assert desk.get(address(ask(), "label")).status_code == 303, "a question has no label"


def test_a_late_press_shows_what_is_new_and_keeps_the_words(
    ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Answer", "My long draft.")
    clock.tick(minutes=3)
    signed_in("desk", "Ada King").open(address(reference)).fill("Note", "It is urgent.").press("Save note")

    stale = page.press("Send answer to ana@clinic.example", status=409)

    news = words(stale.soup.select_one(".head .timeline"))
    assert "Note written Ada King" in news
    assert "Claimed" not in news
    stale.sees("My long draft.", "It is urgent.")


def test_the_thread_says_what_became_of_each_mail(
    ask: Ask, signed_in: SignedIn, outbox: Callable[[], list], give_up: Callable[[], None]
) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")
    answered(colleague, reference).sees("Waiting to go to ana@clinic.example")
    give_up()

    page = colleague.open(address(reference))
    page.sees("Refused to ana@clinic.example", "The server said: the server said never")
    colleague.open("/staff/requests?status=refused").sees(reference, "Mail refused 1")
    page = page.fill("Address", "ana@home.example").press("Send it again", status=303)

    page.sees("Refused, sent again to ana@clinic.example", "Waiting to go to ana@home.example")
    assert outbox()[-1]["To"] == "ana@home.example"
    colleague.open(address(reference)).sees("Sent to ana@home.example")
    colleague.open("/staff/requests?status=refused").sees("No mail to a prescriber was given up.")


def test_all_of_mine_is_handed_over_with_two_presses(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    first, second = ask(), ask("resource")
    grace, tom = signed_in("pharmacist", "Grace Hall"), signed_in("desk", "Tom Oneill")
    for reference in (first, second):
        claimed(grace, reference)

    page = grace.open("/staff/requests?owner=me").fill("To", "Tom Oneill")
    page = page.press("Hand all of mine over", status=303)

    page.sees("All that you had is handed over.", "You have no open requests.")
    assert {stored(one).owner_id for one in (first, second)} == {tom.user_id}
    tom.open("/staff/requests?owner=me").sees(first, second)


@pytest.mark.parametrize("to", ["999", "x", "-1"])
def test_nobody_hands_over_to_nobody(ask: Ask, signed_in: SignedIn, stored: Stored, to: str) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    claimed(grace, reference)

    grace.open("/staff/requests?owner=me").set(to=to).press("Hand all of mine over")

    assert stored(reference).owner_id == grace.user_id


def test_two_requests_are_joined_and_parted(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    first, second = ask(), ask(email="other@clinic.example")
    page = signed_in("pharmacist").open(address(second))
    assert page.soup.find(id="duplicate-target")["value"] == first

    page = page.press("Join as a duplicate", status=303)
    page.sees("The two requests are joined.", f"Joined to {first}")
    page.visitor.open("/staff/requests?status=all").lacks("Possible duplicate")
    page.follow(first).sees("Joined to this one, and answered with it")
    page.press("Not a duplicate", status=303).sees("apart again").lacks("Possible duplicate")

    assert stored(second).status == Status.IN_PROGRESS


def test_the_views_count_what_they_show(ask: Ask, signed_in: SignedIn) -> None:
    ask(contact_method="phone")
    waits = ask()
    grace = signed_in("pharmacist")
    page = claimed(grace, waits).fill("They will send us more").press("Wait for the prescriber", status=303)
    page.sees("The promise rests meanwhile.", "Waiting")

    page = grace.open("/staff/requests")

    for tab, shown in (("To call", 1), ("Waiting", 1), ("All open", 2), ("Late", 0), ("Mail refused", 0)):
        link = next(a for a in page.soup.select(".tabs a") if words(a).startswith(tab))
        assert words(link) == f"{tab} {shown}"
        listed = grace.open(link["href"])
        assert len(listed.soup.select("#queue tbody tr, .queue tbody tr")) == shown


@pytest.mark.parametrize(
    "button", ["Send answer to ana@clinic.example", "Send answer and close", "Send as a question and wait"]
)
def test_an_answer_can_be_taken_back_before_it_goes(
    ask: Ask,
    signed_in: SignedIn,
    stored: Stored,
    outbox: Callable[[], list],
    clock: Clock,
    change_settings: Callable[..., None],
    button: str,
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Answer", "Raise it tomorrow.")
    before = len(outbox())
    page = page.press(button, status=303)
    assert len(outbox()) == before, "it waits"

    page = page.press("Undo: do not send it", status=303)

    page.sees("Nothing was sent.", "Answer taken back before it went")
    assert words(page.soup.find(id="answer-text")) == "Raise it tomorrow."
    assert stored(reference).status == Status.IN_PROGRESS
    clock.tick(minutes=5)
    assert len(outbox()) == before
    page.press(button, status=303)
    clock.tick(seconds=31)
    assert len(outbox()) == before + 1


def test_taken_back_it_is_unanswered_again(
    app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored, change_settings: Callable[..., None]
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = ask()
    grace = signed_in("pharmacist")
    claimed(grace, reference)
    with app.app_context(), transaction():
        given = {"text": "And with food?", "form_token": "m"}
        perform.perform(ADD, perform.get(reference), by=ASKER, at=grace.clock(), **given)
    heard = stored(reference).heard_at
    page = grace.open(address(reference)).sees("They wrote more").fill("Answer", "Raise it tomorrow.")
    page = page.press("Send answer and close", status=303).lacks("They wrote more")

    page.press("Undo: do not send it", status=303).sees("They wrote more")

    assert stored(reference).heard_at == heard is not None


@pytest.mark.parametrize(
    ("button", "became"),
    [
        ("Log the fax: it answered them", "Your fax was not logged"),
        ("Log the call: it answered them", "Your call was not logged"),
        ("Send answer to ana@clinic.example", "Your answer was not sent"),
    ],
)
def test_words_of_a_form_that_is_gone_stand_on_the_page(
    ask: Ask, signed_in: SignedIn, button: str, became: str
) -> None:
    reference, grace = ask(), signed_in("pharmacist")
    page = claimed(grace, reference).fill("We spoke")
    page.set(**{f"{box}-text": f"Words of {box}." for box in ("answer", "call", "fax-answered")})
    other = signed_in("manager").open(address(reference)).fill("Withdrawn by the prescriber")
    other.press("Close request", status=303)

    late = page.press(button, status=409)

    late.sees(became, "Words of answer.", "Words of call.", "Words of fax-answered.", "Closed Manager")
    again = late.press("Throw this draft away", status=303)
    again.lacks("Words of answer.").sees("Words of call.", "Words of fax-answered.")


def test_what_was_closed_long_ago_says_why_it_stays_closed(
    ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Withdrawn by the prescriber")
    page.press("Close request", status=303).lacks("more than 90 days ago")
    clock.tick(days=91)

    page = signed_in("pharmacist").open(address(reference))

    page.sees("This request was closed more than 90 days ago.", "A reply of the prescriber is a new one")
    assert "Reopen request" not in page.text


def test_what_went_is_not_taken_back(
    ask: Ask,
    signed_in: SignedIn,
    stored: Stored,
    outbox: Callable[[], list],
    clock: Clock,
    change_settings: Callable[..., None],
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = ask()
    page = answered(signed_in("pharmacist"), reference)
    clock.tick(seconds=31)
    outbox()

    page.press("Undo: do not send it", status=409)

    assert stored(reference).status == Status.ANSWERED


def test_undo_pressed_twice_takes_back_once_and_says_so(
    ask: Ask, signed_in: SignedIn, stored: Stored, change_settings: Callable[..., None]
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Answer", "Go slowly.")
    page = page.press("Send answer to ana@clinic.example", status=303)

    for _press in range(2):
        again = page.press("Undo: do not send it", status=303).sees("Nothing was sent.")

    assert words(again.soup.find(id="answer-text")) == "Go slowly."
    assert (stored(reference).status, stored(reference).answered_at) == (Status.IN_PROGRESS, None)
