"""The mail that says we need more time goes before the promise is missed, once, and staff see that it went."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.message import EmailMessage

import pytest
from flask import Flask
from sqlalchemy import select

from portal import audit
from portal.db import db, transaction
from portal.desk import acts, jobs, joining, more_time, perform
from portal.intake.models import Status
from portal.jobs import Hand
from portal.mail.models import Body, Delivery
from portal.organisation import OpeningHours
from portal.staff.lines import flags
from tests.conftest import Clock
from tests.desk.test_acts import put
from tests.intake.samples import staff, submit, the_request

Outbox = Callable[[], list[EmailMessage]]


def sent(outbox: Outbox) -> list[EmailMessage]:
    return [mail for mail in outbox() if "more time" in str(mail["Subject"])]


def test_it_goes_two_working_hours_before_and_once(app: Flask, clock: Clock, outbox: Outbox) -> None:
    staff(app)
    reference = submit(app)
    promise = the_request(app).answer_by  # Friday, 10 am: one working hour after opening
    clock.set(datetime(2026, 1, 16, 0, 59, tzinfo=UTC))  # Thursday, 4:59 pm
    assert sent(outbox) == []

    clock.tick(minutes=2)
    mail = sent(outbox)[0]

    assert mail["To"] == "ana@clinic.example"
    assert reference in str(mail["Subject"])
    body = mail.get_body(("plain",))
    assert body is not None
    assert "Is 3 mg the next step" not in body.get_content()
    assert the_request(app).more_time_at == clock() < promise
    assert "Told: more time" in flags(the_request(app))
    with app.app_context():
        entry = audit.trail(f"request:{reference}")[-1]
        assert (entry.action, entry.actor_name) == ("request.more_time", "the portal")
    clock.tick(minutes=30)
    assert len(sent(outbox)) == 1


@pytest.mark.parametrize(
    "status", [Status.WAITING, Status.ANSWERED, Status.CLOSED, Status.SPAM, Status.DUPLICATE]
)
def test_who_waits_for_nothing_gets_none(app: Flask, clock: Clock, outbox: Outbox, status: Status) -> None:
    staff(app)
    submit(app)
    promise = put(app, status=status, closed_at=None).answer_by
    clock.set(promise - timedelta(minutes=5))

    assert sent(outbox) == []


def test_after_the_promise_it_never_goes(app: Flask, clock: Clock, outbox: Outbox) -> None:
    staff(app)
    submit(app)
    clock.set(the_request(app).answer_by + timedelta(seconds=1))

    assert sent(outbox) == []


def test_where_nobody_works_nothing_was_promised(app: Flask, clock: Clock, outbox: Outbox) -> None:
    submit(app)
    clock.set(the_request(app).answer_by - timedelta(minutes=5))

    assert sent(outbox) == []


def test_where_whole_days_count_it_goes_in_the_afternoon(
    app: Flask, clock: Clock, change_settings: Callable[..., None]
) -> None:
    change_settings(ORG=replace(app.extensions["settings"].ORG, hours=OpeningHours()))
    staff(app)
    submit(app)
    org = app.extensions["settings"].ORG
    promise = the_request(app).answer_by
    with app.app_context():
        assert not more_time.due(promise - timedelta(hours=8, minutes=1), org)
        assert more_time.due(promise - timedelta(hours=7, minutes=59), org)


@pytest.mark.parametrize("later", [0, 5], ids=["at once", "hours later"])
def test_who_asked_what_is_joined_is_told_of_their_own_promise(app: Flask, clock: Clock, later: int) -> None:
    grace, first = staff(app), submit(app)
    clock.tick(hours=later)
    for name in ("bob", "ana"):
        other = submit(app, name, email=f"{name}@clinic.example")
        with app.app_context(), transaction():
            asked = perform.get(other)
            perform.perform(
                joining.DUPLICATE, asked, by=grace, at=clock(), version=asked.version, target=first
            )
    for _ in range(24 * 6):
        clock.tick(hours=1)
        with app.app_context():
            jobs.tell_more_time(Hand("worker", lambda _seconds: False))

    with app.app_context():
        mails = select(Delivery).join(Body).where(Body.message == "desk/more_time").order_by(Delivery.id)
        told = [(mail.recipient, mail.created_at) for mail in db.session.scalars(mails)]
    assert [to for to, _at in told] == ["ana@clinic.example", "bob@clinic.example"], "once who asked both"
    assert (told[0][1] < told[1][1]) == bool(later)


def test_what_is_joined_to_what_was_answered_waits_for_nothing(
    app: Flask, clock: Clock, outbox: Outbox
) -> None:
    grace, first = staff(app), submit(app)
    other = submit(app, "bob", email="bob@clinic.example")
    for which, act, given in (
        (other, joining.DUPLICATE, {"target": first}),
        (first, acts.CLAIM, {}),
        (first, acts.ANSWER, {"text": "Yes.", "form_token": "a"}),
    ):
        with app.app_context(), transaction():
            asked = perform.get(which)
            perform.perform(act, asked, by=grace, at=clock(), version=asked.version, **given)
    clock.set(the_request(app, other).answer_by - timedelta(minutes=5))

    assert sent(outbox) == []
