"""One-use links: they make accounts, or give one a new password and authenticator. Only their SHA-256 is kept."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta

from sqlalchemy import CursorResult, delete, select, update
from sqlalchemy.exc import IntegrityError

from portal import addresses, audit, text, tokens
from portal.audit import Actor
from portal.db import db
from portal.errors import Conflict, Expired, NotFound, Refused
from portal.mail import promise as mail
from portal.people import accounts, credentials
from portal.people.models import Invite, User
from portal.people.rights import Role, spelled

LINK_LIFETIME = timedelta(hours=24)

NO_SUCH_LINK = "This link is not one of ours. Check that you copied all of it."
LINK_IS_OVER = "This link was used already, or is more than 24 hours old. Ask a manager for a new one."
ADDRESS_TAKEN = "There is an account with this email address already"
EMAIL_FORMAT = "Enter an email address in the correct format, like name@example.com"
IS_DISABLED = "This account is disabled. Enable it first."
_PENDING = (Invite.email.is_not(None), Invite.user_id.is_(None), Invite.used_at.is_(None))
HAS_STAFF = "There are accounts already. Ask a manager for a link."


def invite_first_manager(*, at: datetime) -> str:
    """A link that makes the first manager, who types the address there; an earlier such link is void.

    Raises Refused when anybody has an account.
    """
    if accounts.has_staff():
        raise Refused(HAS_STAFF)
    db.session.execute(delete(Invite).where(Invite.email.is_(None), Invite.used_at.is_(None)))
    return _new_link(email=None, name="", roles=frozenset({Role.MANAGER}), user_id=None, by=None, at=at)


def invite(*, email: str, roles: Collection[str], name: str = "", by: Actor | None, at: datetime) -> str:
    """A link, good once and for 24 hours, that makes an account; an earlier link to the address is void.

    For an address that has an account it is Refused; but from the command line (`by` is None), where the operator
    of the machine speaks, it renews that account (see `renew`): the way back in when every manager is locked out.
    """
    address = accounts.normal_email(email)
    _need_address(address)
    wanted = accounts.known_roles(roles)
    known = accounts.find_by_email(address)
    if known is not None and by is None:
        return renew(known, by=None, at=at)
    if known is not None:
        raise Refused(ADDRESS_TAKEN, field="email")
    db.session.execute(delete(Invite).where(Invite.email == address, Invite.used_at.is_(None)))
    return _new_link(email=address, name=" ".join(name.split()), roles=wanted, user_id=None, by=by, at=at)


def renew(user: User, *, by: Actor | None, at: datetime) -> str:
    """Void somebody's password, authenticator, recovery codes and sessions, and make the link that sets new ones.

    Raises Refused for a disabled account, and for one's own.
    """
    accounts.not_oneself(user, by)
    if not user.active:
        raise Refused(IS_DISABLED)
    credentials.void(user)
    db.session.execute(delete(Invite).where(Invite.user_id == user.id, Invite.used_at.is_(None)))
    audit.record(by, "staff.factors_voided", user.subject, at=at)
    return _new_link(email=user.email, name=user.name, roles=user.roles, user_id=user.id, by=by, at=at)


def pending() -> Sequence[Invite]:
    """Links that were sent to make an account and have made none, by address; what was never used is kept 30 days."""
    query = select(Invite).where(*_PENDING).order_by(Invite.email, Invite.id)
    return db.session.scalars(query).all()


def get_pending(invite_id: int) -> Invite:
    """One of these; raises NotFound."""
    found = db.session.scalar(select(Invite).where(Invite.id == invite_id, *_PENDING))
    if found is None:
        raise NotFound(NO_SUCH_LINK)
    return found


def resend(link: Invite, *, by: Actor, at: datetime) -> None:
    """Mail a new link to the same address, for the same roles; the one before is void. Raises Conflict, Refused."""
    email, name, roles = link.email or "", link.name, link.roles
    cancel(link, by=by, at=at)
    send(email, invite(email=email, roles=roles, name=name, by=by, at=at), renews=False, by=by, at=at)


def cancel(link: Invite, *, by: Actor, at: datetime) -> None:
    """Let a link that was not used open nothing, and never let it be used. Raises Conflict when it was meanwhile."""
    gone = db.session.execute(delete(Invite).where(Invite.id == link.id, Invite.used_at.is_(None)))
    if not _changed(gone):
        raise Conflict(LINK_IS_OVER)
    audit.record(by, "staff.link_cancelled", f"invite:{link.id}", at=at, detail=spelled(link.roles, ", "))


def get_link(token: str, *, at: datetime) -> Invite:
    """The link with this token; raises NotFound for an unknown one, Expired for one that was used or is too old."""
    found = db.session.scalar(select(Invite).where(Invite.digest == tokens.digest(token)))
    if found is None:
        raise NotFound(NO_SUCH_LINK)
    if found.used_at is not None or found.expires_at <= at:
        raise Expired(LINK_IS_OVER)
    return found


def accept(token: str, *, name: str, password_hash: str, at: datetime, email: str = "") -> User:
    """Spend a link: make the account, or give it its new password (see `passwords.hashed`).

    `email` counts only for the first manager's link, which names none. Of many at once exactly one succeeds; the
    others raise Expired. Raises NotFound, and Refused when the address has an account meanwhile.
    """
    link = get_link(token, at=at)
    if link.email is None:
        _need_address(accounts.normal_email(email))
    spent = db.session.execute(
        update(Invite)
        .where(Invite.id == link.id, Invite.used_at.is_(None), Invite.expires_at > at)
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )
    if not _changed(spent):
        raise Expired(LINK_IS_OVER)
    if link.email is None and accounts.has_staff():
        raise Expired(LINK_IS_OVER)
    if link.user_id is not None:
        return _take_renewed(accounts.get(link.user_id), name, password_hash, at)
    user = User(
        email=link.email or accounts.normal_email(email),
        name=name,
        roles=link.roles,
        active=True,
        password=password_hash,
        session_key=credentials.new_session_key(),
        created_at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
            db.session.flush()
    except IntegrityError as error:
        raise Refused(ADDRESS_TAKEN, field="email") from error
    audit.record(user, "staff.joined", user.subject, at=at, detail=spelled(user.roles, ", "))
    return user


def _take_renewed(user: User, name: str, password_hash: str, at: datetime) -> User:
    if not user.active:
        raise Expired(LINK_IS_OVER)
    user.name = name
    credentials.void(user, password_hash=password_hash)
    audit.record(user, "staff.password_set", user.subject, at=at)
    return user


def _need_address(email: str) -> None:
    try:
        text.email_address(email)
    except text.TextFault as fault:
        raise Refused(EMAIL_FORMAT, field="email") from fault


def _new_link(
    *,
    email: str | None,
    name: str,
    roles: frozenset[str],
    user_id: int | None,
    by: Actor | None,
    at: datetime,
) -> str:
    token = secrets.token_urlsafe(32)
    link = Invite(
        digest=tokens.digest(token),
        email=email,
        name=name,
        roles=roles,
        user_id=user_id,
        created_at=at,
        expires_at=at + LINK_LIFETIME,
    )
    db.session.add(link)
    db.session.flush()
    audit.record(by, "staff.link_made", f"invite:{link.id}", at=at, detail=spelled(roles, ", "))
    return token


def send(email: str, token: str, *, renews: bool, by: Actor, at: datetime) -> None:
    """Mail a one-use link to the person it is for."""
    mail.promise(
        "people/renewal" if renews else "people/invitation",
        to=accounts.normal_email(email),
        facts={"path": addresses.STAFF_INVITE.of(token=token), "sender": by.name},
        cause=f"user:{by.id}",
        at=at,
    )


def _changed(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
