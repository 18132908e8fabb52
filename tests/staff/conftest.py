"""Members of staff who are signed in already, and requests for them to work on."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select, update

from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.intake import kinds, submissions
from portal.intake.models import Request, Status
from portal.mail.models import Delivery, State
from tests import world
from tests.conftest import Clock
from tests.intake import samples
from tests.pages import Visitor

CONSULTATION = {
    "name": "Ana Ruiz",
    "credential": "NP",
    "npi": "1234567893",
    "practice": "Valley Clinic",
    "state": "CA",
    "email": "ana@clinic.example",
    "phone": "925-555-0142",
    "on_behalf": False,
    "delegate_name": "",
    "delegate_email": "",
    "topics": ["dosing"],
    "question": "How slowly should I raise the dose in an adult who sleeps badly on 3 mg, and until when?",
    "contact_method": "email",
    "contact_window": "any",
    "leave_message": False,
}
MATERIALS = {
    "name": "Lee Park",
    "credential": "MD",
    "npi": "",
    "practice": "Park Family Medicine",
    "state": "CA",
    "email": "lee@park.example",
    "phone": "",
    "items": ["prescriber-guide", "dose-plan"],
    "delivery": "email",
    "address": "",
    "note": "For our new colleague.",
}


class Colleague(Visitor):
    """A member of staff with a browser that is signed in."""

    user_id: int
    name: str
    csrf_token = ""  # of its forms, once a test has read it


@pytest.fixture
def signed_in(app: Flask, clock: Clock) -> Callable[..., Colleague]:
    """Make a member of staff with a role, signed in with both factors; signing in itself is tested with accounts."""
    staff = app.extensions["staff"]
    numbers = count(1)

    def make(role: str, name: str = "") -> Colleague:
        name = name or f"{role.capitalize()} {next(numbers)}"
        with staff.app_context(), transaction():
            user = world.employ(name, role, password="no password at all")
            cookie = world.sign_in(user, browser="A browser")
            user_id = user.id
        colleague = Colleague(app, clock)
        colleague.user_id, colleague.name = user_id, name
        colleague.client.set_cookie(
            staff.session_interface.get_cookie_name(staff), cookie, domain="localhost", path="/"
        )
        return colleague

    return make


@pytest.fixture
def ask(app: Flask) -> Callable[..., str]:
    """Send a request as the public forms do; returns its reference. `kind` is consultation or resource."""

    def send(kind: str = "consultation", **changes: Any) -> str:
        with app.app_context(), transaction():
            return _send(app, kind, **changes)

    return send


@pytest.fixture
def ask_often(app: Flask, clock: Clock) -> Callable[[int], list[str]]:
    """Send many consultations, every other at the moment of the one before; returns their references."""

    def send(times: int) -> list[str]:
        asked = []
        with app.app_context(), transaction():
            for number in range(times):
                clock.tick(minutes=number % 2)
                asked.append(_send(app, "consultation", name=f"Doctor {number}"))
        return asked

    return send


def _send(app: Flask, kind: str, *, patient_data: Any = (), signals: Any = (), **changes: Any) -> str:
    circumstances = samples.circumstances(app, secrets.token_urlsafe(16), patient_data=patient_data)
    if kind == "consultation":
        made = submissions.submit(kinds.CONSULTATION, {**CONSULTATION, **changes}, **circumstances)
    else:
        made = submissions.submit(kinds.RESOURCE, {**MATERIALS, **changes}, **circumstances)
    if signals:  # as earlier versions kept them
        asked = db.session.scalars(select(Request).where(Request.reference == made.reference)).one()
        asked.signals = list(signals)
        if "honeypot" in signals:
            asked.status, asked.closed_at = Status.SPAM, asked.received_at
    return made.reference


@pytest.fixture
def stored(app: Flask) -> Callable[[str], Request]:
    """The request as it is in the database now."""

    def read(reference: str) -> Request:
        with app.app_context():
            found = db.session.scalars(select(Request).where(Request.reference == reference)).one()
            db.session.expunge(found)
            return found

    return read


@pytest.fixture
def trail(app: Flask) -> Callable[[str], list[str]]:
    """The words of the audit trail about a request, oldest first."""

    def read(reference: str) -> list[str]:
        with app.app_context():
            query = select(AuditEntry.action).where(AuditEntry.subject == f"request:{reference}")
            return list(db.session.scalars(query.order_by(AuditEntry.id)))

    return read


@pytest.fixture
def give_up(app: Flask) -> Callable[[], None]:
    """Let every mail that is promised be refused for good."""

    def refuse() -> None:
        with app.app_context(), transaction():
            db.session.execute(
                update(Delivery).values(state=State.DEAD, attempts=1, last_error="the server said never")
            )

    return refuse
