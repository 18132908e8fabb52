"""Every act with what may not count: an old page, a foreign token, a double press, no words, a lost account."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.desk.acts import ACTS, CLOSE, Act
from portal.desk.models import Contact
from portal.desk.table import ROOM_ACTS
from portal.intake.models import Kind, Message, Request, Status
from portal.mail.models import Delivery
from portal.people.models import User
from tests.desk.test_acts import GIVEN as VERBS
from tests.desk.test_acts import MOVES
from tests.intake.samples import how_many
from tests.staff.conftest import Colleague
from tests.staff.test_roles import whole

Ask = Callable[..., str]
Stored = Callable[[str], Request]
SignedIn = Callable[..., Colleague]
TYPED = "Words that took long to write."
WRITES = {"note", "answer", "ask", "call", "call-answered", "fax-answered", "call-back", "license"}
LONG = {"note": 4_000, "answer": 8_000, "ask": 8_000, "call": 4_000, "call-answered": 4_000}
LONG |= {"fax-answered": 8_000, "call-back": 4_000, "license": 4_000, "redact": 200, "duplicate": 40}


@pytest.fixture(params=ROOM_ACTS, ids=lambda act: act.word)
def act(request: pytest.FixtureRequest) -> Act:
    """Each of them."""
    found: Act = request.param
    return found


@pytest.fixture
def case(app: Flask, act: Act, ask: Ask, signed_in: SignedIn) -> tuple[Colleague, str, dict[str, str]]:
    """Somebody who may do it, a request with which the act can be done, and a post that does it."""
    grace, other = (
        signed_in("desk" if act.word == "report-patient-data" else "pharmacist"),
        signed_in("pharmacist"),
    )
    reference, target = ask(name="Ana Ruiz", phone="925-555-0142"), ask("resource")
    owner = {"nobody": None, "another": other.user_id}.get(act.owner, grace.user_id)
    moved: dict[str, Any] = {"status": MOVES[act.word][0].split()[0], "owner_id": owner}
    if act.word == "posted":
        moved |= {"kind": Kind.RESOURCE, "delivery": "post"}
    if act.word == "no-patient-data":
        moved |= {"patient_data": ["birth_date"]}
    if act.word == "wake":
        moved |= {"snoozed_until": grace.clock()}
    with app.app_context(), transaction():
        db.session.execute(update(Request).where(Request.reference == reference).values(**moved))
    sent = whole(grace, act, 1, target, other.user_id)
    return grace, reference, {name: TYPED if name.endswith("text") else value for name, value in sent.items()}


def stands(app: Flask, reference: str) -> list[Any]:
    """The request, and all that an act may leave behind."""
    with app.app_context():
        row = db.session.execute(select(Request.__table__).where(Request.reference == reference)).one()
        done = select(AuditEntry.action).where(AuditEntry.action != "request.opened")
        acts = list(db.session.scalars(done.where(AuditEntry.subject == f"request:{reference}")))
    return [tuple(row), acts, *(how_many(app, model) for model in (Message, Contact, Delivery))]


def send(colleague: Colleague, reference: str, act: Act, sent: dict[str, str]) -> Any:
    return colleague.post(f"/staff/requests/{reference}/{act.word}", data=sent)


def has_words(act: Act, text: str) -> bool:
    return act.word not in WRITES or TYPED in text


def test_an_old_page_and_a_foreign_token_change_nothing_and_keep_the_words(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]], signed_in: SignedIn
) -> None:
    grace, reference, sent = case
    before = stands(app, reference)
    csrf = next(name for name in sent if name.endswith("csrf_token"))
    version = next(name for name in sent if name.endswith("version"))
    token = next((name for name in sent if name.endswith("form_token")), "")
    stranger = whole(signed_in("manager"), act)[csrf]

    for spoiled in ({csrf: "gone"}, {csrf: stranger}, {token: "gone"} if act.asks else {csrf: ""}):
        answer = send(grace, reference, act, sent | spoiled)
        assert answer.status_code == 400, spoiled
        assert has_words(act, answer.text)
    if act.is_versioned:
        for seen in ("0", "2", "", "x", "9" * 30):
            answer = send(grace, reference, act, sent | {version: seen})
            assert answer.status_code == 409, seen
            assert "This request changed while you were looking at it." in answer.text
            assert has_words(act, answer.text)
    assert stands(app, reference) == before


def test_no_words_and_one_sign_too_many_are_a_fault_that_keeps_what_was_typed(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]]
) -> None:
    grace, reference, sent = case
    before = stands(app, reference)
    field = {"redact": "words", "duplicate": "target"}.get(act.word, "text")
    name = f"{act.box}-{field}"

    if act.asks:
        asked = f"{act.box}-{act.asks}"
        for nothing in ("", " \n\t", "\u200b\u202e"):
            assert send(grace, reference, act, sent | {asked: nothing}).status_code == 422, repr(nothing)
    if act.word in LONG:
        typed = "x" * (LONG[act.word] + 1)
        answer = send(grace, reference, act, sent | {name: typed})
        assert answer.status_code == 422
        assert act.word == "redact" or typed in answer.text
    assert stands(app, reference) == before


def test_pressed_twice_it_is_done_once_and_says_so(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]]
) -> None:
    grace, reference, sent = case
    if act.word in ("resend", "undo", "call-back", "check-again"):
        pytest.skip("needs a mail or the registry, tested beside them; or counts each time")

    first = send(grace, reference, act, sent)
    once = stands(app, reference)
    second = send(grace, reference, act, sent)

    assert (first.status_code, second.status_code) == (303, 303), second.text[:2000]
    assert first.headers["Location"] == second.headers["Location"]
    assert stands(app, reference) == once
    assert once[1].count(act.audit) == 1


def test_who_was_disabled_meanwhile_does_nothing_and_reads_their_words(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]]
) -> None:
    grace, reference, sent = case
    before = stands(app, reference)
    with app.app_context(), transaction():
        db.session.execute(update(User).where(User.id == grace.user_id).values(active=False))

    answer = send(grace, reference, act, sent)

    assert answer.status_code == 401
    assert has_words(act, answer.text)
    assert stands(app, reference) == before


def test_from_any_other_state_it_is_refused_and_the_page_says_how_it_stands(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]]
) -> None:
    grace, reference, sent = case

    for start in set(Status) - {Status(word) for word in MOVES[act.word][0].split()}:
        with app.app_context(), transaction():
            db.session.execute(update(Request).where(Request.reference == reference).values(status=start))
        before = stands(app, reference)

        answer = send(grace, reference, act, sent)

        assert answer.status_code == 409, f"{start}: {answer.text[:2000]}"
        assert has_words(act, answer.text)
        assert stands(app, reference) == before


def test_the_lists_of_this_test_are_of_the_acts_there_are() -> None:
    assert {one.word for one in ROOM_ACTS if one.writes} == WRITES
    assert set(LONG) >= WRITES and set(VERBS) >= WRITES


@pytest.mark.parametrize(
    ("act", "field", "other"),
    [
        ("answer", "text", "Other words than these."),
        ("snooze", "until", "2026-01-27"),
        ("redact", "words", "Bob Diaz"),  # as long, and of the same kind
        ("duplicate", "target", ""),
        ("resend", "address", "new@clinic.example"),
    ],
)
def test_something_else_from_the_same_page_is_not_said_to_be_done(
    app: Flask, ask: Ask, signed_in: SignedIn, act: str, field: str, other: str
) -> None:
    chosen = ACTS.get(act)
    assert chosen is not None
    grace = signed_in("pharmacist")
    reference = ask(name="Ana Ruiz", question="Ana Ruiz and Bob Diaz are ill.")
    targets = [ask("resource"), ask("resource")]
    moved = {"status": MOVES[act][0].split()[0], "owner_id": grace.user_id}
    with app.app_context(), transaction():
        db.session.execute(update(Request).where(Request.reference == reference).values(**moved))
        if act == "resend":
            asked = db.session.scalars(select(Request).where(Request.reference == reference)).one()
            words = Message(request_id=asked.id, kind="answer", author_id=grace.user_id, author_name="Grace")
            words.text, words.form_token, words.written_at = "Go slowly.", "a", grace.clock()
            db.session.add(words)
    sent = whole(grace, chosen, 1, targets[0])

    first = send(grace, reference, chosen, sent)
    second = send(grace, reference, chosen, sent | {f"{act}-{field}": other or targets[1]})

    assert (first.status_code, second.status_code) == (303, 409)
    assert act != "answer" or other in second.text


@pytest.mark.parametrize("act", [CLOSE], ids=["close"], indirect=True)
def test_a_note_begun_between_two_presses_is_kept(
    app: Flask, act: Act, case: tuple[Colleague, str, dict[str, str]]
) -> None:
    grace, reference, sent = case
    send(grace, reference, act, sent)

    assert send(grace, reference, act, sent | {"note-text": TYPED}).status_code == 303

    grace.open(f"/staff/requests/{reference}").sees(TYPED)


@pytest.mark.parametrize("wrong", ["itself", "a circle", "a duplicate", "spam"])
def test_a_merge_that_cannot_be_is_a_conflict(
    app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored, wrong: str
) -> None:
    grace = signed_in("pharmacist")
    one, two, three = ask(), ask("resource"), ask("resource")
    target = {"itself": one, "a circle": two, "a duplicate": two, "spam": two}[wrong]
    values = {
        "a circle": {"status": "duplicate", "duplicate_of": stored(one).id},
        "a duplicate": {"status": "duplicate", "duplicate_of": stored(three).id},
        "spam": {"status": "spam"},
    }.get(wrong)
    if values:
        with app.app_context(), transaction():
            db.session.execute(update(Request).where(Request.reference == two).values(**values))
    page = grace.open(f"/staff/requests/{one}").fill("Reference of the other request", target)

    page.press("Join as a duplicate", status=409)

    assert (stored(one).status, stored(one).duplicate_of, stored(one).version) == ("new", None, 1)
