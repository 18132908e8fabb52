"""The pages of a request: write, check, send, and see how it stands."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from email.message import EmailMessage
from threading import Barrier
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import update
from sqlalchemy.exc import OperationalError

from portal.db import db, transaction
from portal.intake import views
from portal.intake.catalogue import LABELS
from portal.intake.models import Request, Status
from portal.mail import promise
from portal.mail.models import Delivery, State
from portal.organisation import OpeningHours
from tests.intake.samples import ANSWERS, CONSULTATION, RESOURCE, how_many, staff, the_request
from tests.pages import Page, Visitor

ASK, ORDER = "/requests/consultation", "/requests/resources"
PROMISE = "Fri Jan 16, 10:00"
BIRTH_DATE = "Patient DOB 3/14/1961, which dose?"


def fields(page: Page) -> dict[str, Any]:
    """The hidden fields of the page's own form."""
    sent: dict[str, Any] = {}
    for control in page.soup.select("main form input[type=hidden]"):
        sent.setdefault(control["name"], []).append(control["value"])
    return sent


def filled(visitor: Visitor, **changes: Any) -> Page:
    """The consultation form, filled in."""
    return visitor.open(ASK).set(**{**CONSULTATION, **changes})


def checked(visitor: Visitor, **changes: Any) -> Page:
    """The check page of a good form."""
    return filled(visitor, **changes).press("Continue", status=200)


def test_a_question_is_checked_and_sent(app: Flask, visitor: Visitor) -> None:
    staff(app)
    page = visitor.open(ASK).sees("we will answer by", PROMISE)
    assert page.title == "Ask a pharmacist about LDN"

    check = page.set(**CONSULTATION).press("Continue", status=200)
    check.sees(
        "Check your answers before you send them", PROMISE, "Dosing or titration, Safety or side effects"
    )
    check.sees(*CONSULTATION["question"].split("\n\n"), "(925) 555-0100 ext. 12", "California")
    assert how_many(app) == 0

    receipt = check.press("Send my question", status=303)
    receipt.sees("We have your question", the_request(app).reference, PROMISE, "Received", "925-555-0100")
    assert how_many(app) == 1
    assert the_request(app).signals == []


def test_materials_are_checked_before_they_are_asked_for(app: Flask, visitor: Visitor) -> None:
    staff(app)
    page = visitor.open(ORDER).sees("Tue Jan 20, 10:00").set(**RESOURCE)

    check = page.press("Continue", status=200).sees("Check your answers", "Prescriber guide", "By mail")
    assert how_many(app) == 0
    check.press("Send my request", status=303).sees("We have your request", the_request(app).reference)
    assert {name: getattr(the_request(app), name) for name in RESOURCE} == RESOURCE


def test_the_page_says_no_patient_data_above_the_question(visitor: Visitor) -> None:
    text = visitor.open(ASK).sees("In an emergency, call 911").text

    assert (
        0
        < text.index("Do not include patient names, birth dates or record numbers")
        < text.index("Your name")
    )


@pytest.mark.parametrize("field", ["question", "name", "topics", "contact_method"])
def test_changing_an_answer_keeps_all_the_others(app: Flask, visitor: Visitor, field: str) -> None:
    page = checked(visitor)
    sent = fields(page) | {"change": [field]}

    back = Page(visitor, ASK, visitor.post(ASK, data=sent))

    assert back.status == 200
    _, kept = back.data("Continue")
    assert {name: [value.strip() for value in kept[name]] for name in kept if name in CONSULTATION} == {
        name: value if isinstance(value, list) else [value] for name, value in CONSULTATION.items()
    }
    assert [element["name"] for element in back.soup.find_all(autofocus=True)] in ([], [field])
    assert how_many(app) == 0


def test_a_confirmed_post_is_checked_like_any_other(app: Flask, visitor: Visitor) -> None:
    sent = fields(checked(visitor)) | {"npi": ["1234567890"]}

    page = Page(visitor, ASK, visitor.post(ASK, data=sent))

    assert page.status == 422
    assert list(page.errors) == ["npi"]
    assert how_many(app) == 0


def test_pressing_send_twice_makes_one_request(app: Flask, visitor: Visitor) -> None:
    sent = fields(checked(visitor))

    first, second = (visitor.post(ASK, data=sent) for _ in range(2))

    assert first.status_code == second.status_code == 303
    assert first.location == second.location
    assert how_many(app) == how_many(app, Delivery) == 1


