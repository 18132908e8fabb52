"""Who is told by mail of work that was given to them, came back or cannot wait: whoever has it, as they wish."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.clock import now
from portal.db import db, transaction
from portal.desk import asking, away, digest, jobs, perform, planning, telling
from portal.desk.actors import ASKER
from portal.desk.acts import ANSWER, CLAIM
from portal.intake.models import Request
from portal.mail import lanes
from portal.mail.models import Body, Delivery, State
from portal.people import accounts, wishes
from portal.people.models import User, When
from tests.conftest import Clock
from tests.intake.samples import staff, submit

TWO_HOURS_BEFORE = datetime(
    2026, 1, 16, 1, 1, tzinfo=UTC
)  # the promise ends on Friday at 10, an hour after opening


def told(what: str) -> list[str]:
    """Who was promised a notice with this word, in order."""
    db.session.rollback()
    query = select(Delivery.recipient, Body.message, Body.facts).join(Body, Body.id == Delivery.body_id)
    letters = {"desk/heard": "", "desk/handed_back": "back", "desk/refused": "refused"}
    found = query.where(Body.message.in_(letters)).order_by(Delivery.id)
    return [
        to
        for to, letter, facts in db.session.execute(found)
        if facts.get("what", "given" if facts.get("is_given") else letters[letter]) == what
    ]


def wish(user: User, when: When, quiet: tuple[int | None, int | None] = (None, None), **other: When) -> None:
    kinds = dict.fromkeys(wishes.KINDS, when.value) | {kind: each.value for kind, each in other.items()}
    with transaction():
        wishes.save(accounts.get(user.id), kinds=kinds, quiet_from=quiet[0], quiet_to=quiet[1], at=now())


def do(act: Any, by: Any, **given: Any) -> Request:
    with transaction():
        request = db.session.scalars(select(Request).order_by(Request.id.desc())).first()
        assert request is not None
        return perform.perform(act, request, by=by, at=now(), version=request.version, **given)


def write_more(by_token: str = "more-1") -> None:
    do(asking.ADD, ASKER, text="And at night?", form_token=by_token)


@pytest.fixture
def desk(app: Flask) -> tuple[User, User, User]:
    """A pharmacist who has a question, another, and the desk."""
    ada, ben, dee = staff(app, "Ada"), staff(app, "Ben"), staff(app, "Dee", "desk")
    submit(app)
    return ada, ben, dee


def test_what_they_write_goes_to_who_has_it_alone(app: Flask, desk: tuple[User, User, User]) -> None:
    ada, *_ = desk
    with app.app_context():
        do(CLAIM, ada)
        write_more()
        assert told("added") == [ada.email]


def test_of_nobodys_and_of_who_is_away_those_hear_who_may_answer(
    app: Flask, desk: tuple[User, User, User]
) -> None:
    ada, ben, _dee = desk
    with app.app_context():
        write_more()
        assert told("added") == [ada.email, ben.email]  # and not the desk, who answers no question
        do(CLAIM, ada)
        with transaction():
            away.leave(accounts.get(ada.id), (now() + timedelta(days=3)).date(), by=ada, at=now())
        write_more("more-2")
        assert told("added")[2:] == [ben.email]  # who is away is told nothing
        with transaction():
            away.leave(accounts.get(ben.id), now().date(), by=ben, at=now())
        write_more("more-3")
        assert told("added")[3:] == [ada.email, ben.email], "unless nobody else would be"


def test_it_is_told_as_they_wish(app: Flask, desk: tuple[User, User, User]) -> None:
    ada, ben, _dee = desk
    with app.app_context():
        wish(ada, When.NEVER)
        wish(ben, When.NOW, (0, 23))
        write_more()
        assert told("added") == [ben.email]
        due = db.session.scalars(
            select(Delivery.due_at).where(Delivery.recipient == ben.email).order_by(Delivery.id)
        )
        assert due.all()[-1] > now() + timedelta(hours=1)


@pytest.mark.parametrize("kind", ["heard", "due", "refused", "given", "handed_back"])
def test_each_kind_has_a_wish_of_its_own(
    kind: str, app: Flask, desk: tuple[User, User, User], clock: Clock
) -> None:
    """Of all that happens to one request, only what they wish is told."""
    ada, ben, _dee = desk
    with app.app_context():
        wish(ben, When.NEVER, **{kind: When.NOW})
        wish(ada, When.NEVER)
        do(planning.ASSIGN, ada, to=str(ben.id))
        write_more()
        clock.set(TWO_HOURS_BEFORE)
        jobs.tell_more_time(None)  # type: ignore[arg-type]
        refuse("intake/received")
        clock.tick(minutes=1)
        jobs.tell_refused(None)  # type: ignore[arg-type]
        with transaction():
            accounts.disable(
                accounts.get(ada.id), by=None, at=now()
            )  # who has nothing, so nothing comes back
        do(planning.ASSIGN, ben, to=str(_dee.id))
        with transaction():
            accounts.disable(accounts.get(_dee.id), by=None, at=now())
        words = {
            "heard": "added",
            "due": "due",
            "refused": "refused",
            "given": "given",
            "handed_back": "back",
        }
        found = {each: told(word) for each, word in words.items()}
        assert found["given"] == ([ben.email] if kind == "given" else []) + [_dee.email]
        del found["given"]
        assert found == {each: [ben.email] if each == kind else [] for each in found}


def test_what_nobody_had_is_withdrawn_without_a_mail(app: Flask, desk: tuple[User, User, User]) -> None:
    with app.app_context():
        do(asking.WITHDRAW, ASKER, reason="withdrawn")
        assert told("withdrawn") == []


def test_two_hours_before_it_is_late_whoever_has_it_is_told_once(
    app: Flask, desk: tuple[User, User, User], clock: Clock
) -> None:
    ada, *_ = desk
    with app.app_context():
        do(CLAIM, ada)
        clock.set(TWO_HOURS_BEFORE)
        for _ in range(2):
            jobs.tell_more_time(None)  # type: ignore[arg-type]
        assert told("due") == [ada.email]


def refuse(message: str) -> None:
    """Let the server refuse what was promised by this letter."""
    letter = select(Body.id).where(Body.message == message)
    with transaction():
        dead = update(Delivery).where(Delivery.body_id.in_(letter))
        db.session.execute(dead.values(state=State.DEAD, over_at=now(), last_error="550 no such user"))


def test_a_refused_mail_is_told_once_to_who_has_the_request(
    app: Flask, desk: tuple[User, User, User], clock: Clock
) -> None:
    ada, *_ = desk
    with app.app_context():
        do(CLAIM, ada)
        do(ANSWER, ada, text="Yes.", form_token="answer-1")
        refuse("intake/answer")
        clock.tick(minutes=1)
        for _ in range(3):
            jobs.tell_refused(None)  # type: ignore[arg-type]
            clock.tick(minutes=5)
        assert told("refused") == [ada.email]
        clock.tick(days=1)
        refuse("intake/answer")  # sent once more, and refused again
        jobs.tell_refused(None)  # type: ignore[arg-type]
        assert told("refused") == [ada.email] * 2


def test_a_refused_mail_is_told_though_something_else_was_meanwhile(
    app: Flask, desk: tuple[User, User, User], clock: Clock
) -> None:
    ada, *_ = desk
    with app.app_context():
        do(CLAIM, ada)
        do(ANSWER, ada, text="Yes.", form_token="answer-1")
        refuse("intake/answer")
        clock.tick(minutes=1)
        do(asking.ASK_AGAIN, ASKER, text="And at night?", form_token="again-1")
        jobs.tell_refused(None)  # type: ignore[arg-type]
        assert (told("again"), told("refused")) == ([ada.email], [ada.email])


def test_refused_mails_of_who_wishes_no_notice_hold_up_nobodys(
    app: Flask, desk: tuple[User, User, User], clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    ada, ben, _dee = desk
    monkeypatch.setattr(telling, "BATCH", 2)
    for number in range(4):
        submit(app, f"form-{number}")
    with app.app_context():
        found = db.session.scalars(select(Request.id).order_by(Request.id)).all()
        owners = dict.fromkeys(found[:4], ada.id) | {found[4]: ben.id}
        with transaction():
            for number, owner in owners.items():
                db.session.get_one(Request, number).owner_id = owner
        wish(ada, When.NEVER)
        refuse("intake/received")
        for _ in range(2):
            clock.tick(minutes=5)
            jobs.tell_refused(None)  # type: ignore[arg-type]
        assert told("refused") == [ben.email]


def test_a_notice_to_staff_that_was_refused_is_nobodys_mail(
    app: Flask, desk: tuple[User, User, User]
) -> None:
    """Under "Mail refused" stands what goes to whoever asked alone, and no notice follows a notice."""
    with app.app_context():
        refuse("intake/notice")
        jobs.tell_refused(None)  # type: ignore[arg-type]
        assert told("refused") == []
        assert lanes.count_refused("request", 10) == 0


def test_who_is_given_work_is_told(app: Flask, desk: tuple[User, User, User]) -> None:
    ada, ben, dee = desk
    with app.app_context():
        do(planning.ASSIGN, ada, to=str(ada.id))
        assert told("given") == []
        do(planning.ASSIGN, ada, to=str(ben.id))
        assert told("given") == [ben.email]
    submit(app, "two")
    with app.app_context():
        do(planning.ASSIGN, ada, to=str(ben.id), is_one_of_many=True)
        with transaction():
            assert perform.hand_over(ben, dee, at=now()) == 2
        assert told("given") == [ben.email, dee.email]
        with transaction():
            perform.hand_over(dee, None, at=now())
        assert told("given") == [ben.email, dee.email]
        assert not list(db.session.scalars(select(Request.id).where(Request.owner_id.is_not(None))))


def test_who_wishes_it_in_the_morning_is_told_numbers_then(
    app: Flask, desk: tuple[User, User, User], clock: Clock
) -> None:
    ada, *_ = desk
    with app.app_context():
        wish(ada, When.MORNING)
        do(CLAIM, ada)
        do(ANSWER, ada, text="Yes.", form_token="answer-1")
        refuse("intake/answer")
        clock.tick(minutes=1)
        do(asking.ASK_AGAIN, ASKER, text="And at night?", form_token="again-1")
    submit(app, "two")
    with app.app_context():
        do(planning.ASSIGN, desk[1], to=str(ada.id))
        clock.set(TWO_HOURS_BEFORE + timedelta(hours=16))  # we are open
        digest.tell_all()

        assert told("again") == []
        found = select(Body.facts).where(Body.message == "desk/morning")
        [facts] = db.session.scalars(found)
        assert (facts["heard"], facts["refused"], facts["mine"]) == (1, 1, 2)
        assert (facts["given"], facts["due"]) == (1, 2)
