"""Calls, faxes, the post, waiting and joining: what each leaves behind, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask

from portal import audit, hours
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, asking, contact, jobs, joining, perform, undoing
from portal.desk import search as queue
from portal.desk.actors import ASKER
from portal.desk.filters import Filters
from portal.desk.models import Contact
from portal.errors import Conflict, Forbidden, Refused
from portal.intake.models import Message, Request, Status
from portal.jobs import Hand
from portal.mail.models import Delivery, State
from portal.organisation import Organisation, parse_hours
from portal.people.models import User
from tests.conftest import Clock
from tests.intake.samples import how_many, staff, submit, submit_resource, the_request

PACIFIC = ZoneInfo("America/Los_Angeles")


@pytest.fixture
def grace(app: Flask) -> User:
    return staff(app)


def act(app: Flask, which: acts.Act, reference: str, by: Any, **given: Any) -> Request:
    """One act on that request as it stands."""
    with app.app_context(), transaction():
        asked = perform.get(reference)
        perform.perform(which, asked, by=by, at=now(), version=given.pop("version", asked.version), **given)
    return the_request(app, reference)


def mails(app: Flask, message: str) -> list[tuple[str, str]]:
    with app.app_context():
        rows = db.session.scalars(db.select(Delivery).order_by(Delivery.id))
        return [(row.recipient, row.cause) for row in rows if row.body.message == message]


def logged(app: Flask) -> list[tuple[str, str, str]]:
    with app.app_context():
        return [
            (one.kind, one.outcome, one.number)
            for one in db.session.scalars(db.select(Contact).order_by(Contact.id))
        ]


def test_a_call_is_noted_and_a_call_that_answers_claims_and_answers(app: Flask, grace: User) -> None:
    reference, token = submit(app), {"form_token": "c-1"}
    first = act(app, contact.CALL, reference, grace, reason="no_answer", number="925-555-0142", **token)
    assert (first.status, first.owner_id) == (Status.NEW, None)

    for press in ("c-2", "c-2"):  # pressed twice: noted once
        words = {"reason": "reached", "number": "925-555-0142", "text": "Told them.", "form_token": press}
        answered = act(app, contact.CALL_ANSWERED, reference, grace, **words)

    assert (answered.status, answered.owner_id) == (Status.ANSWERED, grace.id)
    assert answered.answered_at is not None
    assert logged(app) == [("call", "no_answer", "925-555-0142"), ("call", "reached", "925-555-0142")]
    assert mails(app, "intake/answer") == []


def test_a_call_that_reached_nobody_answers_nothing_and_a_consultation_needs_a_pharmacist(
    app: Flask, grace: User
) -> None:
    reference, boss = submit(app), staff(app, "Mary Boss", "manager")

    with pytest.raises(Refused):
        act(app, contact.CALL_ANSWERED, reference, grace, reason="no_answer", form_token="x")
    with pytest.raises(Forbidden):
        act(app, contact.CALL_ANSWERED, reference, boss, reason="reached", form_token="y")

    assert the_request(app, reference).status == Status.NEW
    assert how_many(app, Contact) == 0


def test_what_is_somebody_elses_is_not_answered_by_phone(app: Flask, grace: User) -> None:
    reference, other = submit(app), staff(app, "Tom Oneill", "pharmacist")
    act(app, acts.CLAIM, reference, other)

    with pytest.raises(Forbidden, match="Claim this request"):
        act(app, contact.FAX_ANSWERED, reference, grace, text="Faxed.", form_token="f")


def test_materials_by_post_are_answered_by_posting_them(app: Flask) -> None:
    ada = staff(app, "Ada King", "desk")
    by_post = submit_resource(app, delivery="post", address="1 Main Street\nDanville, CA 94526")
    by_mail = submit_resource(app, token="other", delivery="email")

    posted = act(app, contact.POSTED, by_post, ada)
    with pytest.raises(Conflict):
        act(app, contact.POSTED, by_mail, ada)

    assert (posted.status, posted.owner_id) == (Status.ANSWERED, ada.id)
    assert logged(app) == [("post", "", "")]


def test_a_question_back_rests_the_promise_until_somebody_goes_on(
    app: Flask, clock: Any, grace: User
) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    clock.tick(hours=1)
    asked = act(app, contact.ASK, reference, grace, text="Which dose now?", form_token="k")
    assert (asked.status, len(mails(app, "desk/question"))) == (Status.WAITING, 1)
    clock.tick(hours=24 * 14)
    assert not the_request(app, reference).is_late(now())

    gone_on = act(app, contact.RESUME, reference, grace)

    with app.app_context():
        org = app.extensions["settings"].ORG
    left = hours.worked(asked.waiting_since or now(), asked.answer_by, org)
    assert (gone_on.status, gone_on.waiting_since) == (Status.IN_PROGRESS, None)
    assert left > timedelta(0)
    assert hours.worked(now(), gone_on.answer_by, org) == left


@pytest.mark.parametrize("ended", ["closed", "joined"])
def test_what_waited_when_it_ended_goes_on_with_what_was_left(
    app: Flask, clock: Any, grace: User, ended: str
) -> None:
    reference, other = submit(app), submit(app, "other")
    act(app, acts.CLAIM, reference, grace)
    before = act(app, contact.WAIT, reference, grace, reason="they_send")
    clock.tick(hours=24 * 14)

    if ended == "closed":
        act(app, acts.CLOSE, reference, grace, reason="no_reply")
        after = act(app, acts.REOPEN, reference, grace, reason="by_mistake")
    else:
        act(app, joining.DUPLICATE, reference, grace, target=other)
        after = act(app, joining.PART, reference, grace)

    with app.app_context():
        org = app.extensions["settings"].ORG
    assert not after.is_late(now())
    assert hours.worked(now(), after.answer_by, org) == hours.worked(
        before.waiting_since or now(), before.answer_by, org
    )
    assert after.waiting_since is None


def test_waiting_mends_no_broken_promise(app: Flask, clock: Any, grace: User) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    clock.tick(hours=24 * 9)
    before = act(app, contact.WAIT, reference, grace, reason="they_send")
    clock.tick(hours=24)

    assert act(app, contact.RESUME, reference, grace).answer_by == before.answer_by


def test_an_answer_goes_to_both_of_two_that_are_joined(app: Flask, grace: User) -> None:
    first = submit(app)
    second = submit(app, "second", email="other@clinic.example")
    act(app, joining.DUPLICATE, second, grace, target=first.lower())
    act(app, acts.CLAIM, first, grace)

    act(app, acts.ANSWER, first, grace, text="Go slowly.", form_token="a", close=False)

    assert {to for to, _cause in mails(app, "intake/answer")} == {
        the_request(app, first).email,
        "other@clinic.example",
    }
    assert {cause for _to, cause in mails(app, "intake/answer")} == {f"request:{first}"}
    parted = act(app, joining.PART, second, grace)
    assert (parted.status, parted.duplicate_of, parted.owner_id) == (Status.IN_PROGRESS, None, grace.id)


def test_no_request_is_joined_to_itself_in_a_circle_or_into_spam(app: Flask, grace: User) -> None:
    one, two, three = submit(app), submit(app, "two"), submit(app, "three")

    def join(what: str, to: str) -> None:
        act(app, joining.DUPLICATE, what, grace, target=to)

    with pytest.raises(Conflict, match="itself"):
        join(one, one)
    with pytest.raises(Refused, match="no request"):
        join(one, "LDN-BCDF-GHJK")
    join(one, two)
    with pytest.raises(Conflict, match="duplicate itself"):
        join(three, one)
    with pytest.raises(Conflict, match="joined to this one"):
        join(two, three)
    act(app, acts.SPAM, three, grace, reason="robot")
    fresh = submit(app, "four")
    with pytest.raises(Conflict, match="spam"):
        join(fresh, three)


def test_an_answer_that_was_refused_goes_to_another_address(app: Flask, grace: User) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, contact.WAIT, reference, grace, reason="they_send")
    with pytest.raises(Conflict, match="No answer"):
        act(app, contact.RESEND, reference, grace, address="new@clinic.example")
    act(app, contact.RESUME, reference, grace)
    act(app, acts.ANSWER, reference, grace, text="Go slowly.", form_token="a", close=False)
    with app.app_context(), transaction():
        db.session.execute(db.update(Delivery).values(state=State.DEAD))

    act(app, contact.RESEND, reference, grace, address="new@clinic.example")

    with app.app_context():
        rows = db.session.scalars(db.select(Delivery)).all()
        states = {row.recipient: row.state for row in rows if row.body.message == "intake/answer"}
    asked = the_request(app, reference)
    assert states == {asked.email: State.WITHDRAWN, "new@clinic.example": State.QUEUED}
    assert how_many(app, Message) == 1
    assert asked.reply_email == "new@clinic.example", "what follows goes there"
    with app.app_context():
        rows = queue.listing(Filters(q="new@clinic"), by=grace, at=now()).rows
        assert [row.request.reference for row in rows] == [reference]


def test_all_that_somebody_has_goes_to_a_colleague_or_back(app: Flask, grace: User) -> None:
    ada = staff(app, "Ada King", "desk")
    claimed, waits, closed = submit(app), submit(app, "two"), submit(app, "three")
    for reference in (claimed, waits, closed):
        act(app, acts.CLAIM, reference, grace)
    act(app, contact.WAIT, waits, grace, reason="they_call")
    act(app, acts.CLOSE, closed, grace, reason="withdrawn")

    def hand(by: User, to: User | None) -> int:
        with app.app_context(), transaction():
            people = [db.session.get(User, one.id) if one else None for one in (by, to)]
            return perform.hand_over(people[0], people[1], at=now())

    assert hand(grace, ada) == 2
    assert [the_request(app, one).owner_id for one in (claimed, waits, closed)] == [ada.id, ada.id, grace.id]
    assert hand(grace, ada) == 0
    with pytest.raises(Refused):
        hand(ada, ada)
    assert hand(ada, None) == 2
    assert [(the_request(app, one).status, the_request(app, one).owner_id) for one in (claimed, waits)] == [
        (Status.NEW, None),
        (Status.WAITING, None),
    ]
    with app.app_context():
        assert [e.action for e in audit.trail(f"request:{claimed}")].count("request.handed_over") == 2


def test_what_is_answered_closes_by_itself_after_five_business_days(
    app: Flask, clock: Any, grace: User
) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, acts.ANSWER, reference, grace, text="Go slowly.", form_token="a", close=False)

    for days, status in ((6, Status.ANSWERED), (3, Status.CLOSED)):
        clock.tick(hours=24 * days)
        with app.app_context():
            jobs.close_answered(Hand("worker", lambda _seconds: False))
        assert the_request(app, reference).status == status

    with app.app_context():
        last = audit.trail(f"request:{reference}")[-1]
        assert (last.action, last.actor_name, last.detail) == ("request.closed", "the portal", "answered")


@pytest.mark.parametrize(
    ("begin", "end", "worked"),
    [
        ((16, 10), (16, 12), 2),  # within a Friday
        ((16, 17), (19, 10), 2),  # over a weekend
        ((17, 9), (18, 20), 0),  # a weekend
        ((16, 3), (16, 22), 9),  # a whole day
        ((16, 12), (16, 10), 0),  # the wrong way round
    ],
)
def test_time_worked_and_the_moment_after_it(
    begin: tuple[int, int], end: tuple[int, int], worked: int
) -> None:
    org = Organisation(name="Test Pharmacy", hours=parse_hours("Mon-Fri 09:00-18:00"))
    first, last = (datetime(2026, 1, day, hour, tzinfo=PACIFIC) for day, hour in (begin, end))

    assert hours.worked(first, last, org) == timedelta(hours=worked)
    if worked:
        reached = hours.after(first, timedelta(hours=worked), org)
        assert hours.worked(first, reached, org) == timedelta(hours=worked)
        assert reached <= last.astimezone(reached.tzinfo)


def to_call(app: Flask, by: User) -> list[str]:
    """Who is to be called now; the count of the view is that of its rows."""
    with app.app_context():
        found = queue.listing(Filters(status="call"), by=by, at=now())
        assert found.counts.call == len(found.rows)
        return [row.request.reference for row in found.rows]


def again(app: Flask, reference: str, by: User, token: str, **ahead: float) -> Request:
    """They asked to be called again, so much later by the pharmacy's clock."""
    then = now().astimezone(PACIFIC) + timedelta(**ahead)
    moment = {"day": then.date(), "time": then.time().replace(second=0, microsecond=0)}
    return act(app, contact.CALL, reference, by, reason="call_again", form_token=token, **moment)