@pytest.mark.parametrize("kind", ["consultation", "resource"])
def test_twenty_at_once_get_the_same_receipt_and_one_row(
    app: Flask, new_visitor: Callable[[], Visitor], kind: str
) -> None:
    address = {"consultation": ASK, "resource": ORDER}[kind]
    visitor = new_visitor()
    if kind == "consultation":
        sent = fields(checked(visitor))
    else:
        sent = fields(visitor.open(ORDER)) | ANSWERS[kind] | {"confirmed": "1"}
        visitor.clock.tick(5)
    cookie = visitor.client.get_cookie("form", domain="localhost")
    assert cookie is not None
    start = Barrier(20)

    def send(other: Visitor) -> tuple[int, str | None]:
        other.client.set_cookie("form", cookie.value, domain="localhost")
        start.wait()
        answer = other.post(address, data=sent)
        return answer.status_code, answer.location

    with ThreadPoolExecutor(20) as pool:
        answers = set(pool.map(send, [new_visitor() for _ in range(20)]))

    assert len(answers) == 1
    assert answers.pop()[0] == 303
    assert how_many(app) == how_many(app, Delivery) == 1


def test_sending_again_what_was_sent_does_not_count_as_a_try(app: Flask, visitor: Visitor) -> None:
    sent = fields(checked(visitor))

    assert {visitor.post(ASK, data=sent).status_code for _ in range(40)} == {303}

    another = fields(checked(visitor, question="Another one?"))
    assert visitor.post(ASK, data=another).status_code == 303


