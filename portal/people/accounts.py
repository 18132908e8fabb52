"""Who works here: accounts, roles, and their ends.

A verb runs in its caller's transaction and writes its audit row there. The last manager can neither be disabled
nor lose that role: somebody must always be able to let people in.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import and_, delete, func, or_, select

from portal import audit, text
from portal.audit import Actor
from portal.db import db
from portal.errors import NotFound, Refused
from portal.people import credentials, leaving
from portal.people.models import Invite, StaffSession, User, holding
from portal.people.rights import ROLES, Role, spelled

NO_SUCH_PERSON = "There is nobody with this account."
LAST_MANAGER = "This is the last manager. Make somebody else a manager first."
NOT_YOURSELF = "You cannot do this to your own account. Ask another manager."
SELECT_ROLES = "Select one role or more"

_ANYBODY = select(User.id).where(User.active).limit(1)


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


def roles_held() -> frozenset[str]:
    """The roles that anybody who may sign in has."""
    return frozenset[str]().union(*db.session.scalars(select(User.roles).where(User.active).distinct()))


def is_staffed() -> bool:
    """Whether anybody is told of what comes in; where nobody is, no page promises an answer."""
    return db.session.scalar(_ANYBODY) is not None


def people() -> Sequence[User]:
    """Everybody with an account, by name; the disabled last."""
    return db.session.scalars(select(User).order_by(User.active.desc(), func.lower(User.name), User.id)).all()


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


def last_sign_in(user: User, *, before: datetime | None = None) -> datetime | None:
    """When somebody signed in last, or last before that moment; None when they never did."""
    return next((entry.at for entry in audit.latest(user.subject, "staff.signed_in", 1, before=before)), None)


def disable(user: User, *, by: Actor | None, at: datetime) -> None:
    """End somebody's access at once, and do what `leaving` says. Raises Refused."""
    not_oneself(user, by)
    managers = _held_still(user)
    if not user.active:
        return
    if managers == {user.id}:
        raise Refused(LAST_MANAGER)
    user.active = False
    credentials.sign_out(user)
    db.session.execute(delete(Invite).where(Invite.user_id == user.id, Invite.used_at.is_(None)))
    audit.record(by, "staff.disabled", user.subject, at=at)
    leaving.take_leave(user, user.roles, by=by, at=at)


def enable(user: User, *, by: Actor | None, at: datetime) -> None:
    """Let somebody sign in again, with the password, authenticator and passkeys they had."""
    if user.active:
        return
    user.active = True
    audit.record(by, "staff.enabled", user.subject, at=at)


def change_roles(user: User, roles: Collection[str], *, by: Actor | None, at: datetime) -> None:
    """Give somebody just these roles and end the sessions that had the old ones. Raises Refused.

    Where a role is taken away, what `leaving` says is done.
    """
    wanted = known_roles(roles)
    not_oneself(user, by)
    managers, before = _held_still(user), user.roles
    if before == wanted:
        return
    if managers == {user.id} and Role.MANAGER not in wanted:
        raise Refused(LAST_MANAGER)
    user.roles = wanted
    credentials.sign_out(user)
    detail = " to ".join(spelled(some, ", ") for some in (before, wanted))
    audit.record(by, "staff.role_changed", user.subject, at=at, detail=detail)
    leaving.take_leave(user, before - wanted, by=by, at=at)


def known_roles(roles: Collection[str]) -> frozenset[str]:
    """These roles as a set; raises Refused for none, and for a word that is no role."""
    if not roles or not set(roles) <= set(ROLES):
        raise Refused(SELECT_ROLES, field="roles")
    return frozenset(map(Role, roles))


def not_oneself(user: User, by: Actor | None) -> None:
    """Refuse what nobody may do to their own account. Raises Refused."""
    if by is not None and by.id == user.id:
        raise Refused(NOT_YOURSELF)


def _held_still(user: User) -> set[int]:
    """Read their row anew, and say who the active managers are; none of these changes before this is done.

    Each of two who take the role from one another waits for the other (PostgreSQL), in the order of the rows. It is
    no lock against whoever just writes a note or an answer.
    """
    is_manager = and_(holding(Role.MANAGER), User.active)
    query = select(User).where(or_(is_manager, User.id == user.id)).order_by(User.id)
    query = query.with_for_update(key_share=True).execution_options(populate_existing=True)
    return {one.id for one in db.session.scalars(query) if one.active and Role.MANAGER in one.roles}
