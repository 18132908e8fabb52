"""The demo world: whatever the hour, its queue shows every state that staff meet."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal import demo, seed
from portal.audit import AuditEntry
from portal.db import db
from portal.desk import replies, saved, search
from portal.errors import Refused
from portal.intake.checks import NpiCheck
from portal.intake.models import Message, Request, Status
from portal.mail.models import Delivery, State
from portal.npi.verdicts import Verdict
from portal.organisation import OpeningHours
from portal.people.models import User
from portal.staff.tabs import VIEWS
from tests.conftest import START, Clock

MOMENTS = {
    "a working morning": START,
    "before opening on a Monday": datetime(2026, 1, 12, 16, 0, tzinfo=UTC),
    "just before closing": datetime(2026, 1, 16, 1, 50, tzinfo=UTC),
    "at night": datetime(2026, 1, 15, 10, 0, tzinfo=UTC),
    "on a Sunday": datetime(2026, 1, 18, 20, 0, tzinfo=UTC),
    "on a holiday": datetime(2026, 1, 19, 20, 0, tzinfo=UTC),
}


@dataclass
class Planted:
    """What planting at START printed, and every row it left."""

    printed: str
    rows: dict[str, list[dict[str, object]]]


def plant(app: Flask) -> str:
    with app.app_context():
        return "\n".join(seed.plant())


@pytest.fixture(scope="module")
def nursery() -> list[Planted]:
    """Holds what was planted once, for all who look at it."""
    return []


@pytest.fixture
def planted(app: Flask, nursery: list[Planted]) -> str:
    """The world as it is when planted at START; what planting printed."""
    tables = db.metadata.sorted_tables
    if not nursery:
        printed = plant(app)
        with app.app_context():
            rows = {
                # In the order they were made: a request may point at an earlier one.
                table.name: [
                    dict(row)
                    for row in db.session.execute(select(table).order_by(*table.primary_key)).mappings()
                ]
                for table in tables
            }
        nursery.append(Planted(printed, rows))
        return printed
    with app.app_context(), db.engine.begin() as connection:
        for table in tables:
            if rows := nursery[0].rows[table.name]:
                connection.execute(table.insert(), rows)
                if (
                    connection.dialect.name == "postgresql"
                    and (key := table.autoincrement_column) is not None
                ):
                    of = func.pg_get_serial_sequence(f'"{table.name}"', key.name)
                    connection.execute(select(func.setval(of, func.max(key))))
    return nursery[0].printed


@pytest.mark.parametrize("at", MOMENTS.values(), ids=MOMENTS)
def test_every_state_is_there_at_any_hour(app: Flask, clock: Clock, at: datetime) -> None:
    clock.set(at)

    plant(app)

    with app.app_context():
        found = db.session.scalars(select(Request)).all()
        open_ones = [each for each in found if each.is_open]
        late = [each for each in open_ones if each.is_late(at)]
        soonest = min(each.answer_by for each in open_ones if not each.is_late(at))
        assert {each.status for each in found} >= {"new", "in_progress", "answered", "closed", "spam"}
        assert {each.status for each in late} == {Status.NEW, Status.IN_PROGRESS}
        assert soonest - at < timedelta(days=4)  # over a weekend with its holiday
        assert any(at - each.received_at < timedelta(hours=1) for each in open_ones)
        assert any(each.patient_data for each in open_ones)
        assert any(each.on_behalf for each in open_ones)
        assert any(each.signals for each in open_ones)
        assert sum(each.possible_duplicate_of is not None for each in open_ones) == 1
        assert max(each.received_at for each in found) <= at
        assert max(each.written_at for each in db.session.scalars(select(Message))) <= at


def test_every_list_of_the_desk_shows_something(app: Flask, planted: str) -> None:
    with app.app_context():
        ada = db.session.scalars(select(User).where(User.roles == frozenset({"pharmacist"}))).one()
        for view in VIEWS:
            assert search.listing(view.filters, by=ada, at=START).rows, view.tab
        assert [view.name for view in saved.mine(ada.id)] == ["New materials"]
        assert {reply.is_clinical for reply in replies.stored()} == {True, False}
        pair = db.session.scalars(select(Request).where(Request.status == Status.DUPLICATE)).one()
        assert pair.duplicate_of is not None


def test_what_is_due_next_is_due_today_on_a_working_day(app: Flask, planted: str) -> None:
    with app.app_context():
        answers_by = [each.answer_by for each in db.session.scalars(select(Request)) if each.is_open]
        assert any(START < moment <= START + timedelta(hours=1) for moment in answers_by)


def test_its_history_is_in_the_order_of_time(app: Flask, planted: str) -> None:
    with app.app_context():
        moments = db.session.scalars(select(AuditEntry.at).order_by(AuditEntry.id)).all()
        requests = db.session.scalars(select(Request.received_at).order_by(Request.id)).all()
    assert list(requests) == sorted(requests)
    assert list(moments) == sorted(moments)


def test_nothing_of_it_is_mailed_and_staff_get_one_use_links(app: Flask, planted: str) -> None:
    assert planted.count("/staff/invite/") == len(demo.STAFF)
    with app.app_context():
        assert db.session.scalars(select(Delivery).where(Delivery.state == State.QUEUED)).all() == []


def test_a_portal_with_anybody_in_it_is_left_alone(app: Flask, planted: str) -> None:
    with pytest.raises(Refused, match="not empty"):
        plant(app)


def test_its_worker_finds_nothing_to_send(planted: str, work: Callable[[], int]) -> None:
    assert work() == 0


def test_a_portal_without_hours_is_planted_too(app: Flask, change_settings: Callable[..., None]) -> None:
    """As `make seed` does it: nobody has to know any hours for the five minutes."""
    change_settings(ORG=replace(app.extensions["settings"].ORG, hours=OpeningHours()))

    printed = plant(app)

    with app.app_context():
        assert f"{db.session.scalar(select(func.count(Request.id)))} requests" in printed


def test_every_verdict_is_on_screen(app: Flask, planted: str) -> None:
    with app.app_context():
        seen = set(db.session.scalars(select(Request.verdict)))
        assert seen == set(Verdict)
        made = db.session.scalars(select(NpiCheck.source).where(NpiCheck.verdict != "unchecked"))
        assert set(made) == {demo.REGISTRY_NAME}


@pytest.mark.parametrize("at", MOMENTS.values(), ids=MOMENTS)
def test_somebody_asked_to_be_called_again_when_we_are_open(app: Flask, clock: Clock, at: datetime) -> None:
    clock.set(at)
    plant(app)

    with app.app_context():
        (call,) = db.session.scalars(select(Request.call_at).where(Request.call_at.is_not(None)))
        org = app.extensions["settings"].ORG
        local = call.astimezone(org.timezone)
        opening = org.opening(local.date())
        assert call > at
        assert opening and opening[0] <= local.time() < opening[1]