def test_the_receipt_comes_again_even_when_the_session_is_gone(
    visitor: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    sent = fields(checked(visitor))
    first = visitor.post(ASK, data=sent)

    visitor.clock.tick(hours=30)

    assert new_visitor().post(ASK, data=sent).location == first.location


@pytest.mark.parametrize("step", ["form", "check"])
def test_the_same_form_with_other_words_is_not_sent_over_the_first(
    app: Flask, visitor: Visitor, step: str
) -> None:
    sent = fields(checked(visitor))
    receipt = visitor.post(ASK, data=sent).location
    if step == "form":
        del sent["confirmed"]

    page = Page(visitor, ASK, visitor.post(ASK, data=sent | {"question": ["And with food?"]}))

    assert page.status == 409
    page.sees("You have sent this form already", "And with food?")
    assert page.soup.find("a", href=receipt) is not None
    assert the_request(app).question == CONSULTATION["question"]

    page.press("Continue", status=200).press("Send my question", status=303)
    assert how_many(app) == 2


@pytest.mark.parametrize(("address", "send"), [(ASK, "Send my question"), (ORDER, "Send my request")])
@pytest.mark.parametrize("lost", ["csrf_token", "form_token"])
def test_a_lost_token_keeps_every_word_and_sending_again_works(
    app: Flask, visitor: Visitor, address: str, send: str, lost: str
) -> None:
    answers = CONSULTATION if address == ASK else RESOURCE
    page = visitor.open(address).set(**answers).set(**{lost: "nonsense"})

    stale = page.press("Continue", status=400)

    stale.sees("Your answers are still here")
    _, kept = stale.data("Continue")
    assert {
        name: [v.strip().replace("\r\n", "\n") for v in kept[name]] for name in answers if name in kept
    } == {name: value if isinstance(value, list) else [value] for name, value in answers.items()}
    assert how_many(app) == 0
    stale.press("Continue").press(send).sees("We have your")
    assert how_many(app) == 1


def test_a_check_page_left_open_overnight_loses_nothing(app: Flask, visitor: Visitor) -> None:
    page = checked(visitor)

    stale = page.press("Send my question", wait=25 * 3600, status=400)

    stale.sees("Your answers are still here").press("Continue").press("Send my question", status=303)
    assert how_many(app) == 1


def test_too_many_new_requests_wait_with_their_words_kept(app: Flask, visitor: Visitor) -> None:
    for number in range(30):
        app.extensions["throttle"].hit("request", "127.0.0.0/24")
        assert number < 30

    page = visitor.open(ORDER).set(**RESOURCE).press("Continue").press("Send my request", status=429)

    assert int(page.response.headers["Retry-After"]) > 0
    page.sees("Ten copies, please.")
    assert how_many(app) == 0


def test_a_storage_fault_keeps_the_words(
    app: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def submit(*_kind: Any, **_answers: Any) -> None:
        raise OperationalError("INSERT", None, sqlite3.OperationalError("database is locked"))

    page = visitor.open(ORDER).set(**RESOURCE)
    monkeypatch.setattr(views.submissions, "submit", submit)

    failed = page.press("Continue").press("Send my request", status=503)

    failed.sees("Nothing was saved", "Ten copies, please.")
    assert int(failed.response.headers["Retry-After"]) > 0


@pytest.mark.parametrize(("address", "button"), [(ASK, "Send my question"), (ORDER, "Send my request")])
@pytest.mark.parametrize("wait", [0.1, 30])
def test_a_trap_or_haste_costs_the_press_on_the_check_page_and_no_answer(
    app: Flask, visitor: Visitor, outbox: Callable[[], list[Any]], address: str, button: str, wait: float
) -> None:
    """What looks like a robot is asked once more, and then it is a request like any other: staff hear of it."""
    staff(app)
    answers = CONSULTATION if address == ASK else RESOURCE
    page = visitor.open(address).set(**answers, office_code="12", confirmed="1")

    check = page.press("Continue", wait=wait, status=200)
    assert check.title == "Check your answers before you send them"
    assert not check.soup.select("[name=office_code]")
    assert how_many(app) == 0
    check.press(button, wait=0, status=303).sees("We will answer by")

    assert the_request(app).status == Status.NEW
    assert len(outbox()) == 2, "the receipt, and the notice to staff"


def test_a_slip_in_an_address_is_asked_about_on_the_check_page(visitor: Visitor) -> None:
    page = checked(visitor, email="ana@gmial.com").sees(
        "Did you mean ana@gmail.com?", "You typed ana@gmial.com."
    )

    page.press("Change the address").set(email="ana@clinic.example").press("Continue").lacks("Did you mean")


def test_the_receipt_says_where_the_answer_goes(visitor: Visitor) -> None:
    receipt = checked(visitor).press("Send my question", status=303)

    receipt.sees("Answer goes to an…@clinic.example").lacks("ana@clinic.example")


@pytest.mark.parametrize(
    ("delivery", "words"),
    [("post", "goes by mail to the address that you gave"), ("email", "comes by email")],
)
def test_receipt_and_mail_say_what_was_ordered_and_where_it_goes(
    visitor: Visitor, outbox: Callable[[], list[Any]], delivery: str, words: str
) -> None:
    answers = {**RESOURCE, "delivery": delivery, "address": "1 Main Street"}
    page = visitor.open(ORDER).set(**answers).press("Continue").press("Send my request", status=303)

    page.sees(words, *(LABELS[slug] for slug in RESOURCE["items"])).lacks("1 Main Street")
    for part in outbox()[0].iter_parts():
        said = " ".join(part.get_content().split())
        assert words in said and "1 Main Street" not in said
        assert all(LABELS[slug] in said for slug in RESOURCE["items"])


@pytest.mark.parametrize(
    ("method", "words"), [("phone", "We call the number"), ("email", "We answer by email")]
)
def test_the_receipt_says_in_which_way_we_answer(visitor: Visitor, method: str, words: str) -> None:
    asked = checked(visitor, contact_method=method, phone="925-555-0142")

    asked.press("Send my question", status=303).sees(words)


@pytest.mark.parametrize("box", ["y", ""])
def test_who_gives_their_own_name_asks_on_behalf_ticked_or_not(
    app: Flask, visitor: Visitor, outbox: Callable[[], list[Any]], box: str
) -> None:
    """The answer goes to who asked, and the prescriber in whose name it was hears of it."""
    mine = {"delegate_name": "Kim Day", "delegate_email": "kim@clinic.example"} | (
        {"on_behalf": box} if box else {}
    )

    check = checked(visitor, **mine).sees("I am asking on behalf of a prescriber Yes", "Kim Day")
    check.press("Send my question", status=303).sees("ki…@clinic.example")

    mails = {mail["To"]: mail for mail in outbox()}
    assert set(mails) == {"kim@clinic.example", "ana@clinic.example"}
    told = mails["ana@clinic.example"].get_body(("plain",)).get_content()
    assert the_request(app).reference in told and "ki…@clinic.example" in told
    assert "Kim Day" not in told and CONSULTATION["question"][:20] not in told


@pytest.mark.parametrize("only", ["delegate_name", "delegate_email"])
def test_half_a_delegate_is_asked_for_the_other_half(visitor: Visitor, only: str) -> None:
    value = "Kim Day" if only == "delegate_name" else "kim@clinic.example"
    page = filled(visitor, **{only: value}).press("Continue", status=422)

    assert set(page.errors) == {"delegate_name", "delegate_email"} - {only}


@pytest.mark.parametrize("address", [ASK, ORDER])
def test_the_persons_own_browser_may_keep_a_form_to_go_back_to(visitor: Visitor, address: str) -> None:
    answers = CONSULTATION if address == ASK else RESOURCE
    page = visitor.open(address).set(**answers)
    steps = [
        page,
        page.set(npi="1234567890").press("Continue", status=422),
    ]
    if address == ASK:
        steps.append(checked(visitor))

    for step in steps:
        assert step.response.headers["Cache-Control"] == "private, no-cache"
        assert step.response.headers["Referrer-Policy"] == "no-referrer"


def test_going_back_and_sending_again_is_the_first_request(app: Flask, visitor: Visitor) -> None:
    check = checked(visitor)
    receipt = check.press("Send my question", status=303)

    assert check.press("Send my question", status=303).address == receipt.address
    assert how_many(app) == how_many(app, Delivery) == 1


# ---- patient data


def test_patient_data_stops_the_sender_once_and_names_kinds_only(app: Flask, visitor: Visitor) -> None:
    page = filled(visitor, question=BIRTH_DATE).press("Continue", status=422)

    page.sees("Does this say who a patient is?", "a date of birth").lacks("3/14/1961")
    assert page.soup.find(id="errors") is None
    check = page.press("It does not identify a patient: go on", status=200)
    check.press("Send my question", status=303)
    assert the_request(app).patient_data == ["birth_date"]
    assert the_request(app).question == BIRTH_DATE


def test_patient_data_can_be_taken_out(app: Flask, visitor: Visitor) -> None:
    page = filled(visitor, question=BIRTH_DATE).press("Continue", status=422)

    back = page.press("Change what I wrote", status=200).sees(BIRTH_DATE)
    back.set(question="Adult, which dose?").press("Continue", status=200).press(
        "Send my question", status=303
    )

    assert the_request(app).patient_data == []


def test_the_guard_cannot_be_walked_round(app: Flask, visitor: Visitor) -> None:
    sent = fields(checked(visitor)) | {"question": [BIRTH_DATE]}

    page = Page(visitor, ASK, visitor.post(ASK, data=sent))

    assert page.status == 422
    page.sees("a date of birth")
    assert how_many(app) == 0


def test_a_note_is_guarded_too(app: Flask, visitor: Visitor) -> None:
    page = visitor.open(ORDER).set(**{**RESOURCE, "note": BIRTH_DATE}).press("Continue", status=422)

    assert how_many(app) == 0
    page = page.sees("a date of birth").press("It does not identify a patient: go on", status=200)
    page.press("Send my request", status=303)
    assert the_request(app).patient_data == ["birth_date"]


# ---- the receipt


def receipt_of(app: Flask, visitor: Visitor) -> str:
    """Send a question; the address of its receipt."""
    return str(visitor.post(ASK, data=fields(checked(visitor))).location)


def move(app: Flask, **values: Any) -> None:
    """Set columns of the one request."""
    with app.app_context(), transaction():
        db.session.execute(update(Request).values(**values))


def test_a_receipt_shows_nothing_that_was_typed(app: Flask, visitor: Visitor) -> None:
    page = visitor.open(receipt_of(app, visitor))

    for name in ("name", "npi", "practice", "email", "phone"):
        assert CONSULTATION[name] not in page.response.text
    assert CONSULTATION["question"].splitlines()[0] not in page.response.text


def test_a_receipt_is_for_nobody_else(app: Flask, visitor: Visitor) -> None:
    headers = visitor.open(receipt_of(app, visitor)).response.headers

    assert headers["Cache-Control"] == "no-store"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert "noindex" in headers["X-Robots-Tag"]
    assert "Set-Cookie" not in headers


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (Status.IN_PROGRESS, "We are working on it"),
        (Status.ANSWERED, "Answered"),
        (Status.CLOSED, "Closed"),
        (Status.SPAM, "Received"),
        (Status.DUPLICATE, "Handled with your other request"),
    ],
)
def test_a_receipt_says_how_the_request_stands(
    app: Flask, visitor: Visitor, status: Status, words: str
) -> None:
    address = receipt_of(app, visitor)
    move(app, status=status)

    page = visitor.open(address).sees(words)
    assert page.title.startswith("We have" if status != Status.CLOSED else "Your question is closed")
    assert ("What happens next" in page.text) == (status not in (Status.ANSWERED, Status.CLOSED))


