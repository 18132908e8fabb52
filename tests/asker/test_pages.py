"""Whoever asked sees how it stands, reads it all after a code, and writes more."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from email.message import EmailMessage
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal import audit
from portal.asker import codes
from portal.asker.models import RequestCode
from portal.clock import now
from portal.db import db, transaction
from portal.desk import perform
from portal.desk.acts import ANSWER, CLAIM, CLOSE, NOTE, SPAM, Act
from portal.desk.contact import ASK, CALL_ANSWERED, FAX_ANSWERED, WAIT
from portal.desk.joining import DUPLICATE
from portal.desk.models import Addition
from portal.intake import receipts
from portal.intake.models import Request, Status
from portal.mail.models import Delivery
from portal.people.models import User
from tests.asker.conftest import ANSWERED, QUESTION
from tests.conftest import START, Clock
from tests.intake.samples import how_many, keys, submit, the_request
from tests.pages import Page, Visitor

Unlocked = Callable[[], Page]
MORE = "She also takes levothyroxine."


def rows(page: Page) -> dict[str, str]:
    """The facts of a receipt."""
    names, values = page.soup.select("dl.summary dt"), page.soup.select("dl.summary dd")
    return {name.get_text(): value.get_text() for name, value in zip(names, values, strict=True)}


# ---- by the link alone


def test_the_receipt_says_received_taken_answered_and_closed_with_times_and_nobodys_name(
    app: Flask, receipt: str, visitor: Visitor, act: Callable[..., Request], clock: Clock
) -> None:
    assert rows(visitor.open(receipt))["Received"].startswith("Thu Jan 15, 10:00")
    clock.tick(hours=1)
    act(CLAIM)
    taken = visitor.open(receipt)
    assert rows(taken)["Taken by a person"].startswith("Thu Jan 15, 11:00")
    assert "Answered" not in rows(taken)
    clock.tick(hours=1)
    act(ANSWER, text=ANSWERED, form_token="a", close=True)
    page = visitor.open(receipt)

    assert [
        name for name in rows(page) if name in ("Received", "Taken by a person", "Answered", "Closed")
    ] == [
        "Received",
        "Taken by a person",
        "Answered",
        "Closed",
    ]
    assert rows(page)["Answered"].startswith("Thu Jan 15, 12:00")
    assert rows(page)["Closed"].startswith("Thu Jan 15, 12:00")
    page.lacks("Ada", "Okafor", QUESTION, ANSWERED, "Ana Ruiz", "ana@clinic.example")


def test_what_is_taken_for_a_robots_says_no_more_than_that_it_came(
    receipt: str, visitor: Visitor, act: Callable[..., Request]
) -> None:
    act(SPAM, reason="robot")

    assert not {"Taken by a person", "Answered", "Closed"} & set(rows(visitor.open(receipt)))


def test_the_link_alone_opens_nothing(
    app: Flask, receipt: str, visitor: Visitor, answer: Callable[..., Request], clock: Clock
) -> None:
    answer()
    clock.tick(minutes=5)

    for place in (receipt, f"{receipt}/code", f"{receipt}/enter"):
        page = visitor.open(place).lacks(QUESTION, ANSWERED)
        assert page.response.headers["Cache-Control"] == "no-store"
    assert visitor.get(f"{receipt}/read").location == f"{receipt}/code"
    assert visitor.get(f"{receipt}/add-details").location == f"{receipt}/read"
    assert visitor.get(f"{receipt}/answer").status_code == 404


@pytest.mark.parametrize("place", ["code", "enter", "read", "withdraw"])
def test_an_unknown_and_an_expired_address_are_the_same(
    app: Flask, receipt: str, visitor: Visitor, clock: Clock, act: Callable[..., Request], place: str
) -> None:
    act(CLAIM)
    act(CLOSE, reason="no_reply")
    clock.tick(days=91)

    expired, unknown = visitor.get(f"{receipt}/{place}"), visitor.get(f"/r/{'x' * 32}/{place}")

    assert (expired.status_code, unknown.status_code) == (404, 404)


# ---- the code


def test_a_code_goes_to_where_the_answer_goes_and_is_in_no_table_but_the_mails_own(
    app: Flask, receipt: str, visitor: Visitor, outbox: Callable[[], list[EmailMessage]]
) -> None:
    visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    with app.app_context():
        seed = db.session.scalars(select(RequestCode.seed)).one()
        code = codes.code_of(seed, app.config["SECRET_KEY"])
        held = [
            str(tuple(row))
            for table in db.metadata.sorted_tables
            for row in db.session.execute(select(table))
        ]
        assert not any(code in row for row in held)

    mail = outbox()[-1]

    assert (mail["To"], mail["Subject"]) == ("ana@clinic.example", f"Your code: {codes.in_groups(code)}")
    assert QUESTION not in mail.as_string()
    assert receipt not in mail.as_string(), "a link and its code in one mail would be one thing to forward"


@pytest.mark.parametrize("spelled", ["{0} {1}", "{0}{1}", " {0}-{1} "])
def test_the_code_opens_the_request_however_it_is_spelled(
    app: Flask,
    receipt: str,
    visitor: Visitor,
    code: Callable[[], str],
    spelled: str,
    answer: Callable[..., Request],
    clock: Clock,
) -> None:
    answer()
    page = visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    answer_page = page.set(code=spelled.format(*code().split())).press("Show my request", status=303)
    clock.tick(minutes=1)

    visitor.open(f"{receipt}/read").sees(QUESTION, ANSWERED, "Ada Okafor")
    assert answer_page.response.headers["Cache-Control"] == "no-store"
    with app.app_context():
        opened = audit.trail(the_request(app).subject)[-1]
        assert (opened.action, opened.actor_id, opened.actor_name) == (
            "request.unlocked",
            None,
            "whoever asked",
        )


def test_five_tries_then_even_the_right_code_is_wrong(
    receipt: str, visitor: Visitor, code: Callable[[], str]
) -> None:
    page = visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    right = code()
    said = set()
    for _ in range(5):
        page = page.set(code="0000 0000").press("Show my request", status=422)
        said |= set(page.errors.values())
    said |= set(page.set(code=right).press("Show my request", status=422).errors.values())

    assert len(said) == 1, "nobody is told why"


def test_a_code_ends_after_a_quarter_of_an_hour_counts_once_and_a_newer_one_voids_it(
    receipt: str, visitor: Visitor, code: Callable[[], str], clock: Clock
) -> None:
    page = visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    first = code()
    clock.tick(minutes=15)
    page.set(code=first).press("Show my request", status=422)
    page = visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    second = code()
    clock.tick(minutes=2)
    page = visitor.open(f"{receipt}/enter").press("Send another code", status=303)
    third = code()
    assert len({first, second, third}) == 3
    page.set(code=second).press("Show my request", status=422)
    page.set(code=third).press("Show my request", status=303)
    page.set(code=third).press("Show my request", status=422)


def test_two_presses_send_one_code_and_too_many_none(
    app: Flask, receipt: str, visitor: Visitor, clock: Clock
) -> None:
    before = how_many(app, Delivery)
    for _ in range(2):
        visitor.open(f"{receipt}/code").press("Send me a code", status=303)
    assert how_many(app, Delivery) == before + 1
    for _ in range(2):
        visitor.open(f"{receipt}/code").press("Send me a code", status=303, wait=65)
    visitor.open(f"{receipt}/code").press("Send me a code", status=429)
    assert how_many(app, Delivery) == before + 3


def test_the_pass_is_for_one_request_one_hour_and_the_address_that_got_it(
    app: Flask, unlocked: Unlocked, receipt: str, visitor: Visitor, clock: Clock
) -> None:
    unlocked()
    cookie = visitor.client.get_cookie(codes.COOKIE, domain="localhost", path=receipt)
    assert cookie is not None
    assert cookie.http_only
    other = submit(app, "token-2", email="other@clinic.example")
    with app.app_context():
        theirs = db.session.scalars(select(Request).where(Request.reference == other)).one()
        assert codes.age(app.extensions["settings"], theirs, cookie.value, at=clock()) is None
    clock.tick(minutes=59)
    visitor.open(f"{receipt}/read")
    clock.tick(minutes=2)
    assert visitor.get(f"{receipt}/read").location == f"{receipt}/code"


def test_notes_and_what_may_be_taken_back_are_not_shown(
    unlocked: Unlocked,
    act: Callable[..., Request],
    answer: Callable[..., Request],
    clock: Clock,
    receipt: str,
    change_settings: Callable[..., None],
) -> None:
    change_settings(UNDO_SECONDS=30)
    act(NOTE, text="They sound hurried.", form_token="n")
    page = unlocked()
    answer()
    page.visitor.open(f"{receipt}/read").lacks(ANSWERED, "hurried")
    clock.tick(31)
    page.visitor.open(f"{receipt}/read").sees(ANSWERED).lacks("hurried")


# ---- writing more


def test_details_are_kept_marked_as_work_and_told_to_who_has_it(
    app: Flask,
    unlocked: Unlocked,
    act: Callable[..., Request],
    ada: User,
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    act(CLAIM)
    page = unlocked().set(text=MORE).press("Add this", status=303)

    page.sees("We have what you added.", MORE)
    request = the_request(app)
    assert (request.status, request.owner_id) == (Status.IN_PROGRESS, ada.id)
    assert request.heard_at is not None
    mail = outbox()[-1]
    assert (mail["To"], mail["Subject"]) == (ada.email, f"More about {request.reference}")
    assert MORE not in mail.as_string()


def test_the_same_press_twice_adds_once(app: Flask, unlocked: Unlocked, visitor: Visitor) -> None:
    page = unlocked().set(text=MORE)
    place, sent = page.data("Add this")

    assert {visitor.post(place, data=sent).status_code for _ in range(2)} == {303}
    assert how_many(app, Addition) == 1


def test_a_reply_to_our_question_takes_it_up_with_what_was_left_of_the_promise(
    app: Flask, unlocked: Unlocked, act: Callable[..., Request], clock: Clock
) -> None:
    act(CLAIM)
    act(WAIT, reason="they_send")
    clock.tick(days=4)
    unlocked().sees("Reply to our question").set(text=MORE).press("Send my reply", status=303).sees(MORE)

    request = the_request(app)
    assert (request.status, request.waiting_since) == (Status.IN_PROGRESS, None)
    assert request.answer_by > clock()


@pytest.mark.parametrize("closes", [False, True])
def test_asking_again_opens_it_with_a_new_promise_for_who_answered(
    app: Flask, unlocked: Unlocked, answer: Callable[..., Request], clock: Clock, ada: User, closes: bool
) -> None:
    answer(close=closes)
    clock.tick(days=5)
    unlocked().sees("Ask again").set(text="And in pregnancy?").press("Ask again", status=303)

    request = the_request(app)
    assert (request.status, request.owner_id, request.closed_at) == (Status.IN_PROGRESS, ada.id, None)
    assert request.answer_by > clock()


def test_asked_again_when_who_answered_has_left_it_is_new(
    app: Flask, unlocked: Unlocked, answer: Callable[..., Request], clock: Clock, ada: User
) -> None:
    answer(close=True)
    with app.app_context(), transaction():
        db.session.execute(update(User).values(active=False))
    unlocked().set(text="And in pregnancy?").press("Ask again", status=303)

    assert (the_request(app).status, the_request(app).owner_id) == (Status.NEW, None)


def test_withdrawing_closes_it_and_it_can_be_asked_again(app: Flask, unlocked: Unlocked) -> None:
    page = unlocked().press("Withdraw my request", status=303).sees("Your request is withdrawn.", "Ask again")

    assert the_request(app).status == Status.CLOSED
    with app.app_context():
        entry = audit.trail(the_request(app).subject)[-1]
        assert (entry.action, entry.detail) == ("request.withdrawn", "withdrawn")
    page.lacks("Withdraw my request")


@pytest.mark.parametrize("button", ["Add this", "Withdraw my request"])
def test_what_no_longer_fits_is_a_conflict_and_the_words_are_kept(
    app: Flask, unlocked: Unlocked, answer: Callable[..., Request], button: str
) -> None:
    page = unlocked().set(text=MORE)
    answer(close=True)
    before = how_many(app, Addition)

    late = page.press(button, status=409)

    late.sees("It is now: Closed.")
    assert MORE in late.soup.select_one("textarea").get_text() or button != "Add this"
    assert (how_many(app, Addition), the_request(app).status) == (before, Status.CLOSED)


def test_a_refusal_never_says_that_it_is_taken_for_spam(
    unlocked: Unlocked, act: Callable[..., Request]
) -> None:
    page = unlocked().set(text=MORE)
    act(SPAM, reason="robot")

    page.press("Add this", status=409).lacks("pam").sees("It is now: Received.", MORE)


def test_what_may_say_who_a_patient_is_is_stopped_once_and_then_marked(
    app: Flask, unlocked: Unlocked
) -> None:
    words = "My patient Jane Roe, born 3/14/1961, takes levothyroxine."
    page = unlocked().set(text=words).press("Add this", status=422)
    page.sees("This may include a patient's name, a date of birth.")
    assert how_many(app, Addition) == 0

    page.fill("It does not say who a patient is: send it").press("Add this", status=303)

    assert (how_many(app, Addition), the_request(app).patient_data) == (1, ["patients_name", "birth_date"])


@pytest.mark.parametrize("words", ["", "x" * 2001])
def test_nothing_and_too_much_are_faults_with_the_words_kept(
    app: Flask, unlocked: Unlocked, words: str
) -> None:
    page = unlocked().set(text=words).press("Add this", status=422)

    assert page.soup.select_one("textarea").get_text().strip() == words
    assert how_many(app, Addition) == 0


def test_without_the_code_nothing_is_done_and_the_words_stand_there(
    app: Flask, unlocked: Unlocked, visitor: Visitor, receipt: str, new_visitor: Callable[[], Visitor]
) -> None:
    unlocked()
    place, sent = visitor.open(f"{receipt}/read").set(text=MORE).data("Add this")
    visitor.client.delete_cookie(codes.COOKIE, domain="localhost", path=receipt)

    refused = visitor.post(place, data=sent)

    assert refused.status_code == 403
    assert MORE in refused.text
    assert QUESTION not in refused.text
    assert how_many(app, Addition) == 0


def test_who_wrote_for_longer_than_the_hour_still_sends_it(
    app: Flask, unlocked: Unlocked, clock: Clock
) -> None:
    page = unlocked().set(text=MORE)
    clock.tick(hours=3)

    assert page.press("Add this", status=303, follow=False).response.location.endswith("done=add-details")
    assert how_many(app, Addition) == 1
    assert clock() > START + timedelta(hours=3)


def test_a_question_of_ours_is_read_there(
    unlocked: Unlocked, act: Callable[..., Request], clock: Clock
) -> None:
    act(CLAIM)
    act(ASK, text="At what time of day?", form_token="q")
    clock.tick(60)

    unlocked().sees("At what time of day?", "Reply to our question")


def test_what_is_joined_to_ones_other_request_stands_as_that_does_and_goes_on_there(
    app: Flask, unlocked: Unlocked, receipt: str, visitor: Visitor, ada: User, clock: Clock
) -> None:
    first, there = the_request(app).reference, unlocked().address
    other = submit(app, "token-2")
    with app.app_context(), transaction():
        for reference, act, given in (
            (first, DUPLICATE, {"target": other}),
            (other, CLAIM, {}),
            (other, ANSWER, {"text": ANSWERED, "form_token": "a"}),
        ):
            asked = perform.get(reference)
            perform.perform(act, asked, by=ada, at=now(), version=asked.version, **given)
    clock.tick(minutes=5)

    visitor.open(receipt).sees("We have answered your question", "Answered. Handled with your other request")
    page = visitor.open(there).sees(ANSWERED)
    page.set(text="And at night?").press("Ask again", status=303).sees("And at night?")
    assert the_request(app, other).status == Status.IN_PROGRESS
    assert the_request(app, first).status == Status.DUPLICATE


def test_what_is_joined_to_somebody_elses_does_nothing_there(
    app: Flask, unlocked: Unlocked, receipt: str, visitor: Visitor, ada: User
) -> None:
    first, there = the_request(app).reference, unlocked().address
    other = submit(app, "token-2", email="bob@clinic.example")
    with app.app_context(), transaction():
        asked = perform.get(first)
        perform.perform(DUPLICATE, asked, by=ada, at=now(), version=asked.version, target=other)

    page = visitor.open(there)
    assert "Withdraw my request" not in page.text and "Add this" not in page.text
    assert "add to it" not in visitor.open(receipt).text


@pytest.mark.parametrize(("by", "given"), [(CALL_ANSWERED, {"reason": "reached"}), (FAX_ANSWERED, {})])
def test_whom_an_answer_by_voice_or_fax_told_nothing_is_told_so(
    app: Flask,
    unlocked: Unlocked,
    receipt: str,
    visitor: Visitor,
    ada: User,
    clock: Clock,
    by: Act,
    given: dict[str, str],
) -> None:
    first, there = the_request(app).reference, unlocked().address
    other = submit(app, "token-2", email="bob@clinic.example")

    def do(act: Act, reference: str, **more: Any) -> None:
        clock.tick(minutes=5)
        with app.app_context(), transaction():
            asked = perform.get(reference)
            perform.perform(act, asked, by=ada, at=now(), version=asked.version, **more)

    do(DUPLICATE, first, target=other)
    visitor.open(receipt).sees("We have your question", "Handled together with another request")
    do(by, other, text="Told Bob.", number="", form_token="c", **given)
    page = visitor.open(receipt).sees(
        "Your question was handled with another one", "send us your question again"
    )
    page.lacks("We have answered", "Answered", "Answer by", "Told Bob", "bob@", "our answer, or ask again")
    visitor.open(there).sees("If our answer did not reach you").lacks(
        "Nothing yet", "Told Bob", "We called you"
    )

    do(ANSWER, other, text=ANSWERED, form_token="a", close=False)
    clock.tick(minutes=5)
    visitor.open(receipt).sees("We have answered your question", "Answered. Handled together with another")
    visitor.open(there).sees(ANSWERED).lacks("did not reach you")


def _joined_to_what_was_closed_long_ago(app: Flask, clock: Clock, **changes: Any) -> tuple[Request, int]:
    """The one request, joined today to one that was closed 91 days ago; and the number of that."""
    first = the_request(app)
    other = submit(app, "token-2")
    with app.app_context(), transaction():
        target = db.session.scalars(select(Request).where(Request.reference == other)).one()
        target.status, target.closed_at = Status.CLOSED, clock() - timedelta(days=91)
        target.answer_email = changes.get("answer_email", "")
        joined = {"status": Status.DUPLICATE, "duplicate_of": target.id, "closed_at": clock()} | changes
        db.session.execute(update(Request).where(Request.id == first.id).values(**joined))
        number = target.id
    return the_request(app, first.reference), number


def test_asked_again_after_ninety_days_it_is_a_new_request_that_names_the_old(
    app: Flask,
    unlocked: Unlocked,
    receipt: str,
    visitor: Visitor,
    clock: Clock,
    code: Callable[[], str],
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    old, target = _joined_to_what_was_closed_long_ago(app, clock, answer_email="ana.new@clinic.example")
    visitor.open(receipt).sees("what you ask is a new request then")
    page = unlocked().sees("what you write is a new request").set(text="And in pregnancy?")
    place, sent = page.data("Ask again")

    first, second = visitor.post(place, data=sent), visitor.post(place, data=sent)

    assert (first.status_code, first.location) == (303, second.location)
    with app.app_context():
        new = db.session.scalars(select(Request).where(Request.follows == target)).one()
        assert receipts.path_of(receipts.token_of(new, keys(app))) == first.location
    visitor.open(first.location).sees("We have your question", new.reference)
    with app.app_context():
        followed = db.session.get_one(Request, target).reference
    code_page = visitor.open(f"{first.location}/code").press("Send me a code", status=303)
    page = code_page.set(code=code()).press("Show my request", status=303).sees("It follows", followed)
    assert followed not in [link.get_text() for link in page.soup.find_all("a")], "its page is gone"
    assert (new.status, new.question, new.answer_by > clock()) == (Status.NEW, "And in pregnancy?", True)
    assert [getattr(new, name) for name in ("name", "npi", "topics", "reply_email")] == [
        getattr(old, name) for name in ("name", "npi", "topics", "reply_email")
    ]
    assert the_request(app, old.reference).status == Status.DUPLICATE
    assert how_many(app, Addition) == 0
    assert "ana.new@clinic.example" in [mail["To"] for mail in outbox() if new.reference in mail.as_string()]


def test_words_that_find_no_room_in_a_new_request_stand_in_its_thread(
    app: Flask, unlocked: Unlocked, clock: Clock
) -> None:
    _joined_to_what_was_closed_long_ago(app, clock, kind="resource", delivery="email")
    unlocked().set(text="x" * 2000).press("Ask again", status=303)

    with app.app_context():
        (whole,) = db.session.scalars(select(Addition.text))
        assert whole == "x" * 2000
