"""Who sees to a request and when: assigning, setting aside and coming back, and who is out of office."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime, timedelta
from threading import Barrier
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.desk import acts, away, jobs, perform, planning, search
from portal.errors import Conflict, Forbidden, PortalError, Refused
from portal.intake.models import Request, Status
from portal.people.models import Habit, User
from tests.conftest import START, Clock
from tests.desk.test_acts import actions, do, put
from tests.intake.samples import staff, submit, the_request

TODAY = START.date()


@pytest.fixture(autouse=True)
def reference(app: Flask) -> str:
    """A new consultation."""
    return submit(app)


@pytest.fixture
def grace(app: Flask) -> User:
    """A pharmacist."""
    return staff(app)


@pytest.fixture
def ada(app: Flask) -> User:
    """Somebody at the desk."""
    return staff(app, "Ada King", "desk")


@pytest.fixture
def context(app: Flask) -> Iterator[None]:
    """Where one may read."""
    with app.app_context():
        yield


def act(app: Flask, one: Any, by: User, **given: Any) -> Request:
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request)).one()
        do(one, request, by, given.pop("version", request.version), **given)
    return the_request(app)


def listed(app: Flask, by: User, **filters: str) -> int:
    with app.app_context():
        return len(search.listing(search.Filters(**filters), by=by, at=now()).rows)


# ---- Assigning


def test_what_is_assigned_is_theirs_and_in_progress(app: Flask, grace: User, ada: User) -> None:
    after = act(app, planning.ASSIGN, grace, to=str(ada.id))

    assert (after.status, after.owner_id, after.claimed_at) == (Status.IN_PROGRESS, ada.id, now())
    with app.app_context():
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "request.assigned")).one()
        assert entry.detail == f"user:{ada.id}"


def test_the_desk_gives_away_what_is_its_own_only(app: Flask, grace: User, ada: User) -> None:
    with pytest.raises(Forbidden):
        act(app, planning.ASSIGN, ada, to=str(grace.id))
    act(app, acts.CLAIM, ada)

    assert act(app, planning.ASSIGN, ada, to=str(grace.id)).owner_id == grace.id


def test_what_waits_is_assigned_and_goes_on_waiting(app: Flask, grace: User, ada: User) -> None:
    put(app, status=Status.WAITING, owner_id=grace.id)

    after = act(app, planning.ASSIGN, grace, to=str(ada.id))

    assert (after.status, after.owner_id) == (Status.WAITING, ada.id)


@pytest.mark.parametrize("to", ["999", "x", "-1", "9" * 40, "²"])
def test_nobody_is_assigned_to_whom_there_is_not(app: Flask, grace: User, to: str) -> None:
    with pytest.raises(Refused, match="Select somebody who works here"):
        act(app, planning.ASSIGN, grace, to=to)


def test_nothing_is_assigned_to_who_left_is_away_or_has_it(app: Flask, grace: User, ada: User) -> None:
    with app.app_context(), transaction():
        away.leave(db.session.get_one(User, ada.id), TODAY, by=grace, at=now())
    with pytest.raises(Refused, match="Ada King is out of office until Thursday January 15"):
        act(app, planning.ASSIGN, grace, to=str(ada.id))
    with app.app_context(), transaction():
        db.session.get_one(User, ada.id).active = False
    with pytest.raises(Refused, match="works here"):
        act(app, planning.ASSIGN, grace, to=str(ada.id))
    act(app, acts.CLAIM, grace)
    with pytest.raises(Conflict, match="theirs already"):
        act(app, planning.ASSIGN, grace, to=str(grace.id))
    with pytest.raises(Conflict, match="This request changed"):
        act(app, planning.ASSIGN, grace, to=str(grace.id), version=1)


def test_of_twenty_who_assign_at_once_one_does(app: Flask, grace: User, ada: User) -> None:
    version, ready = the_request(app).version, Barrier(20)

    def give(number: int) -> bool:
        ready.wait()
        try:
            act(app, planning.ASSIGN, grace, to=str((grace, ada)[number % 2].id), version=version)
        except PortalError:
            return False
        return True

    with ThreadPoolExecutor(20) as pool:
        done = list(pool.map(give, range(20)))

    assert done.count(True) == 1
    assert actions(app).count("request.assigned") == 1
    assert the_request(app).version == version + 1


# ---- Snoozing


def test_what_is_set_aside_comes_back_by_itself_in_the_morning(app: Flask, grace: User, clock: Clock) -> None:
    act(app, acts.CLAIM, grace)
    promised = the_request(app).answer_by
    after = act(app, planning.SNOOZE, grace, until=TODAY + timedelta(days=3))

    assert after.snoozed_until == datetime(2026, 1, 18, 16, 0, tzinfo=UTC), "8 am Pacific"
    assert after.answer_by == promised, "the promise runs on"
    assert listed(app, grace, owner="me") == 0
    assert listed(app, grace, status="snoozed") == 1
    with app.app_context():
        jobs.wake(SimpleNamespace())  # type: ignore[arg-type]
    assert the_request(app).snoozed_until is not None, "not yet"

    clock.set(datetime(2026, 1, 18, 16, 0, tzinfo=UTC))
    assert listed(app, grace, owner="me") == 1, "whether or not the job came by"
    with app.app_context():
        assert jobs.wake(SimpleNamespace()) is False  # type: ignore[arg-type]

    assert (the_request(app).snoozed_until, the_request(app).status) == (None, Status.IN_PROGRESS)
    assert actions(app)[-1] == "request.woken"


def test_what_is_late_is_shown_though_it_is_set_aside(app: Flask, grace: User, clock: Clock) -> None:
    act(app, planning.SNOOZE, grace, until=TODAY + timedelta(days=10))
    clock.tick(hours=24 * 5)

    assert listed(app, grace, status="late") == 1
    assert listed(app, grace) == 0
    assert listed(app, grace, q="Ruiz") == 1
    with app.app_context():
        counts = search.listing(search.Filters(), by=grace, at=now()).counts
    assert (counts.open, counts.unassigned, counts.snoozed, counts.late) == (0, 0, 1, 1)


@pytest.mark.parametrize(
    "until", [TODAY, TODAY - timedelta(days=1), TODAY + timedelta(days=91), date.max, "x"]
)
def test_a_day_that_is_none_sets_nothing_aside(app: Flask, grace: User, until: object) -> None:
    with pytest.raises(Refused, match="Enter a day after today"):
        act(app, planning.SNOOZE, grace, until=until)


def test_what_ends_is_set_aside_no_more_and_what_is_woken_is_back(app: Flask, grace: User) -> None:
    act(app, planning.SNOOZE, grace, until=TODAY + timedelta(days=3))
    assert act(app, planning.WAKE, grace).snoozed_until is None
    with pytest.raises(Conflict):
        act(app, planning.WAKE, grace)
    act(app, planning.SNOOZE, grace, until=TODAY + timedelta(days=3))

    assert act(app, acts.SPAM, grace, reason="robot").snoozed_until is None


# ---- Out of office


def test_somebody_is_away_to_the_end_of_their_last_day(app: Flask, grace: User, clock: Clock) -> None:
    with app.app_context(), transaction():
        away.leave(grace, TODAY + timedelta(days=1), by=grace, at=now())
    for at, is_away in (
        (START, True),
        (datetime(2026, 1, 17, 7, 59, tzinfo=UTC), True),
        (datetime(2026, 1, 17, 8, 0, tzinfo=UTC), False),
    ):
        with app.app_context():
            assert (away.until(grace.id, at) is not None) == is_away
            assert (grace.id in away.who(at)) == is_away
            assert (grace.id not in [user.id for user in away.colleagues(at)]) == is_away


@pytest.mark.parametrize("last", [TODAY - timedelta(days=1), TODAY + timedelta(days=367), date.max])
def test_nobody_is_away_until_yesterday_or_for_ever(app: Flask, grace: User, last: date) -> None:
    with pytest.raises(Refused, match="Enter the last day"), app.app_context(), transaction():
        away.leave(grace, last, by=grace, at=now())


def test_to_come_back_twice_is_to_come_back(app: Flask, grace: User) -> None:
    for last in (TODAY, None, None):
        with app.app_context(), transaction():
            away.leave(grace, last, by=grace, at=now())
    with app.app_context():
        assert db.session.scalars(select(Habit.away_until)).all() == [None]
        told = select(AuditEntry.detail).where(AuditEntry.action == "staff.away").order_by(AuditEntry.id)
        assert db.session.scalars(told).all() == ["2026-01-15", "back"]


def test_all_is_handed_over_to_who_is_there_only(app: Flask, grace: User, ada: User) -> None:
    act(app, acts.CLAIM, grace)
    with app.app_context(), transaction():
        away.leave(db.session.get_one(User, ada.id), TODAY, by=ada, at=now())
    with pytest.raises(Refused), app.app_context(), transaction():
        perform.hand_over(grace, db.session.get_one(User, ada.id), at=now())

    assert listed(app, grace, owner="away") == 0
    with app.app_context(), transaction():
        away.leave(grace, TODAY, by=ada, at=now())
    assert listed(app, ada, owner="away") == 1