def test_who_asked_to_be_called_again_is_called_then_and_not_before(
    app: Flask, clock: Clock, grace: User
) -> None:
    reference = submit(app, contact_method="phone", phone="925-555-0142")
    assert to_call(app, grace) == [reference]

    moment = again(app, reference, grace, "c-1", hours=3).call_at

    assert moment is not None and moment == now() + timedelta(hours=3)
    assert to_call(app, grace) == []
    clock.tick(hours=4)
    assert to_call(app, grace) == [reference]
    act(app, contact.CALL, reference, grace, reason="no_answer", form_token="c-2")
    assert to_call(app, grace) == [reference], "nobody was reached"
    act(app, contact.CALL, reference, grace, reason="reached", form_token="c-3")
    assert the_request(app, reference).call_at is None


@pytest.mark.parametrize(
    ("days", "at", "field"),
    [
        (None, None, "day"),
        (None, time(9), "day"),
        (1, None, "time"),
        (-1, time(9), "day"),
        (0, time(9), "time"),  # it is ten
        (61, time(9), "day"),
        (52, time(2, 30), "time"),  # March 8, 2026: the clocks go from 2 to 3
    ],
)
def test_a_time_to_call_again_that_is_none_is_refused(
    app: Flask, grace: User, days: int | None, at: time | None, field: str
) -> None:
    reference = submit(app)
    day = None if days is None else now().astimezone(PACIFIC).date() + timedelta(days=days)

    with pytest.raises(Refused) as refused:
        act(app, contact.CALL, reference, grace, reason="call_again", day=day, time=at, form_token="c-1")

    assert refused.value.field == field
    assert the_request(app, reference).call_at is None and logged(app) == []


