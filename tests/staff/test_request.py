"""One request: who sees what, who may do what, and what becomes of words that come too late."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, insert, select

from bench.growth import watched
from portal import tokens
from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.intake import receipts
from portal.intake.models import Message, Request, Status
from portal.mail import lanes
from portal.mail.models import Delivery
from portal.staff import forms
from tests.pages import Page, Visitor, local, words
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]
Trail = Callable[[str], list[str]]

QUESTION = "How slowly should I raise the dose"
HIDDEN = "Pharmacists and managers may read this question."
BUTTONS = {
    "claim": "Claim",
    "release": "Release",
    "take_over": "Take over",
    "note": "Save note",
    "answer": "Send answer to ana@clinic.example",
    "close": "Close request",
    "reopen": "Reopen request",
    "spam": "Mark as spam",
    "not_spam": "Not spam",
}


def address(reference: str, act: str = "") -> str:
    return f"/staff/requests/{reference}" + (f"/{act}" if act else "")


def offered(page: Page) -> set[str]:
    """Which acts the page has a button for."""
    shown = {words(button) for button in page.soup.select("main button")}
    return {act for act, button in BUTTONS.items() if button in shown}


def claimed(colleague: Colleague, reference: str) -> Page:
    return colleague.open(address(reference)).press("Claim", status=303)


def answered(colleague: Colleague, reference: str, text: str = "Go slowly.") -> Page:
    page = claimed(colleague, reference)
    return page.fill("Answer", text).press("Send answer to ana@clinic.example", status=303)


def rows(app: Flask, model: Any) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


# ---- Looking


def test_a_request_shows_all_that_staff_need(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()

    page = signed_in("pharmacist").open(address(reference))

    assert page.title == f"Consultation {reference}"
    page.sees("New", "Answer by Fri Jan 16, 10:00 am Pacific", QUESTION, "Dosing or titration")
    page.sees("1234567893 (the check digit fits)", "Valley Clinic", "California", "ana@clinic.example")
    page.sees("Received the portal Thu Jan 15, 10:00 am Pacific")


def test_materials_show_what_to_send(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask("resource", delivery="post", address="1 Main Street\nDanville, CA 94526")

    page = signed_in("desk").open(address(reference))

    page.sees("Prescriber guide", "Dose plan sheets", "For our new colleague.", "By mail", "1 Main Street")


def test_every_opening_is_in_the_trail_and_nothing_else_is_written(
    app: Flask, ask: Ask, signed_in: SignedIn, trail: Trail, stored: Stored
) -> None:
    reference = ask()
    colleague = signed_in("manager")
    version, mails = stored(reference).version, rows(app, Delivery)

    colleague.open(address(reference))
    page = colleague.open(address(reference))

    assert trail(reference) == ["request.received", "request.opened", "request.opened"]
    page.sees("Opened 2 times", colleague.name)
    assert stored(reference).version == version
    assert rows(app, Delivery) == mails


def test_a_head_request_shows_nothing_and_writes_nothing(ask: Ask, signed_in: SignedIn, trail: Trail) -> None:
    reference = ask()

    colleague = signed_in("manager")
    answer = colleague.client.head(address(reference), base_url="http://localhost:8000")

    assert (answer.status_code, answer.data) == (200, b"")
    assert trail(reference) == ["request.received"]


@pytest.mark.parametrize("spell", [str.lower, lambda ref: ref.replace("-", ""), lambda ref: f" {ref} "])
def test_a_reference_leads_there_in_any_spelling(
    ask: Ask, signed_in: SignedIn, spell: Callable[[str], str]
) -> None:
    reference = ask()

    answer = signed_in("desk").get(address(spell(reference)))

    assert answer.status_code == 303
    assert local(answer.headers["Location"]) == address(reference)


def test_a_request_that_is_none_is_not_found(signed_in: SignedIn) -> None:
    colleague = signed_in("manager")

    for name in ("LDN-BCDF-GHJK", "nonsense", "1", "%00", "LDN-BCDF-GHJK/claim", "LDN-BCDF-GHJK/nonsense"):
        colleague.open(address(name), status=403)


def test_a_stranger_reads_nothing_and_does_nothing(
    ask: Ask, visitor: Visitor, trail: Trail, stored: Stored
) -> None:
    reference = ask()

    assert "/staff/login" in visitor.get(address(reference)).headers["Location"]
    assert visitor.post(address(reference, "claim"), data={}).status_code in (302, 303, 400, 401)
    assert trail(reference) == ["request.received"]
    assert stored(reference).status == Status.NEW


def test_an_unknown_word_after_an_act_shows_no_banner(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    colleague = signed_in("desk")

    assert not colleague.open(f"{address(reference)}?done=<b>x").soup.select(".banner")
    assert words(colleague.open(f"{address(reference)}?done=note").soup.select_one(".banner"))


def test_the_address_of_an_act_leads_back_to_the_request(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()

    answer = signed_in("desk").get(address(reference, "take-over"))

    assert local(answer.headers["Location"]) == address(reference)


def test_a_second_request_with_the_same_npi_points_to_the_first(ask: Ask, signed_in: SignedIn) -> None:
    first, second = ask(), ask(email="other@clinic.example")

    page = signed_in("desk").open(address(second))

    page.sees("Possible duplicate", "Other requests with this NPI")
    assert page.follow(first).title.endswith(first)


def test_signals_and_patient_data_are_named_in_words(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask(signals=["quick"], patient_data=["birth_date"])

    page = signed_in("manager").open(address(reference))

    page.sees("Possible spam", "sent sooner than a person can type", "Patient data", "a date of birth")


# ---- Who may read, and who may do what


@pytest.mark.parametrize(("role", "reads"), [("desk", False), ("pharmacist", True), ("manager", True)])
def test_a_question_is_read_by_those_who_may(ask: Ask, signed_in: SignedIn, role: str, reads: bool) -> None:
    reference = ask()
    colleague = signed_in(role)

    page = colleague.open(address(reference))
    assert (QUESTION in page.text) is reads
    assert (HIDDEN in page.text) is not reads
    page.sees("Ana Ruiz, NP", "1234567893")

    claimed(colleague, reference).sees(QUESTION)


def test_the_desk_reads_no_answer_of_a_consultation_but_its_own_notes(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    answered(signed_in("pharmacist"), reference, "Raise it by half a milligram.")
    desk = signed_in("desk")

    page = desk.open(address(reference)).fill("Note", "They called at noon.").press("Save note", status=303)

    page.sees("They called at noon.").lacks("half a milligram", QUESTION)


MATRIX = {
    # state: role: acts offered on a consultation
    "new": {
        "desk": {"claim", "note", "spam"},
        "pharmacist": {"claim", "note", "close", "spam"},
        "manager": {"claim", "note", "close", "spam"},
    },
    "mine": {
        "desk": {"release", "note", "spam"},
        "pharmacist": {"release", "note", "answer", "close", "spam"},
        "manager": {"release", "note", "close", "spam"},
    },
    "another's": {
        "desk": {"note", "spam"},
        "pharmacist": {"take_over", "note", "close", "spam"},
        "manager": {"take_over", "note", "close", "spam"},
    },
    "answered": {
        "desk": {"note", "close"},
        "pharmacist": {"note", "close", "reopen"},
        "manager": {"note", "close", "reopen"},
    },
    "spam": {
        "desk": {"note", "not_spam"},
        "pharmacist": {"note", "not_spam"},
        "manager": {"note", "not_spam"},
    },
}


@pytest.mark.parametrize("role", ["desk", "pharmacist", "manager"])
@pytest.mark.parametrize("state", MATRIX)
def test_each_role_is_offered_what_it_may_do_and_refused_the_rest(
    ask: Ask, signed_in: SignedIn, stored: Stored, state: str, role: str
) -> None:
    reference = ask(signals=["honeypot"] if state == "spam" else [])
    colleague = signed_in(role)
    if state == "mine":
        claimed(colleague, reference)
    elif state == "another's":
        claimed(signed_in("pharmacist"), reference)
    elif state == "answered":
        answered(signed_in("pharmacist"), reference)
    page = colleague.open(address(reference))
    before = stored(reference)

    assert offered(page) == MATRIX[state][role]

    for act in set(BUTTONS) - MATRIX[state][role] - {"claim"}:
        answer = colleague.post(
            address(reference, act.replace("_", "-")), data=forged(page, act, before.version)
        )
        assert answer.status_code in (403, 409), f"{act}: {answer.status_code}"
    after = stored(reference)
    assert (after.status, after.owner_id, after.version) == (before.status, before.owner_id, before.version)


def forged(page: Page, act: str, version: int) -> dict[str, str]:
    """A post for an act that the page does not offer, with tokens that are good."""
    _, sent = page.data("Save note")
    csrf = sent["note-csrf_token"][0]
    prefix = "" if act in ("claim", "release", "take_over", "not_spam") else f"{act}-"
    return {
        f"{prefix}csrf_token": csrf,
        f"{prefix}form_token": stamped(page, act),
        f"{prefix}version": str(version),
        f"{prefix}text": "Words that must go nowhere",
        f"{prefix}reason": {"close": "withdrawn", "reopen": "follow_up", "spam": "robot"}.get(act, ""),
    }


def stamped(page: Page, act: str) -> str:
    """The form token that a page with this form would have."""
    purpose = {"answer": "AnswerForm", "redact": "RedactForm"}.get(act, "ReasonForm")
    return tokens.stamp(
        page.visitor.client.application.config["SECRET_KEY"], purpose, at=page.visitor.clock().timestamp()
    )


# ---- Acts


def test_a_form_sent_again_with_other_words_keeps_them_and_sends_them_with_one_more_press(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    """As by Back in a browser that kept the page."""
    page = signed_in("desk").open(address(ask()))
    page.fill("Note", "First words.").press("Save note", status=303)

    again = page.fill("Note", "Second words.").press("Save note", status=409)

    assert rows(app, Message) == 1
    again.sees("with other words", "Second words.").press("Save note", status=303)
    assert rows(app, Message) == 2


def test_claiming_gives_it_to_one_person(ask: Ask, signed_in: SignedIn, stored: Stored, trail: Trail) -> None:
    reference = ask()
    colleague = signed_in("desk")

    page = claimed(colleague, reference)

    page.sees("This request is yours now.", f"Owner: {colleague.name}", "In progress")
    assert stored(reference).owner_id == colleague.user_id
    assert trail(reference) == ["request.received", "request.opened", "request.claimed", "request.opened"]


def test_of_twenty_claims_at_once_exactly_one_wins(
    ask: Ask, signed_in: SignedIn, stored: Stored, trail: Trail
) -> None:
    reference = ask()
    colleagues = [signed_in(("desk", "pharmacist", "manager")[n % 3]) for n in range(20)]
    posts = [
        (colleague, *colleague.open("/staff/requests").data(f"Claim {reference}")) for colleague in colleagues
    ]

    def post(each: tuple[Colleague, str, Any]) -> tuple[Colleague, int, str]:
        colleague, place, sent = each
        answer = colleague.post(place, data=sent)
        return colleague, answer.status_code, answer.headers.get("Location", "") or answer.text

    with ThreadPoolExecutor(20) as pool:
        outcomes = list(pool.map(post, posts))

    winners = [(colleague, text) for colleague, status, text in outcomes if status == 303]
    losers = [text for _, status, text in outcomes if status == 409]
    assert len(winners) == 1
    assert len(losers) == 19
    winner, place = winners[0]
    assert local(place) == f"/staff/requests?claimed={reference}"
    assert all(f"{winner.name} has this request." in text for text in losers)
    assert stored(reference).owner_id == winner.user_id
    assert trail(reference).count("request.claimed") == 1


def test_a_claim_that_came_too_late_says_who_was_first_and_is_recorded_as_an_opening(
    ask: Ask, signed_in: SignedIn, trail: Trail
) -> None:
    reference = ask()
    first, second = signed_in("pharmacist", "Grace Hall"), signed_in("pharmacist")
    page = second.open("/staff/requests")
    claimed(first, reference)
    openings = trail(reference).count("request.opened")

    late = page.press(f"Claim {reference}", status=409)

    late.sees("Grace Hall has this request.", QUESTION)
    assert "take_over" in offered(late)
    assert trail(reference).count("request.opened") == openings + 1


def test_a_released_request_waits_for_anybody(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()

    page = claimed(signed_in("desk"), reference).press("Release", status=303)

    page.sees("The request is back in the queue.")
    assert stored(reference).owner_id is None
    assert stored(reference).status == Status.NEW


def test_a_pharmacist_takes_over(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    claimed(signed_in("desk"), reference)
    pharmacist = signed_in("pharmacist")

    pharmacist.open(address(reference)).press("Take over", status=303)

    assert stored(reference).owner_id == pharmacist.user_id


def test_a_note_is_seen_by_staff_and_goes_nowhere(
    app: Flask, ask: Ask, signed_in: SignedIn, outbox: Callable[[], list[EmailMessage]]
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)
    before = len(outbox())
    notes = [secrets.token_urlsafe(40) for _ in range(10)]

    for note in notes:
        page = page.fill("Note", note).press("Save note", status=303)
    answer = page.fill("Answer", "Go slowly.").press("Send answer and close", status=303)

    answer.sees("Internal note", *notes)
    sent = [mail.as_string() + mail.get_body(("plain",)).get_content() for mail in outbox()]
    assert len(sent) == before + 1
    assert not [note for note in notes for mail in sent if note in mail]


def test_an_answer_goes_to_the_prescriber(
    ask: Ask, signed_in: SignedIn, outbox: Callable[[], list[EmailMessage]], stored: Stored
) -> None:
    reference = ask()
    colleague = signed_in("pharmacist", "Grace Hall")

    page = answered(colleague, reference, "Wait two weeks.\nThen raise it.")

    page.sees("The answer is on its way.", "Wait two weeks.", "Answered")
    mail = outbox()[-1]
    assert mail["To"] == "ana@clinic.example"
    assert reference in mail["Subject"]
    text = mail.get_body(("plain",)).get_content().replace("\r\n", "\n")
    assert "Wait two weeks.\nThen raise it." in text
    assert "Grace Hall" in text
    assert QUESTION not in mail.as_string()
    assert stored(reference).status == Status.ANSWERED


def test_an_answer_goes_to_whoever_asked_for_the_prescriber(
    ask: Ask, signed_in: SignedIn, outbox: Callable[[], list[EmailMessage]]
) -> None:
    reference = ask(on_behalf=True, delegate_name="Sam Lee", delegate_email="sam@clinic.example")
    page = claimed(signed_in("pharmacist"), reference)

    page.sees("Answer Sam Lee", "It goes by email to sam@clinic.example , who asked for Ana Ruiz")
    page.fill("Answer", "Go slowly.").press("Send answer to sam@clinic.example", status=303)

    assert outbox()[-1]["To"] == "sam@clinic.example"


def test_an_answer_may_close_the_request_too(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)

    page = page.fill("Answer", "Go slowly.").press("Send answer and close", status=303)

    page.sees("The answer is on its way, and the request is closed.")
    assert stored(reference).status == Status.CLOSED


def test_an_answer_sent_twice_is_one_answer_and_one_mail(app: Flask, ask: Ask, signed_in: SignedIn) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("Answer", "Go slowly.")
    mails = rows(app, Delivery)

    page.press("Send answer to ana@clinic.example", status=303)
    page.press("Send answer to ana@clinic.example", status=303)

    assert rows(app, Message) == 1
    assert rows(app, Delivery) == mails + 1


def test_the_desk_answers_a_request_for_materials(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask("resource")

    page = claimed(signed_in("desk"), reference)
    page.fill("Answer", "It is on its way.").press("Send answer to lee@park.example", status=303)

    assert stored(reference).status == Status.ANSWERED


def test_who_may_answer_is_said_to_those_who_may_not(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    signed_in("pharmacist").open(address(reference)).sees("Claim this request to answer it.")

    claimed(signed_in("manager", "Mo Reyes"), reference).sees("Only a pharmacist may answer a consultation.")

    page = signed_in("pharmacist").open(address(reference))
    page.sees("Mo Reyes has this request, and only its owner may answer it.")


@pytest.mark.parametrize(
    ("role", "kind", "is_primary"),
    [
        ("pharmacist", "consultation", True),
        ("manager", "consultation", False),
        ("desk", "consultation", False),
        ("manager", "resource", True),
        ("desk", "resource", True),
    ],
)
def test_claiming_is_the_first_thing_to_do_for_those_who_may_answer(
    ask: Ask, signed_in: SignedIn, role: str, kind: str, is_primary: bool
) -> None:
    page = signed_in(role).open(address(ask(kind)))

    [button] = [button for button in page.soup.select("main button") if words(button) == "Claim"]
    assert ("second" not in button["class"]) == is_primary
    assert page.text.count("Only a pharmacist may answer a consultation.") == (not is_primary)


def test_a_request_is_closed_and_reopened_for_a_reason_from_a_list(
    ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)

    page = page.fill("Withdrawn by the prescriber").press("Close request", status=303)
    page.sees("The request is closed.", "Closed Pharmacist 1", "Withdrawn by the prescriber")
    page = page.fill("It was closed by mistake").press("Reopen request", status=303)

    page.sees("The request is open again, and yours.", "It was closed by mistake")
    assert stored(reference).status == Status.IN_PROGRESS


def test_spam_leaves_the_queue_and_comes_back(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    colleague = signed_in("desk")

    page = colleague.open(address(reference)).fill("Sent by a robot").press("Mark as spam", status=303)
    page.sees("The request is now among the spam.")
    assert stored(reference).status == Status.SPAM
    page.press("Not spam", status=303).sees("The request is back in the queue.")

    assert stored(reference).status == Status.NEW


# ---- What does not go through


@pytest.mark.parametrize(
    ("button", "sentence"),
    [
        ("Save note", forms.WRITE_NOTE),
        ("Send answer to ana@clinic.example", forms.WRITE_ANSWER),
        ("Close request", forms.SELECT_REASON),
        ("Mark as spam", forms.SELECT_REASON),
    ],
)
def test_an_empty_form_says_what_is_missing(
    ask: Ask, signed_in: SignedIn, stored: Stored, button: str, sentence: str
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)
    version = stored(reference).version

    failed = page.press(button, status=422)

    assert list(failed.errors.values()) == [sentence]
    assert failed.soup.find(id=next(iter(failed.errors)))
    assert stored(reference).version == version


@pytest.mark.parametrize(
    "typed", ["x" * (forms.ANSWER_MAX + 1), "\x00\u202e"], ids=["long", "nothing to be seen"]
)
def test_words_that_cannot_be_kept_come_back_with_a_reason(
    app: Flask, ask: Ask, signed_in: SignedIn, typed: str
) -> None:
    page = claimed(signed_in("pharmacist"), ask()).fill("Answer", typed)
    mails = rows(app, Delivery)

    failed = page.press("Send answer to ana@clinic.example", status=422)

    assert len(failed.errors) == 1
    assert rows(app, Delivery) == mails
    assert rows(app, Message) == 0


def test_a_reason_that_is_none_is_refused(ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)

    page.set(**{"close-reason": "because"}).press("Close request", status=422).sees(forms.SELECT_REASON)
    page.set(**{"close-reason": ["withdrawn", "no_reply"]}).press("Close request", status=422)

    assert stored(reference).status == Status.IN_PROGRESS


def test_a_draft_survives_what_somebody_else_wrote_meanwhile(
    ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Answer", "My long draft.")
    signed_in("desk").open(address(reference)).fill("Note", "They called: it is urgent.").press("Save note")

    stale = page.press("Send answer to ana@clinic.example", status=409)

    stale.sees("This request changed while you were looking at it.", "They called: it is urgent.")
    assert words(stale.soup.find(id="answer-text")) == "My long draft."
    assert stored(reference).status == Status.IN_PROGRESS

    stale.press("Send answer to ana@clinic.example", status=303).sees("My long draft.")
    assert stored(reference).status == Status.ANSWERED


def test_a_draft_survives_that_somebody_else_took_the_request(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference).fill("Answer", "My long draft.")
    signed_in("pharmacist").open(address(reference)).press("Take over", status=303)

    stale = page.press("Send answer to ana@clinic.example", status=409)

    stale.sees("Your answer was not sent", "My long draft.")
    assert "answer" not in offered(stale)


@pytest.mark.parametrize("version", ["", "0", "999", "x", "-1", "99999999999999999999", "٣"])
def test_a_version_that_is_none_is_a_stale_one(
    ask: Ask, signed_in: SignedIn, stored: Stored, version: str
) -> None:
    reference = ask()
    page = claimed(signed_in("pharmacist"), reference)

    page.set(version=version).press("Release", status=409)

    assert stored(reference).status == Status.IN_PROGRESS


@pytest.mark.parametrize("lost_tokens", [("note-csrf_token", "csrf_token"), ("note-form_token",)])
def test_a_lost_token_costs_no_word(
    app: Flask, ask: Ask, signed_in: SignedIn, lost_tokens: tuple[str, ...]
) -> None:
    page = signed_in("desk").open(address(ask())).fill("Note", "A note that took long to write.")

    lost = page.set(**dict.fromkeys(lost_tokens, "gone")).press("Save note", status=400)

    assert rows(app, Message) == 0
    assert words(lost.soup.find(id="note-text")) == "A note that took long to write."
    lost.press("Save note", status=303).sees("A note that took long to write.")


def test_where_an_opening_cannot_be_recorded_nothing_is_shown(
    ask: Ask, signed_in: SignedIn, read_only: Callable[[], None]
) -> None:
    reference = ask()
    colleague = signed_in("pharmacist")
    page = claimed(colleague, reference).fill("Note", "A note that took long to write.")

    read_only()

    colleague.open(address(reference), status=503).lacks(QUESTION)
    failed = page.press("Save note", status=503)
    failed.lacks(QUESTION)
    assert words(failed.soup.find(id="note-text")) == "A note that took long to write."


def test_an_answer_whose_mail_was_given_up_is_said_to_staff_and_to_who_asked(
    app: Flask, ask: Callable[..., str], signed_in: Callable[..., Colleague], give_up: Callable[[], None]
) -> None:
    """Never "on its way"; revived and sent, nothing is said of it any more."""
    address = f"/staff/requests/{ask()}"
    ada = signed_in("pharmacist")
    ada.open(address).press("Claim")
    page = ada.open(address)
    page.sees(f"It begins “Hello Ana Ruiz,” and ends: {ada.name} Linden Test Pharmacy 925-555-0100")
    done = page.set(**{"answer-text": "Yes."}).press("Send answer to ana@clinic.example")
    done.sees("The answer is on its way.")
    with app.app_context():
        asked = db.session.scalars(select(Request)).one()
        receipt = receipts.path_of(receipts.token_of(asked, app.extensions["settings"].keys))
    ada.open(receipt).lacks("could not be delivered")

    give_up()

    ada.open(done.address).sees("The answer did not reach them").lacks("on its way")
    ada.open(receipt).sees("Our email with the answer could not be delivered.")
    with app.app_context(), transaction():
        lanes.revive(now())
    ada.open(done.address).lacks("did not reach them")
    ada.open(receipt).lacks("could not be delivered")


def test_openings_are_counted_and_the_last_five_named_however_many_there_are(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    """A page that a thousand opened is as large and asks as much as one that nobody did."""
    reference, manager = ask(), signed_in("manager", "Mia Boss")
    manager.open(address(reference))
    staff = app.extensions["staff"]
    with watched(staff) as before:
        few = manager.open(address(reference))
    entries = [{"at": now(), "actor_id": 1, "actor_name": f"Reader {n}", "action": "request.opened",
                "subject": f"request:{reference}", "detail": ""} for n in range(1000)]  # fmt: skip
    with app.app_context(), transaction():
        db.session.execute(insert(AuditEntry), entries)
    with watched(staff) as after:
        many = manager.open(address(reference))

    many.sees("Opened 1003 times", "Mia Boss", "Reader 999", "Reader 996", "All that opened it")
    many.lacks("Reader 995")
    assert len(after.statements) == len(before.statements)
    assert abs(len(many.text) - len(few.text)) < 1000
    manager.open(f"/staff/audit?subject={reference}&act=request.opened").sees("Reader 995")
