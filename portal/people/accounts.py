"""Who works here: accounts, roles, and their ends.

A verb runs in its caller's transaction and writes its audit row there. The last manager can neither be disabled
nor given another role: somebody must always be able to let people in.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import delete, func, select

from portal import audit, text
from portal.audit import Actor
from portal.db import db
from portal.errors import NotFound, Refused
from portal.people import credentials, leaving
from portal.people.models import ROLES, Invite, Role, StaffSession, User

NO_SUCH_PERSON = "There is nobody with this account."
LAST_MANAGER = "This is the last manager. Make somebody else a manager first."
NOT_YOURSELF = "You cannot do this to your own account. Ask another manager."
NOT_A_ROLE = "Select a role"


def normal_email(email: str) -> str:
    """The one spelling of an address under which an account is kept: ASCII, and in lower case.

    An international domain becomes IDNA 2008's, which every mail server takes; what is no address stays as it is.
    """
    try:
        return text.email_address(email).lower()
    except text.TextFault:
        return email.strip().lower()


def has_account(email: str) -> bool:
    """Whether this address is somebody's account, disabled or not."""
    return db.session.scalar(select(User.id).where(User.email == normal_email(email))) is not None


def end_all_sessions() -> None:
    """Everybody signs in again."""
    db.session.execute(delete(StaffSession))


def has_staff() -> bool:
    """Whether anybody has an account."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def is_staffed() -> bool:
    """Whether anybody is told of what comes in; where nobody is, no page promises an answer."""
    return db.session.scalar(select(User.id).where(User.active).limit(1)) is not None


def people() -> Sequence[User]:
    """Everybody with an account, by name; the disabled last."""
    return db.session.scalars(select(User).order_by(User.active.desc(), func.lower(User.name), User.id)).all()


def notice_addresses() -> list[str]:
    """Every active member of staff."""
    return list(db.session.scalars(select(User.email).where(User.active).order_by(User.id)))


def get(user_id: int) -> User:
    """The person with this id; raises NotFound."""
    found = db.session.get(User, user_id)
    if found is None:
        raise NotFound(NO_SUCH_PERSON)
    return found


def get_by_email(email: str) -> User:
    """The person with this address; raises NotFound."""
    found = find_by_email(email)
    if found is None:
        raise NotFound(NO_SUCH_PERSON)
    return found


def find_by_email(email: str) -> User | None:
    """The person with this address, or None."""
    return db.session.scalar(select(User).where(User.email == normal_email(email)))


def disable(user: User, *, by: Actor | None, at: datetime) -> None:
    """End somebody's access at once, and do what `leaving` says. Raises Refused."""
    not_oneself(user, by)
    if not user.active:
        return
    _not_last_manager(user)
    user.active = False
    credentials.sign_out(user)
    db.session.execute(delete(Invite).where(Invite.user_id == user.id, Invite.used_at.is_(None)))
    audit.record(by, "staff.disabled", user.subject, at=at)
    leaving.take_leave(user, by=by, at=at)


def enable(user: User, *, by: Actor | None, at: datetime) -> None:
    """Let somebody sign in again, with the password and authenticator they had."""
    if user.active:
        return
    user.active = True
    audit.record(by, "staff.enabled", user.subject, at=at)


def change_role(user: User, role: str, *, by: Actor | None, at: datetime) -> None:
    """Give another role, end the sessions that had the old one, and do what `leaving` says. Raises Refused."""
    if role not in ROLES:
        raise Refused(NOT_A_ROLE, field="role")
    not_oneself(user, by)
    if user.role == role:
        return
    _not_last_manager(user)
    before, user.role = user.role, role
    credentials.sign_out(user)
    audit.record(by, "staff.role_changed", user.subject, at=at, detail=f"{before} to {role}")
    leaving.take_leave(user, by=by, at=at)


def not_oneself(user: User, by: Actor | None) -> None:
    """Refuse what nobody may do to their own account. Raises Refused."""
    if by is not None and by.id == user.id:
        raise Refused(NOT_YOURSELF)


def _not_last_manager(user: User) -> None:
    if user.role != Role.MANAGER or not user.active:
        return
    # Locking every manager's row makes two managers who disable each other wait in turn (PostgreSQL).
    query = select(User.id).where(User.role == Role.MANAGER, User.active).with_for_update()
    if not set(db.session.scalars(query)) - {user.id}:
        raise Refused(LAST_MANAGER)