def test_what_is_answered_stays_open_for_the_call_that_was_agreed(
    app: Flask, clock: Clock, grace: User
) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, acts.ANSWER, reference, grace, text="Go slowly.", form_token="a", close=False)
    again(app, reference, grace, "c-1", days=20)
    clock.tick(days=15)

    with app.app_context():
        jobs.close_answered(Hand("worker", lambda _seconds: False))

    assert the_request(app, reference).status == Status.ANSWERED
    assert to_call(app, grace) == []
    clock.tick(days=6)
    assert to_call(app, grace) == [reference]
    assert act(app, acts.CLOSE, reference, grace, reason="answered").call_at is None
    assert to_call(app, grace) == []


def test_of_two_that_are_joined_the_sooner_call_is_kept(app: Flask, grace: User) -> None:
    kept, other = submit(app), submit(app, "another", email="other@clinic.example")
    later, sooner = again(app, kept, grace, "c-1", days=9), again(app, other, grace, "c-2", days=2)
    assert later.call_at is not None and sooner.call_at is not None

    act(app, joining.DUPLICATE, other, grace, target=kept, form_token="j")

    assert the_request(app, kept).call_at == sooner.call_at
    assert to_call(app, grace) == []


@pytest.mark.parametrize("own", [None, 1, 9], ids=["no call", "sooner", "later"])
def test_two_that_are_parted_have_their_own_calls_again(app: Flask, grace: User, own: int | None) -> None:
    kept, other = submit(app), submit(app, "another", email="other@clinic.example")
    third = submit(app, "third", email="third@clinic.example")
    mine = again(app, kept, grace, "c-1", days=own).call_at if own else None
    theirs, last = (
        again(app, other, grace, "c-2", days=2).call_at,
        again(app, third, grace, "c-3", days=5).call_at,
    )
    for one in (other, third):
        act(app, joining.DUPLICATE, one, grace, target=kept)

    assert act(app, joining.PART, other, grace).call_at == theirs

    assert the_request(app, kept).call_at == min(moment for moment in (mine, last) if moment)
    act(app, joining.PART, third, grace)
    assert (the_request(app, kept).call_at, the_request(app, third).call_at) == (mine, last)


