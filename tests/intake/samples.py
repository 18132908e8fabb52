"""Answers that are right, people at the desk, and requests to work on."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from flask import Flask
from sqlalchemy import func, select

from portal.clock import now
from portal.db import db, transaction
from portal.intake import kinds, submissions
from portal.intake.models import Request
from portal.people.models import User
from tests import world

CONSULTATION: dict[str, Any] = {
    "name": "Ana Ruiz",
    "credential": "NP",
    "npi": "1234567893",
    "practice": "Valley Clinic",
    "state": "CA",
    "email": "ana@clinic.example",
    "phone": "(925) 555-0100 ext. 12",
    "delegate_name": "",
    "delegate_email": "",
    "topics": ["dosing", "safety"],
    "question": "Adult on 1.5 mg for two weeks. Is 3 mg the next step?\n\nOther drugs: levothyroxine.",
    "contact_method": "email",
    "contact_window": "morning",
    "leave_message": "y",
}
RESOURCE: dict[str, Any] = {
    "name": "Lee Park",
    "credential": "MD",
    "npi": "",
    "practice": "Hill Practice",
    "state": "NV",
    "email": "lee@hill.example",
    "phone": "",
    "items": ["prescriber-guide", "patient-leaflet-es"],
    "delivery": "post",
    "address": "12 Hill Street\nReno, NV 89501",
    "note": "Ten copies, please.",
}
ADDRESS = {"consultation": "/requests/consultation", "resource": "/requests/resources"}
ANSWERS = {"consultation": CONSULTATION, "resource": RESOURCE}
LONG_AGO = datetime(2025, 6, 1, tzinfo=UTC)


def keys(app: Flask) -> tuple[str, ...]:
    """SECRET_KEY and its fallbacks."""
    return (app.config["SECRET_KEY"], *app.config["SECRET_KEY_FALLBACKS"])


def circumstances(app: Flask, token: str = "token-1", **changes: Any) -> dict[str, Any]:
    """What a verb of `submissions` needs besides the answers."""
    return {
        "patient_data": [],
        "form_token": token,
        "keys": keys(app),
        "org": app.extensions["settings"].ORG,
        "at": now(),
        **changes,
    }


def consultation(**changes: Any) -> dict[str, Any]:
    """The answers as the form hands them over."""
    return {**CONSULTATION, "on_behalf": False, "leave_message": True, **changes}


def submit(app: Flask, token: str = "token-1", **changes: Any) -> str:
    """Store a consultation in a transaction of its own; its reference."""
    asides = {name: changes.pop(name) for name in ("at", "patient_data") if name in changes}
    with app.app_context(), transaction():
        answers = consultation(**changes)
        sent = submissions.submit(kinds.CONSULTATION, answers, **circumstances(app, token, **asides))
        return sent.reference


def submit_resource(app: Flask, token: str = "token-r", **changes: Any) -> str:
    """Store an order of materials; its reference."""
    with app.app_context(), transaction():
        sent = submissions.submit(kinds.RESOURCE, {**RESOURCE, **changes}, **circumstances(app, token))
        return sent.reference


def staff(app: Flask, name: str = "Grace Hall", role: str = "pharmacist") -> User:
    """A member of staff, usable outside any session."""
    with app.app_context(), transaction():
        email = f"{name.split()[0].lower()}.{role}@pharmacy.example"
        user = world.employ(name, role, email=email, created_at=LONG_AGO)
        db.session.refresh(user)
        db.session.expunge(user)
    return user


def how_many(app: Flask, model: type[Any] = Request) -> int:
    """Rows of a table."""
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def the_request(app: Flask, reference: str | None = None) -> Request:
    """The one request there is (or that one), usable outside any session."""
    with app.app_context():
        query = select(Request)
        if reference:
            query = query.where(Request.reference == reference)
        request = db.session.scalars(query).one()
        db.session.expunge(request)
        return request
