"""What staff are told by mail: at once, after their quiet hours, in one mail each morning, or not at all."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.desk import asking, away, digest, joining, perform
from portal.desk.actors import ASKER
from portal.intake.models import Request
from portal.mail.models import Body, Delivery
from portal.people import accounts, wishes
from portal.people.models import When
from portal.settings import settings
from tests.conftest import START, Clock
from tests.staff.conftest import Colleague

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
MORNING = START + timedelta(days=1, hours=-1)  # Friday, 9 am


def wish(colleague: Colleague, *, start: int | None = None, end: int | None = None, **kinds: When) -> None:
    with transaction():
        chosen = {kind: kinds.get(kind, When.NOW).value for kind in wishes.KINDS}
        user = accounts.get(colleague.user_id)
        wishes.save(user, kinds=chosen, quiet_from=start, quiet_to=end, at=now())


def email(colleague: Colleague) -> str:
    return accounts.get(colleague.user_id).email


def told(message: str) -> list[tuple[str, datetime, Any]]:
    db.session.rollback()
    query = select(Delivery.recipient, Delivery.due_at, Body.facts).join(Body, Body.id == Delivery.body_id)
    return [
        tuple(row) for row in db.session.execute(query.where(Body.message == message).order_by(Delivery.id))
    ]


@pytest.mark.parametrize(
    ("start", "end", "local", "until"),
    [
        (18, 8, "2026-01-15 20:00", "2026-01-16 08:00"),
        (18, 8, "2026-01-15 07:59", "2026-01-15 08:00"),
        (18, 8, "2026-01-15 08:00", None),
        (12, 14, "2026-01-15 13:30", "2026-01-15 14:00"),
        (12, 14, "2026-01-15 14:00", None),
        (0, 24 - 1, "2026-01-15 00:00", "2026-01-15 23:00"),
        (8, 8, "2026-01-15 08:00", None),
        (None, None, "2026-01-15 03:00", None),
        # over a change of clocks
        (22, 8, "2026-03-07 23:00", "2026-03-08 08:00"),
    ],
)
def test_quiet_hours(app: Flask, start: int | None, end: int | None, local: str, until: str | None) -> None:
    with app.app_context():
        zone = settings().ORG.timezone
        at = datetime.fromisoformat(local).replace(tzinfo=zone)

        found = wishes.quiet_until(start, end, at)

    assert found == (datetime.fromisoformat(until).replace(tzinfo=zone) if until else None)


def test_each_is_told_as_they_wish(app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    """At once, later, in the morning, never; and who never chose is told at once."""
    people = [signed_in("desk", name) for name in ("Ann", "Ben", "Cleo", "Dan")]
    with app.app_context():
        wish(people[1], start=9, end=12)
        wish(people[2], consultation=When.MORNING)
        wish(people[3], consultation=When.NEVER, resource=When.NOW)
        ask()

        at_ten = told("intake/notice")
        assert [to for to, _due, _facts in at_ten] == [email(people[0]), email(people[1])]
        assert [due - clock() for _to, due, _facts in at_ten] == [timedelta(0), timedelta(hours=2)]
        ask("resource")
        assert [to for to, _due, _facts in told("intake/notice")[2:]] == [
            email(people[0]), email(people[2]), email(people[3]), email(people[1])
        ]  # fmt: skip


def test_one_mail_in_the_morning_when_we_open(
    app: Flask,
    ask: Ask,
    signed_in: SignedIn,
    clock: Clock,
    work: Callable[[], int],
) -> None:
    dee = signed_in("desk", "Dee Ramos")
    with app.app_context():
        wish(dee, consultation=When.MORNING, handed_back=When.MORNING)
        clock.tick(1)
        ask()
        ask()
        ask("resource")
        clock.set(MORNING - timedelta(minutes=1))
        digest.tell_all()
        assert told("desk/morning") == []
        clock.set(MORNING)
        for _ in range(3):
            digest.tell_all()

        [(to, _due, facts)] = told("desk/morning")
        assert to == email(dee)
        assert facts == {
            "consultations": 2, "materials": 0, "back": 0, "unassigned": 3, "late": 0, "mine": 0, "suspects": 0,
            "heard": 0, "refused": 0, "given": 0, "due": 0,
        }  # fmt: skip
        clock.tick(days=3)  # Monday is a holiday; Tuesday comes
        digest.tell_all()
        assert len(told("desk/morning")) == 1
        clock.tick(days=1)
        digest.tell_all()
        assert told("desk/morning")[1][2]["consultations"] == 0


def test_what_was_joined_is_not_told_of_twice_in_the_morning(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    """That they wrote more is said of the request that is answered, not of the one that was joined to it."""
    grace = signed_in("pharmacist", "Grace")
    kept, other = ask(), ask()
    with app.app_context():
        wish(grace, heard=When.MORNING)
        clock.tick(minutes=1)
        with transaction():
            both = {one.reference: one for one in db.session.scalars(select(Request))}
            for one in both.values():
                one.owner_id = grace.user_id
            given = {"text": "One thing more.", "form_token": "more"}
            asked = both[other]
            perform.perform(asking.ADD, asked, by=ASKER, at=now(), version=asked.version, **given)
            by = accounts.get(grace.user_id)
            perform.perform(joining.DUPLICATE, asked, by=by, at=now(), version=asked.version, target=kept)
        clock.at = MORNING
        digest.tell_all()

        assert told("desk/morning")[0][2]["heard"] == 1


def test_the_mail_of_the_morning_waits_for_the_end_of_the_quiet_hours(
    app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock
) -> None:
    ann, ben = signed_in("desk", "Ann"), signed_in("desk", "Ben")
    with app.app_context():
        wish(ann, consultation=When.MORNING, start=20, end=11)
        wish(ben, consultation=When.MORNING, start=20, end=7)
        ask()
        clock.set(MORNING)
        digest.tell_all()

        waits = {to: due.astimezone(settings().ORG.timezone).hour for to, due, _facts in told("desk/morning")}
        assert waits == {email(ann): 11, email(ben): MORNING.astimezone(settings().ORG.timezone).hour}


def test_nothing_to_tell_is_no_mail_and_who_is_away_gets_none(
    app: Flask,
    ask: Ask,
    signed_in: SignedIn,
    clock: Clock,
) -> None:
    dee, ben = signed_in("desk", "Dee Ramos"), signed_in("desk", "Ben")
    with app.app_context():
        wish(dee, consultation=When.MORNING)
        clock.set(MORNING)
        digest.tell_all()
        assert told("desk/morning") == []
        wish(ben, consultation=When.MORNING)
        with transaction():
            user = accounts.get(ben.user_id)
            away.leave(user, (now() + timedelta(days=9)).date(), by=user, at=now())
        ask()
        clock.tick(days=4)
        digest.tell_all()
        assert [to for to, _due, _facts in told("desk/morning")] == [email(dee)]


def test_two_workers_send_one(app: Flask, ask: Ask, signed_in: SignedIn, clock: Clock) -> None:
    dee = signed_in("desk")
    with app.app_context():
        wish(dee, consultation=When.MORNING)
        last = wishes.of(dee.user_id).told_at
        with transaction():
            assert wishes.mark_told(dee.user_id, last, at=MORNING)
        with transaction():
            assert not wishes.mark_told(dee.user_id, last, at=MORNING)


def test_everybody_chooses_for_themselves(app: Flask, signed_in: SignedIn) -> None:
    dee = signed_in("desk")
    page = dee.open("/staff/account").follow("What you are told by mail, and when")
    page.set(consultation="morning", refused="never", quiet_from="18", quiet_to="8").press("Save", status=303)

    page = dee.open("/staff/account/notices")
    chosen = {
        each["name"]: each.find("option", selected=True)["value"] for each in page.soup.select("main select")
    }
    assert chosen == {
        **dict.fromkeys(wishes.KINDS, "now"), "consultation": "morning", "refused": "never",
        "quiet_from": "18", "quiet_to": "8",
    }  # fmt: skip
    page = page.set(quiet_to="").press("Save", status=422)
    assert page.errors == {"quiet_to": wishes.SAY_BOTH}
    with app.app_context():
        assert wishes.of(dee.user_id).quiet_to == 8
