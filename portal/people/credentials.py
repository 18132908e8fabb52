"""What people prove themselves with, and what that opened: password, authenticator, recovery codes, sessions.

A write that races carries its guard in the statement: a step of the authenticator is burnt once, a recovery code is
deleted by whoever finds it first, and a new password or authenticator is kept only while `session_key` is still the
one it was given under. Verbs run in their caller's transaction and write their audit row there.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import ColumnElement, CursorResult, delete, func, or_, select, update
from sqlalchemy.sql.dml import Delete, Update

from portal import audit, tokens
from portal.audit import Actor
from portal.db import db
from portal.errors import Conflict
from portal.people import notices
from portal.people.models import IDLE, Passkey, RecoveryCode, StaffSession, User

RECOVERY_CODES = 10
CODE_GROUPS, CODE_GROUP = 6, 4  # 24 of 32 signs: 120 bits, so that a plain hash keeps them (ASVS 6.5.2)
CODE_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that looks like something else

CHANGED_MEANWHILE = "How you sign in was changed meanwhile. Sign in again."


def new_session_key() -> str:
    """What a session holds in place of a person's id: with a new one, none that was begun before goes on."""
    return secrets.token_hex(32)


# ---- Password and authenticator


def keep_password_hash(user: User, earlier: str, renewed: str) -> None:
    """Keep the same password's hash with today's parameters, unless there is another password meanwhile."""
    _change(user, User.password == earlier, password=renewed)


def change_password(user: User, *, earlier: str, password_hash: str, at: datetime) -> None:
    """Keep a new password in place of the earlier hash. Raises Conflict."""
    if not _change(user, User.password == earlier, password=password_hash):
        raise Conflict(CHANGED_MEANWHILE)
    audit.record(user, "staff.password_changed", user.subject, at=at)
    notices.notify(user, notices.PASSWORD_CHANGED, at=at)


def burn(user: User, step: int, *, sealed: str | None = None) -> bool:
    """Use up one 30-second step, so that its code works once (RFC 6238, 5.2); False when it was used already.

    `sealed` is the same secret under today's key, when it was sealed with an earlier one.
    """
    later = or_(User.totp_counter.is_(None), User.totp_counter < step)
    return _change(user, later, totp_counter=step, **({"totp_secret": sealed} if sealed else {}))


def set_authenticator(user: User, *, key: str, secret: str, step: int, is_first: bool, at: datetime) -> None:
    """Keep the app whose first code was right, its step used up. Raises Conflict.

    `key` is the session key under which it was set up; the first app is set up only where there is none.
    """
    guards = (User.session_key == key, *((User.totp_secret.is_(None),) if is_first else ()))
    if not _change(user, *guards, totp_secret=secret, totp_counter=step):
        raise Conflict(CHANGED_MEANWHILE)
    audit.record(user, "staff.authenticator_set", user.subject, at=at)
    if not is_first:
        notices.notify(user, notices.AUTHENTICATOR_SET, at=at)


def void(user: User, *, password_hash: str | None = None) -> None:
    """Take away all that somebody signs in with, and their sessions; or give that password in place of theirs."""
    user.password, user.totp_secret, user.totp_counter = password_hash, None, None
    for kept in (RecoveryCode, Passkey):
        db.session.execute(delete(kept).where(kept.user_id == user.id))
    sign_out(user)


# ---- Recovery codes


def make_recovery_codes(user: User, *, at: datetime) -> list[str]:
    """Ten new codes, to be shown this once; the earlier ones are void, and the person is told by mail."""
    if _count(delete(RecoveryCode).where(RecoveryCode.user_id == user.id)):
        notices.notify(user, notices.RECOVERY_CODES_MADE, at=at)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    db.session.add_all(
        RecoveryCode(user_id=user.id, digest=_code_digest(code), created_at=at) for code in codes
    )
    audit.record(user, "staff.recovery_codes_made", user.subject, at=at)
    return codes


def spend_recovery_code(user: User, code: str, *, at: datetime) -> bool:
    """Use up one code; of many at once exactly one gets True. The person is told by mail."""
    if not _count(
        delete(RecoveryCode).where(RecoveryCode.user_id == user.id, RecoveryCode.digest == _code_digest(code))
    ):
        return False
    audit.record(user, "staff.recovery_code_used", user.subject, at=at)
    notices.notify(user, notices.RECOVERY_CODE_USED, at=at)
    return True


def recovery_codes_left(user: User) -> int:
    """How many codes somebody can still use."""
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user.id)
    return db.session.scalar(query) or 0


def _new_code() -> str:
    groups = ("".join(secrets.choice(CODE_SIGNS) for _ in range(CODE_GROUP)) for _ in range(CODE_GROUPS))
    return "-".join(groups)


def _code_digest(code: str) -> str:
    """Of a code however it was typed: without hyphens and spaces, I and L as 1, O as 0 (Crockford)."""
    plain = "".join(sign for sign in code.upper() if sign.isalnum())
    return tokens.digest(plain.translate(str.maketrans("ILO", "110")))


# ---- Sessions


def sessions_of(user: User, *, at: datetime) -> Sequence[StaffSession]:
    """Where somebody is signed in now, latest first."""
    query = (
        select(StaffSession)
        .where(
            StaffSession.user_id == user.id, StaffSession.expires_at > at, StaffSession.seen_at > at - IDLE
        )
        .order_by(StaffSession.seen_at.desc(), StaffSession.id.desc())
    )
    return db.session.scalars(query).all()


def end_session(user: User, session_id: int, *, by: Actor, at: datetime) -> None:
    """End one session of somebody; one that is over already is no fault."""
    if _count(delete(StaffSession).where(StaffSession.id == session_id, StaffSession.user_id == user.id)):
        audit.record(by, "staff.session_ended", user.subject, at=at)


def end_sessions(user: User, *, by: Actor | None, at: datetime) -> None:
    """End all sessions of somebody, and whatever sign-in they were in the middle of."""
    sign_out(user)
    audit.record(by, "staff.sessions_ended", user.subject, at=at)


def end_all_but(user: User, keep: int | None, *, at: datetime) -> str:
    """End all sessions of somebody but this one, and whatever sign-in anybody is in the middle of.

    Returns the new session key: the one that is kept goes on with it.
    """
    key = new_session_key()
    _change(user, session_key=key)
    others = delete(StaffSession).where(StaffSession.user_id == user.id)
    if _count(others.where(StaffSession.id != keep) if keep is not None else others):
        audit.record(user, "staff.sessions_ended", user.subject, at=at)
    return key


def sign_out(user: User) -> None:
    """End all sessions of somebody; the new key voids whatever sign-in they were in the middle of."""
    user.session_key = new_session_key()
    _count(delete(StaffSession).where(StaffSession.user_id == user.id))


def _change(user: User, *guards: ColumnElement[bool], **values: object) -> bool:
    """One guarded UPDATE of a person's row; whether it found the row as the guards ask."""
    return bool(_count(update(User).where(User.id == user.id, *guards).values(**values)))


def _count(statement: Update | Delete) -> int:
    result = db.session.execute(statement.execution_options(synchronize_session=False))
    return result.rowcount if isinstance(result, CursorResult) else 0