@pytest.mark.parametrize("call", ["reached", "another time", "closed"])
def test_what_was_called_about_both_is_owed_to_neither(app: Flask, grace: User, call: str) -> None:
    kept, other = submit(app), submit(app, "another", email="other@clinic.example")
    again(app, other, grace, "c-1", days=2)
    act(app, joining.DUPLICATE, other, grace, target=kept)
    act(app, acts.CLAIM, kept, grace)
    agreed = None
    if call == "reached":
        act(app, contact.CALL, kept, grace, reason="reached", form_token="c-2")
    elif call == "closed":
        act(app, acts.CLOSE, kept, grace, reason="withdrawn")
    else:
        agreed = again(app, kept, grace, "c-2", days=7).call_at

    assert act(app, joining.PART, other, grace).call_at is None

    assert the_request(app, kept).call_at == agreed


def test_what_they_wrote_is_work_however_it_is_joined_and_parted(app: Flask, grace: User) -> None:
    kept, other = submit(app), submit(app, "another", email="other@clinic.example")
    act(app, asking.ADD, other, ASKER, text="One thing more.", form_token="m")

    act(app, joining.DUPLICATE, other, grace, target=kept)

    assert the_request(app, kept).heard_at == now()
    assert act(app, joining.PART, other, grace).heard_at == now()
    act(app, joining.DUPLICATE, other, grace, target=kept)
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.ANSWER, kept, grace, text="Go slowly.", form_token="a", close=False)
    assert act(app, joining.PART, other, grace).heard_at is None


