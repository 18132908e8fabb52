"""Two requests that are one: what may be joined, what both are told, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, asking, contact, joining, letters, perform
from portal.desk.actors import ASKER
from portal.errors import Conflict, PortalError, Refused
from portal.intake.models import Request, Status
from portal.mail.models import Body, Delivery, State
from portal.people.models import User
from tests.conftest import Clock
from tests.desk.test_acts import do
from tests.desk.test_contact import act, mails
from tests.intake.samples import staff, submit, the_request


@pytest.fixture
def grace(app: Flask) -> User:
    """A pharmacist."""
    return staff(app)


@pytest.fixture
def three(app: Flask) -> list[str]:
    """Three requests, each from another address."""
    return [submit(app, f"token-{name}", email=f"{name}@clinic.example") for name in "abc"]


def join(app: Flask, one: str, to: str, by: User) -> None:
    with app.app_context(), transaction():
        request = perform.get(one)
        do(joining.DUPLICATE, request, by, request.version, target=to)


def state(app: Flask, *references: str) -> list[Status]:
    return [the_request(app, reference).status for reference in references]


def told(app: Flask) -> list[str]:
    with app.app_context():
        mails = (
            select(Delivery.recipient).join(Body).where(Body.message == "intake/answer").order_by(Delivery.id)
        )
        return list(db.session.scalars(mails))


def put(app: Flask, reference: str, **values: object) -> None:
    with app.app_context(), transaction():
        db.session.execute(update(Request).where(Request.reference == reference).values(**values))


def test_a_question_that_was_answered_by_phone_goes_to_nobody_as_our_answer(
    app: Flask, grace: User, three: list[str], clock: Clock
) -> None:
    kept, other, _third = three
    act(app, acts.CLAIM, kept, grace)
    act(app, contact.ASK, kept, grace, text="Which dose?", form_token="asked")
    clock.tick(minutes=5)
    act(app, contact.RESUME, kept, grace)
    spoke = {"reason": "reached", "number": "", "text": "", "form_token": "spoke"}
    act(app, contact.CALL_ANSWERED, kept, grace, **spoke)
    clock.tick(minutes=5)

    join(app, other, kept, grace)
    act(app, contact.RESEND, kept, grace, address="a@clinic.example", whose=kept)

    assert told(app) == []
    assert [to for to, _cause in mails(app, "desk/question")] == ["a@clinic.example"] * 2


def to_itself(app: Flask, three: list[str], by: User) -> None:
    join(app, three[0], three[0].lower(), by)


def in_a_circle(app: Flask, three: list[str], by: User) -> None:
    join(app, three[0], three[1], by)
    join(app, three[1], three[0], by)


def in_a_wide_circle(app: Flask, three: list[str], by: User) -> None:
    join(app, three[0], three[1], by)
    join(app, three[1], three[2], by)


def into_a_duplicate(app: Flask, three: list[str], by: User) -> None:
    join(app, three[0], three[1], by)
    join(app, three[2], three[0], by)


def into_spam(app: Flask, three: list[str], by: User) -> None:
    put(app, three[1], status=Status.SPAM)
    join(app, three[0], three[1], by)


@pytest.mark.parametrize("wrong", [to_itself, in_a_circle, in_a_wide_circle, into_a_duplicate, into_spam])
def test_what_cannot_be_joined_is_a_conflict(
    app: Flask, grace: User, three: list[str], wrong: Callable[[Flask, list[str], User], None]
) -> None:
    with pytest.raises(Conflict):
        wrong(app, three, grace)

    with app.app_context():
        joined = db.session.scalars(select(Request.duplicate_of).where(Request.duplicate_of.is_not(None)))
        assert len(list(joined)) <= 1, "the one that came before"


def test_of_two_joins_crosswise_one_wins(app: Flask, grace: User, three: list[str]) -> None:
    ready, failed = Barrier(2), []

    def run(one: str, to: str) -> None:
        ready.wait()
        try:
            join(app, one, to, grace)
        except PortalError as error:
            failed.append(error)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(run, three[:2], reversed(three[:2])))

    assert sorted(state(app, *three[:2])) == ["duplicate", "new"]
    assert [type(error) for error in failed] == [Conflict]


def test_what_others_are_joined_to_is_no_spam(app: Flask, grace: User, three: list[str]) -> None:
    join(app, three[0], three[1], grace)

    with pytest.raises(Conflict, match="joined to this one"), app.app_context(), transaction():
        request = perform.get(three[1])
        do(acts.SPAM, request, grace, request.version, reason="robot")

    assert state(app, *three[:2]) == [Status.DUPLICATE, Status.NEW]


@pytest.mark.parametrize("joined_first", [True, False])
def test_both_are_answered_whenever_they_were_joined(
    app: Flask, grace: User, three: list[str], joined_first: bool
) -> None:
    def answer() -> None:
        with app.app_context(), transaction():
            request = perform.get(three[1])
            do(acts.CLAIM, request, grace)
            given = {"text": "Yes.", "form_token": "a", "close": False}
            do(acts.ANSWER, request, grace, request.version, **given)

    for step in (lambda: join(app, three[0], three[1], grace), answer)[:: 1 if joined_first else -1]:
        step()

    assert sorted(told(app)) == ["a@clinic.example", "b@clinic.example"]
    with app.app_context():
        assert perform.get(three[0]).duplicate_of == perform.get(three[1]).id


def test_who_has_the_answer_gets_it_once(app: Flask, grace: User) -> None:
    first, second = submit(app, "token-1"), submit(app, "token-2")
    with app.app_context(), transaction():
        request = perform.get(first)
        do(acts.CLAIM, request, grace)
        do(acts.ANSWER, request, grace, request.version, text="Yes.", form_token="a", close=False)

    join(app, second, first, grace)

    assert len(told(app)) == 1


@pytest.mark.parametrize("letter", ["intake/answer", "desk/question"])
def test_what_waits_to_be_undone_or_answered_reaches_who_is_joined_then(
    app: Flask, grace: User, three: list[str], change_settings: Callable[..., None], letter: str
) -> None:
    """Not before it can be taken back no more, and a question as a question."""
    change_settings(UNDO_SECONDS=30)
    with app.app_context(), transaction():
        request = perform.get(three[1])
        do(acts.CLAIM, request, grace)
        sends = acts.ANSWER if letter == "intake/answer" else contact.ASK
        do(sends, request, grace, request.version, text="Yes.", form_token="a")

    join(app, three[0], three[1], grace)

    with app.app_context():
        mails = select(Delivery).join(Body).where(Body.message == letter).order_by(Delivery.id)
        assert [(mail.recipient, mail.due_at) for mail in db.session.scalars(mails)] == [
            (f"{name}@clinic.example", now() + timedelta(seconds=30)) for name in "ba"
        ]


def test_the_sooner_promise_is_kept_for_both(app: Flask, grace: User, three: list[str]) -> None:
    with app.app_context(), transaction():
        soon = perform.get(three[0]).answer_by - timedelta(hours=1)
        perform.get(three[0]).answer_by = soon
    join(app, three[0], three[1], grace)

    with app.app_context():
        assert perform.get(three[1]).answer_by == soon


def test_parted_each_has_its_own_promise_again(
    app: Flask, grace: User, three: list[str], clock: Clock
) -> None:
    kept, soon, sooner = three
    theirs = the_request(app, kept).answer_by
    put(app, soon, answer_by=theirs - timedelta(hours=2))
    put(app, sooner, answer_by=theirs - timedelta(hours=3))
    join(app, soon, kept, grace)
    join(app, sooner, kept, grace)

    act(app, joining.PART, sooner, grace)
    assert the_request(app, kept).answer_by == theirs - timedelta(hours=2)

    act(app, joining.PART, soon, grace)
    assert the_request(app, kept).answer_by == theirs
    assert the_request(app, soon).answer_by == theirs - timedelta(hours=2)


def test_a_promise_that_rested_meanwhile_is_given_back_as_long_as_it_was(
    app: Flask, grace: User, three: list[str], clock: Clock
) -> None:
    kept, soon, _third = three
    theirs = the_request(app, kept).answer_by
    put(app, soon, answer_by=theirs - timedelta(hours=1))
    join(app, soon, kept, grace)
    act(app, acts.CLAIM, kept, grace)
    act(app, contact.WAIT, kept, grace, reason="they_send")
    clock.tick(minutes=30)
    rested = act(app, contact.RESUME, kept, grace).answer_by

    act(app, joining.PART, soon, grace)

    assert rested > theirs - timedelta(hours=1)
    assert the_request(app, kept).answer_by - rested == timedelta(hours=1)


def test_a_new_promise_is_not_changed_by_parting(app: Flask, grace: User, three: list[str]) -> None:
    kept, soon, _third = three
    put(app, soon, answer_by=the_request(app, kept).answer_by - timedelta(hours=1))
    join(app, soon, kept, grace)
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.ANSWER, kept, grace, text="Yes.", form_token="a", close=False)
    anew = act(app, acts.REOPEN, kept, grace, reason="by_mistake").answer_by

    act(app, joining.PART, soon, grace)

    assert the_request(app, kept).answer_by == anew


@pytest.mark.parametrize("later", ["they write", "another is joined"])
def test_what_was_answered_is_work_no_more_when_it_is_parted(
    app: Flask, grace: User, three: list[str], clock: Clock, later: str
) -> None:
    kept, other, third = three
    act(app, asking.ADD, other, ASKER, text="One thing more.", form_token="m-1")
    join(app, other, kept, grace)
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.ANSWER, kept, grace, text="Yes.", form_token="a", close=False)
    clock.tick(hours=1)
    if later == "they write":
        act(app, asking.ASK_AGAIN, kept, ASKER, text="And now?", form_token="m-2")
    else:
        act(app, asking.ADD, third, ASKER, text="And I?", form_token="m-2")
        join(app, third, kept, grace)

    assert act(app, joining.PART, other, grace).heard_at is None
    assert the_request(app, kept).heard_at == now()


def test_a_call_that_was_agreed_before_it_was_closed_is_owed_to_nobody(
    app: Flask, grace: User, three: list[str], clock: Clock
) -> None:
    kept, other, third = three
    put(app, other, call_at=now() + timedelta(days=1))
    put(app, third, call_at=now() + timedelta(days=2))
    join(app, other, kept, grace)
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.CLOSE, kept, grace, reason="no_reply")
    act(app, acts.REOPEN, kept, grace, reason="by_mistake")
    join(app, third, kept, grace)

    assert act(app, joining.PART, other, grace).call_at is None
    assert the_request(app, kept).call_at == the_request(app, third).call_at


def test_sent_again_it_goes_where_it_was_meant_and_changes_nobody_elses_address(
    app: Flask, grace: User, three: list[str]
) -> None:
    kept, other, _third = three
    join(app, other, kept, grace)
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.ANSWER, kept, grace, text="Yes.", form_token="a", close=False)
    with app.app_context(), transaction():
        db.session.execute(update(Delivery).values(state=State.DEAD))

    with pytest.raises(Refused):
        act(app, contact.RESEND, kept, grace, address="new@clinic.example")
    with pytest.raises(Refused):
        act(app, contact.RESEND, kept, grace, address="new@clinic.example", whose=three[2])
    act(app, contact.RESEND, kept, grace, address="new@clinic.example", whose=other)

    assert [the_request(app, one).reply_email for one in (kept, other)] == [
        "a@clinic.example",
        "new@clinic.example",
    ]
    assert told(app)[-1] == "new@clinic.example"
    with app.app_context():
        dead = select(Delivery.recipient).join(Body).where(Delivery.state == State.DEAD)
        left = list(db.session.scalars(dead.where(Body.message == "intake/answer")))
    assert left == ["a@clinic.example"], "the other one's is work still"


@pytest.mark.parametrize("by", ["call", "fax"])
def test_who_was_answered_by_voice_or_fax_was_told_alone(
    app: Flask, grace: User, three: list[str], clock: Clock, by: str
) -> None:
    kept, other, _third = three
    join(app, other, kept, grace)
    given = {"text": "Told them.", "number": "", "form_token": "c"}
    if by == "call":
        act(app, contact.CALL_ANSWERED, kept, grace, reason="reached", **given)
    else:
        act(app, contact.FAX_ANSWERED, kept, grace, **given)
    with app.app_context():
        for page in (kept, other):
            assert [one.reference for one in letters.untold(perform.get(page))] == [other]
    clock.tick(minutes=1)

    act(app, acts.ANSWER, kept, grace, text="Yes.", form_token="a", close=False)

    with app.app_context():
        for page in (kept, other):
            assert letters.untold(perform.get(page)) == []
    assert sorted(told(app)) == ["a@clinic.example", "b@clinic.example"]
