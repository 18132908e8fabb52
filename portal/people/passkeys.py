"""Passkeys: kept, used and let go. Verbs run in their caller's transaction and write their audit row there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.sql.dml import Delete, Update

from portal import audit
from portal.db import db
from portal.errors import Conflict, Refused
from portal.people import notices
from portal.people.models import Passkey, User

MOST = 10  # of one person
TOO_MANY = f"You have {MOST} passkeys. Remove one that you no longer use."
KNOWN_ALREADY = "This passkey was added already."


@dataclass(frozen=True)
class Known:
    """A passkey as it was found: whose it is, and the session key that stood beside it."""

    id: int
    user_id: int
    public_key: bytes
    session_key: str


def of(user: User) -> Sequence[Passkey]:
    """Somebody's passkeys, the oldest first."""
    return db.session.scalars(select(Passkey).where(Passkey.user_id == user.id).order_by(Passkey.id)).all()


def find(credential_id: str) -> Known | None:
    """The passkey of that id, if its owner may sign in."""
    query = select(Passkey.id, Passkey.user_id, Passkey.public_key, User.session_key)
    query = query.join(User, User.id == Passkey.user_id)
    found = db.session.execute(query.where(Passkey.credential_id == credential_id, User.active)).one_or_none()
    return Known(*found) if found else None


def need_room(user: User) -> None:
    """Raises Refused for who has as many as anybody may."""
    if len(of(user)) >= MOST:
        raise Refused(TOO_MANY)


def add(
    user: User, *, name: str, credential_id: str, public_key: bytes, sign_count: int, at: datetime
) -> None:
    """Keep a new one; its owner is told by mail. Raises Refused, and Conflict for one that is known."""
    need_room(user)
    made = Passkey(user_id=user.id, name=name, credential_id=credential_id, created_at=at)
    made.public_key, made.sign_count = public_key, sign_count
    try:
        with db.session.begin_nested():
            db.session.add(made)
    except IntegrityError as error:  # it was there, or another was quicker
        raise Conflict(KNOWN_ALREADY) from error
    audit.record(user, "staff.passkey_added", user.subject, at=at)
    notices.notify(user, notices.PASSKEY_ADDED, at=at)


def use(known: Known, sign_count: int, *, at: datetime) -> User | None:
    """Note that it signed; its owner, or None when it is gone, they may sign in no more, or its count did not grow.

    A count that does not grow tells of a copy (WebAuthn, 6.1.1); many passkeys count nothing, and stay at 0.
    """
    grew = Passkey.sign_count < sign_count if sign_count else Passkey.sign_count == 0
    used = update(Passkey).where(Passkey.id == known.id, grew).values(sign_count=sign_count, used_at=at)
    owner = select(User).where(User.id == known.user_id, User.session_key == known.session_key, User.active)
    return db.session.scalar(owner) if _did(used) else None


def remove(user: User, passkey_id: int, *, at: datetime) -> bool:
    """Let one go; whether it was there. Its owner is told by mail."""
    if not _did(delete(Passkey).where(Passkey.id == passkey_id, Passkey.user_id == user.id)):
        return False
    audit.record(user, "staff.passkey_removed", user.subject, at=at)
    notices.notify(user, notices.PASSKEY_REMOVED, at=at)
    return True


def _did(statement: Update | Delete) -> bool:
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return isinstance(result, CursorResult) and result.rowcount == 1