def test_a_call_after_the_answer_that_reached_nobody_stays_owed(
    app: Flask, clock: Clock, grace: User
) -> None:
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    act(app, acts.ANSWER, reference, grace, text="Go slowly.", form_token="a", close=False)
    again(app, reference, grace, "c-1", days=2)
    clock.tick(days=3)

    act(app, contact.CALL, reference, grace, reason="no_answer", form_token="c-2")

    assert to_call(app, grace) == [reference]
    act(app, contact.CALL, reference, grace, reason="reached", form_token="c-3")
    assert to_call(app, grace) == []


def test_undo_keeps_the_call_that_came_with_a_joined_request(
    app: Flask, grace: User, change_settings: Callable[..., None]
) -> None:
    change_settings(UNDO_SECONDS=30)
    kept, other = submit(app), submit(app, "another", email="other@clinic.example")
    moment = again(app, other, grace, "c-1", days=2).call_at
    act(app, joining.DUPLICATE, other, grace, target=kept, form_token="j")
    act(app, acts.CLAIM, kept, grace)
    act(app, acts.ANSWER, kept, grace, text="Go slowly.", form_token="a", close=False)

    act(app, undoing.UNDO, kept, grace)

    assert moment is not None and the_request(app, kept).call_at == moment


def test_undo_brings_no_call_back_that_ended_when_the_request_was_closed(
    app: Flask, clock: Clock, grace: User, change_settings: Callable[..., None]
) -> None:
    change_settings(UNDO_SECONDS=30)
    reference = submit(app)
    act(app, acts.CLAIM, reference, grace)
    again(app, reference, grace, "c-1", days=2)
    act(app, acts.ANSWER, reference, grace, text="Go slowly.", form_token="a", close=True)
    clock.tick(days=10)
    act(app, acts.REOPEN, reference, grace, reason="follow_up")
    act(app, acts.ANSWER, reference, grace, text="Slower still.", form_token="b", close=False)

    act(app, undoing.UNDO, reference, grace)

    assert the_request(app, reference).call_at is None
