"""Settings without a deploy: what a manager saves holds in every process, version by version."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import insert, select
from sqlalchemy.exc import OperationalError

from portal import hours, office
from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.errors import Refused
from portal.intake.models import Request
from portal.office import OfficeVersion
from portal.organisation import parse_hours, spell_hours
from portal.settings import settings
from tests.conftest import Clock
from tests.pages import Page, Visitor
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
ADDRESS = "/staff/settings"
SAVE = "Save the settings"


@pytest.fixture
def manager(signed_in: SignedIn) -> Colleague:
    return signed_in("manager", "Mia Lang")


def saved(app: Flask) -> list[OfficeVersion]:
    with app.app_context():
        return list(db.session.scalars(select(OfficeVersion).order_by(OfficeVersion.id)))


def saved_elsewhere(app: Flask, clock: Clock, number: int = 1, **values: Any) -> None:
    """As another process does it: this one is not told."""
    with app.app_context(), transaction():
        row = {"id": number, "at": clock(), "by_name": "Mia Lang", "what": "", "values": values}
        db.session.execute(insert(OfficeVersion).values(row))


def front_page(visitor: Visitor) -> str:
    return visitor.get("/").text


def value(page: Page, label: str) -> str:
    control = page._control(label)
    return control.text.strip() if control.name == "textarea" else str(control["value"])


def a_second_later(app: Flask) -> None:
    app.extensions["ready"]._next_look = 0.0


def test_what_is_saved_stands_on_pages_that_were_kept_and_in_the_next_promise(
    app: Flask, clock: Clock, manager: Colleague, visitor: Visitor, ask: Ask
) -> None:
    first = ask()
    assert "Monday to Friday, 9 am to 6 pm" in front_page(visitor)

    manager.open(ADDRESS).fill("Opening hours", "Mon-Fri 08:30-17:00").fill("Holidays", "2026-01-16").press(
        SAVE, status=303
    ).sees("Saved. Every page shows it within a second.")
    a_second_later(app)

    assert "Monday to Friday, 8:30 am to 5 pm" in front_page(visitor)
    second = ask()
    with app.app_context():
        found = {row.reference: row for row in db.session.scalars(select(Request))}
        was, now_is = found[first].answer_by, found[second].answer_by
        org = settings().ORG
        assert now_is == hours.answer_by(found[second].received_at, 1, org)
        entry = db.session.scalars(select(AuditEntry).where(AuditEntry.action == "settings.saved")).one()
    assert was != now_is  # and the first keeps the promise it was given
    assert (entry.actor_name, entry.subject, entry.detail) == ("Mia Lang", "settings:1", "hours, holidays")
    assert [version.values for version in saved(app)] == [
        {"hours": "Mon-Fri 08:30-17:00", "holidays": "2026-01-16"}
    ]


def test_another_process_sees_it_at_its_next_look_and_asks_once_a_second_at_most(
    app: Flask, clock: Clock, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "9 am to 6 pm" in front_page(visitor)
    looks: list[int] = []
    look = office.Office._look
    monkeypatch.setattr(office.Office, "_look", lambda self: (looks.append(1), look(self))[1])
    saved_elsewhere(app, clock, hours="Mon-Fri 07:00-15:00")
    app.extensions["ready"]._next_look = float("inf")
    for _ in range(20):
        assert "9 am to 6 pm" in front_page(visitor)
    assert looks == []

    a_second_later(app)
    assert "Monday to Friday, 7 am to 3 pm" in front_page(visitor)
    for _ in range(20):
        visitor.open("/")

    assert looks == [1]
    with app.app_context():
        assert spell_hours(settings().ORG.hours) == "Mon-Fri 07:00-15:00"


def test_the_worker_looks_by_itself(app: Flask, clock: Clock) -> None:
    from portal.worker import Worker

    saved_elsewhere(app, clock, hours="Mon-Fri 07:00-15:00")
    app.extensions["office"]._next_look = 0.0
    with app.app_context():
        Worker().run_once()
        assert spell_hours(settings().ORG.hours) == "Mon-Fri 07:00-15:00"


def test_a_database_that_is_away_leaves_what_was_seen(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = app.extensions["office"]
    saved_elsewhere(app, clock, hours="Mon-Fri 07:00-15:00")
    assert here.look() == 1

    def away(self: object) -> None:
        raise OperationalError("SELECT", None, Exception("gone"))

    monkeypatch.setattr(office.Office, "_look", away)

    assert here.look() == 1
    with app.app_context():
        assert spell_hours(settings().ORG.hours) == "Mon-Fri 07:00-15:00"


@pytest.mark.parametrize(
    ("label", "typed", "message"),
    [
        ("Opening hours", "nine to five", 'Opening hours "nine to five" are not understood'),
        ("Opening hours", "Mon 18:00-09:00", "must open before they close"),
        ("Holidays", "Christmas", 'Holiday "Christmas" is not a date. Write it like: 2026-12-25'),
        ("Consultation: business days until an answer", "0", "from 1 to 10"),
        ("Consultation: business days until an answer", "11", "from 1 to 10"),
        ("Materials: business days until an answer", "two", "from 1 to 10"),
        ("Materials: business days until an answer", "", "from 1 to 10"),
    ],
)
def test_what_makes_no_sense_is_refused_beside_its_field_and_kept(
    app: Flask, manager: Colleague, label: str, typed: str, message: str
) -> None:
    page = manager.open(ADDRESS).fill("Holidays", "2026-12-25").fill(label, typed).press(SAVE, status=422)

    page.sees(message)
    assert value(page, label) == typed
    assert saved(app) == []


def test_production_needs_hours_as_at_its_start(
    app: Flask, manager: Colleague, change_settings: Callable[..., None]
) -> None:
    page = manager.open(ADDRESS).fill("Opening hours", "")
    change_settings(APP_ENV="production")

    page.press(SAVE, status=422).sees("Enter the opening hours")

    assert saved(app) == []


def test_nothing_left_to_offer_is_refused(app: Flask, manager: Colleague) -> None:
    manager.open(ADDRESS).set(topics=[]).press(SAVE, status=422).sees("Leave at least one on the list")

    assert saved(app) == []


def test_a_stale_save_is_refused_and_keeps_the_words(app: Flask, clock: Clock, manager: Colleague) -> None:
    page = manager.open(ADDRESS).fill("Holidays", "2026-12-25")
    saved_elsewhere(app, clock, hours="Mon-Fri 07:00-15:00")

    again = page.press(SAVE, status=409)

    again.sees("Somebody saved other settings while you had this page open")
    assert value(again, "Holidays") == "2026-12-25"
    assert len(saved(app)) == 1
    again.press(SAVE, status=303)
    assert len(saved(app)) == 2


def test_what_is_as_it_was_makes_no_version(app: Flask, manager: Colleague) -> None:
    manager.open(ADDRESS).press(SAVE, status=303).sees("Nothing was saved")

    assert saved(app) == []


def test_what_is_taken_off_the_list_is_offered_no_more_and_old_pages_say_so(
    app: Flask, manager: Colleague, visitor: Visitor, clock: Clock
) -> None:
    old = visitor.open("/requests/consultation").set(topics=["evidence"])
    topics = [word for word in office.OFFERS["topics"] if word != "evidence"]
    manager.open(ADDRESS).set(topics=topics).press(SAVE, status=303)

    page = old.press("Continue", status=422)
    page.sees("We no longer list one of the topics you selected. Select again")
    a_second_later(app)
    clock.tick(60)
    fresh = visitor.open("/requests/consultation")
    offered = [tag["value"] for tag in fresh.soup.find_all("input", attrs={"name": "topics"})]

    assert offered == topics


def test_the_promise_of_a_kind_can_be_longer(app: Flask, manager: Colleague, ask: Ask) -> None:
    manager.open(ADDRESS).fill("Consultation: business days until an answer", "3").press(SAVE, status=303)

    reference = ask()

    with app.app_context():
        row = db.session.scalars(select(Request).where(Request.reference == reference)).one()
        assert row.answer_by == hours.answer_by(row.received_at, 3, settings().ORG)


def test_each_version_can_be_read_and_put_back(app: Flask, manager: Colleague) -> None:
    manager.open(ADDRESS).fill("Opening hours", "Mon-Fri 08:00-16:00").press(SAVE, status=303)
    manager.open(ADDRESS).fill("Opening hours", "Mon-Fri 10:00-16:00").press(SAVE, status=303)
    stale = manager.open(f"{ADDRESS}/versions").sees("Mon-Fri 08:00-16:00").sees("Mia Lang")

    manager.open(f"{ADDRESS}/versions").press("Put version 1 back", status=303).sees(
        "That version holds again"
    )
    with app.app_context():
        assert spell_hours(settings().ORG.hours) == "Mon-Fri 08:00-16:00"
    stale.press("Put version 1 back", status=409)
    manager.open(f"{ADDRESS}/versions").press("Put the machine’s settings back", status=303)

    with app.app_context():
        assert office.of_the_environment() == settings().ORG
        acts = db.session.scalars(
            select(AuditEntry.detail).where(AuditEntry.action == "settings.put-back")
        ).all()
    assert acts == ["version 1: hours", "version 0: hours"]
    assert [version.id for version in saved(app)] == [1, 2, 3, 4]


def test_doctor_says_what_is_saved(app: Flask, clock: Clock) -> None:
    from portal.ops import pharmacy

    with app.app_context():
        assert pharmacy.chosen().detail == "ORG_HOURS of the environment, ORG_HOLIDAYS of the environment"
    saved_elsewhere(app, clock, hours="Mon-Fri 07:00-15:00")

    with app.app_context():
        found = pharmacy.chosen().detail

    assert found == (
        "opening hours saved, ORG_HOLIDAYS of the environment, version 1 by Mia Lang, 2026-01-15"
    )


def test_what_the_portal_does_not_know_any_more_withholds_nothing(app: Flask) -> None:
    with app.app_context():
        org = office.laid_over(settings().ORG, {"materials": ["gone-long-ago"]})

    assert office.now_held(org)["materials"] == []


@pytest.mark.parametrize(
    "text", ["", "Mon-Fri 09:00-18:00; Sat 10:00-14:00", "Tue 09:30-12:00; Sun 10:00-14:00"]
)
def test_hours_are_spelt_as_they_are_read(text: str) -> None:
    assert spell_hours(parse_hours(text)) == text


def test_a_value_of_the_wrong_shape_is_refused(app: Flask) -> None:
    with app.app_context(), pytest.raises(Refused):
        office.laid_over(settings().ORG, {"answer_days": {"consultation": True}})