def test_unknown_and_expired_receipts_are_the_same_to_the_outside(app: Flask, visitor: Visitor) -> None:
    address = receipt_of(app, visitor)
    move(app, status=Status.CLOSED, closed_at=visitor.clock.at)
    visitor.open(address)
    visitor.clock.tick(days=91)

    expired, unknown = visitor.open(address, status=404), visitor.open(f"/r/{'x' * 32}", status=404)

    assert expired.text.split("number")[0] == unknown.text.split("number")[0]


@pytest.mark.parametrize("token", ["%00", "%F0%9F%92%8A", "%ED%A0%80", "x" * 3000, "..%2F", "'"])
def test_a_strange_receipt_address_is_just_not_found(app: Flask, visitor: Visitor, token: str) -> None:
    assert visitor.get(f"/r/{token}").status_code == 404


@pytest.mark.parametrize("page", ["", "/code", "/enter", "/read", "/reply"])
@pytest.mark.parametrize("junk", ["", ")", "%3C/a%3E"])
def test_a_receipts_link_is_mended_or_said_to_be_cut(
    app: Flask, visitor: Visitor, page: str, junk: str
) -> None:
    address = receipt_of(app, visitor)

    assert visitor.get(f"{address}{junk}").status_code == 200
    visitor.open(f"{address[:-4]}{page}{junk}", status=404).sees("Part of this link is missing")


