"""Taking words back: the request stands then as it did before them, whatever they changed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, asking, contact, drafts, joining, perform, planning, undoing
from portal.desk.actors import ASKER
from portal.desk.acts import Act
from portal.desk.table import ROOM_ACTS
from portal.errors import Conflict
from portal.intake.models import Message, Request, Status
from portal.mail.models import Delivery
from portal.people.models import User
from tests.conftest import START, Clock
from tests.desk.test_acts import MOVES
from tests.desk.test_contact import act, again
from tests.intake.samples import how_many, staff, submit

Step = tuple[Act, dict[str, Any]]
MORE = {"text": "One thing more.", "form_token": "more"}
EARLIER = {"text": "Go slowly.", "form_token": "earlier", "close": False}
SPOKE = {"reason": "reached", "number": "", "text": "", "form_token": "spoke"}

# How a request comes into each state from which words may be sent, by whoever does it.
STARTS: dict[str, list[Step]] = {
    "in progress": [],
    "in progress, they wrote more": [(asking.ADD, MORE)],
    "in progress, snoozed": [(planning.SNOOZE, {"until": START.date() + timedelta(days=3)})],
    "in progress after a reply": [(contact.WAIT, {"reason": "they_send"}), (asking.REPLY, MORE)],
    "in progress, asked again": [(acts.ANSWER, EARLIER), (asking.ASK_AGAIN, MORE)],
    "in progress, asked again after a call": [(contact.CALL_ANSWERED, SPOKE), (asking.ASK_AGAIN, MORE)],
    "in progress, reopened": [
        (acts.ANSWER, EARLIER | {"close": True}),
        (acts.REOPEN, {"reason": "new_facts"}),
    ],
    "answered": [(acts.ANSWER, EARLIER)],
    "answered by phone, after they wrote more": [(asking.ADD, MORE), (contact.CALL_ANSWERED, SPOKE)],
    "answered by fax": [(contact.FAX_ANSWERED, {"text": "Faxed it.", "number": "", "form_token": "fax"})],
}
WORDS = {"text": "Slower still.", "form_token": "words"}
# What sends words that can be taken back, each as it is done at the desk.
SENDS: dict[str, list[Step]] = {
    "answer": [(acts.ANSWER, WORDS | {"close": False})],
    "answer and close": [(acts.ANSWER, WORDS | {"close": True})],
    "answer, then close": [
        (acts.ANSWER, WORDS | {"close": False}),
        (acts.CLOSE, {"reason": "answered"}),
    ],
    "ask": [(contact.ASK, WORDS)],
}


@pytest.fixture
def grace(app: Flask) -> User:
    """A pharmacist."""
    return staff(app)


@pytest.fixture(autouse=True)
def _undo(change_settings: Callable[..., None]) -> None:
    change_settings(UNDO_SECONDS=30)


def row(app: Flask, reference: str) -> dict[str, Any]:
    """All columns but the count of its changes."""
    with app.app_context():
        table = Request.__table__
        found = db.session.execute(select(table).where(table.c.reference == reference)).one()
        return {name: value for name, value in found._mapping.items() if name != "version"}


def do(app: Flask, reference: str, by: User, steps: list[Step], clock: Clock) -> None:
    for which, given in steps:
        act(app, which, reference, ASKER if which in asking.ASKING_ACTS else by, **given)
        clock.tick(seconds=5)


CALLS = [
    (False, "none"),
    (False, "its own"),
    *((True, call) for call in ("none", "its own", "the other's", "both")),
]


@pytest.mark.parametrize(("joined", "call"), CALLS)
@pytest.mark.parametrize(
    ("sends", "start"),
    [
        (sends, start)
        for sends in SENDS
        for start in STARTS
        if sends != "ask" or start.startswith("in progress")
    ],
)
def test_undo_brings_back_all_that_the_words_changed_and_no_more(
    app: Flask, clock: Clock, grace: User, sends: str, start: str, joined: bool, call: str
) -> None:
    reference, other = submit(app), submit(app, "other", email="other@clinic.example")
    act(app, acts.CLAIM, reference, grace)
    do(app, reference, grace, STARTS[start], clock)
    if call in ("the other's", "both"):
        again(app, other, grace, "c-other", days=2)
    if call in ("its own", "both"):
        again(app, reference, grace, "c-own", days=3)
    if joined:
        act(app, joining.DUPLICATE, other, grace, target=reference)
    clock.tick(minutes=5)
    before, theirs = row(app, reference), row(app, other)
    count = [how_many(app, model) for model in (Message, Delivery)]

    do(app, reference, grace, SENDS[sends], clock)
    assert row(app, reference) != before
    act(app, undoing.UNDO, reference, grace)

    assert row(app, reference) == before
    assert row(app, other) == theirs
    assert [how_many(app, model) for model in (Message, Delivery)] == count
    with app.app_context():
        assert drafts.of(perform.get(reference), grace.id)["answer"].text == WORDS["text"]


def test_these_are_all_acts_that_are_undone_from_all_states_there_are() -> None:
    tried = {which.word for steps in SENDS.values() for which, _given in steps}

    assert tried == {which.word for which in ROOM_ACTS if which.is_undone}
    for sender in tried - {"close"}:
        assert {start.replace("_", " ") for start in MOVES[sender][0].split()} <= set(STARTS)


def test_what_somebody_else_did_meanwhile_stays(app: Flask, clock: Clock, grace: User) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, contact.ASK, reference, grace, **WORDS)
    moment = again(app, reference, grace, "c-1", days=2).call_at
    act(app, asking.WITHDRAW, reference, ASKER, reason="withdrawn")

    undone = act(app, undoing.UNDO, reference, grace)

    assert moment is not None
    assert (undone.status, undone.closed_at, undone.waiting_since) == (Status.CLOSED, now(), None)


def test_what_was_begun_after_the_words_is_not_lost(app: Flask, grace: User) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, acts.ANSWER, reference, grace, **WORDS)
    with app.app_context(), transaction():
        drafts.keep(perform.get(reference), grace.id, {"answer": "And one more"}, at=now())

    act(app, undoing.UNDO, reference, grace)

    with app.app_context():
        kept = drafts.of(perform.get(reference), grace.id)["answer"].text
    assert kept == f"{WORDS['text']}\n\nAnd one more"


def test_after_half_a_minute_it_is_too_late(app: Flask, clock: Clock, grace: User) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, acts.ANSWER, reference, grace, **WORDS)
    clock.tick(seconds=30)

    with pytest.raises(Conflict):
        act(app, undoing.UNDO, reference, grace)
