"""What the portals of the tests and their people are made of: settings, members of staff, sessions.

Plain functions with fixed defaults. They work in the transaction that is open, and at the time that the portal has.
"""

from __future__ import annotations

import secrets
from datetime import timedelta
from typing import Any

from portal import tokens
from portal.clock import now
from portal.db import db
from portal.people.models import StaffSession, User

SETTINGS = {
    "SECRET_KEY": "0123456789abcdefghijklmnopqrstuvwxyzABCDEF",
    "ORG_NAME": "Linden Test Pharmacy",
    "ORG_PHONE": "925-555-0100",
    "ORG_HOURS": "Mon-Fri 09:00-18:00",
    "MAIL_FROM": "portal@pharmacy.example",
    "REPLY_TO": "desk@pharmacy.example",
    "UNDO_SECONDS": "0",
}


def employ(name: str = "Grace Hall", role: str = "pharmacist", **more: Any) -> User:
    """A member of staff who may sign in, without a password yet; `role` names one role or several."""
    values = {
        "email": f"{name.lower().replace(' ', '.')}@pharmacy.example",
        "session_key": secrets.token_hex(32),
        "active": True,
        "created_at": now(),
        **more,
    }
    user = User(name=name, roles=frozenset(role.split()), **values)
    db.session.add(user)
    db.session.flush()
    return user


def sign_in(user: User, *, browser: str = "Firefox on Linux", **data: Any) -> str:
    """Let a browser be signed in with both factors; returns its cookie. Signing in itself is for `tests/signin`."""
    cookie, at = secrets.token_urlsafe(32), now()
    whole = {"key": user.session_key, "password_at": at.timestamp(), "csrf_token": secrets.token_hex(20)}
    session = StaffSession(
        digest=tokens.digest(cookie),
        user_id=user.id,
        data={**whole, **data},
        browser=browser,
        created_at=at,
        seen_at=at,
        expires_at=at + timedelta(hours=12),
    )
    db.session.add(session)
    return cookie