@pytest.mark.parametrize("address", [ASK, ORDER])
def test_looking_changes_nothing(app: Flask, visitor: Visitor, address: str) -> None:
    for method in ("GET", "HEAD"):
        assert (
            visitor.client.open(address, method=method, base_url="http://localhost:8000").status_code == 200
        )

    assert how_many(app) == 0
    assert visitor.client.put(address, base_url="http://localhost:8000").status_code == 405


def test_while_nobody_has_an_account_no_time_is_promised(
    app: Flask, visitor: Visitor, outbox: Callable[[], list[EmailMessage]]
) -> None:
    """Nobody is told of what comes in. What is sent is kept; the first who joins finds it."""
    visitor.open(ASK).sees("Nobody works at this desk yet").lacks("we will answer by")
    visitor.open(ORDER).sees("Nobody works at this desk yet").lacks("we will answer by")
    check = checked(visitor).sees("Nobody works at this desk yet").lacks("we will answer by")
    receipt = check.press("Send my question").lacks("We will answer by", "Answer by")

    [mail] = outbox()
    for part in mail.iter_parts():
        assert "Nobody works at this desk yet" in part.get_content()
        assert "answer by" not in part.get_content()
    staff(app)
    visitor.open(receipt.address).sees("We will answer by", PROMISE)


@pytest.mark.parametrize(
    ("state", "words"),
    [
        (State.QUEUED, "We are sending it to you by email too."),
        (State.SENT, "We have sent it to you by email too."),
        (State.DEAD, "We could not send it to you by email."),
        (None, ""),
    ],
)
def test_a_receipt_says_what_became_of_its_mail(
    app: Flask, visitor: Visitor, state: State | None, words: str
) -> None:
    receipt = checked(visitor).press("Send my question")
    with app.app_context(), transaction():
        if state is None:
            promise.forget("ana@clinic.example")
        else:
            db.session.execute(update(Delivery).values(state=state))

    page = visitor.open(receipt.address)

    said = re.findall(r"We [^.]* by email too\.|We could not [^.]*\.", page.text)
    assert said == ([words] if words else [])


def test_without_hours_a_promise_is_a_whole_day_and_no_page_or_mail_prints_an_hour(
    app: Flask,
    visitor: Visitor,
    change_settings: Callable[..., None],
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    staff(app)
    org = replace(app.extensions["settings"].ORG, hours=OpeningHours())
    change_settings(ORG=org)

    page = checked(visitor).sees("we will answer by the end of Fri Jan 16 .")
    receipt = page.press("Send my question").sees("We will answer by the end of Fri Jan 16 .")

    plain, html = (part.get_content() for part in outbox()[0].iter_parts())
    for text in (receipt.text.partition("Status")[0], plain, html):
        assert "by the end of" in text and "Fri Jan 16" in text
        assert not re.search(r"\d:\d\d|\d [ap]m\b|Open:", text)


def test_the_promise_is_counted_from_the_moment_of_sending(app: Flask, visitor: Visitor) -> None:
    staff(app)
    visitor.clock.set(visitor.clock.at + timedelta(days=1, hours=10))  # Friday, 8 pm: closed
    page = checked(visitor)

    page.sees("Tue Jan 20, 6:00").press("Send my question").sees("Tue Jan 20, 6:00")
