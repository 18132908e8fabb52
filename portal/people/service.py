"""Who works here: links that make accounts, roles, recovery codes, sessions, and their ends.

A verb runs in its caller's transaction and writes its audit row there. The last manager can neither be disabled
nor given another role: somebody must always be able to let people in.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import CursorResult, delete, func, or_, select, update
from sqlalchemy.exc import IntegrityError

from portal import addresses, audit, tokens
from portal.audit import Actor
from portal.db import db
from portal.errors import Expired, NotFound, Refused
from portal.mail import promise as mail
from portal.people.models import ROLES, Invite, RecoveryCode, Role, StaffSession, User

LINK_LIFETIME = timedelta(hours=24)
KEEP_USED_LINKS = timedelta(days=30)
IDLE = timedelta(minutes=30)
RECOVERY_CODES = 10
CODE_GROUPS, CODE_GROUP = 6, 4  # 24 of 32 signs: 120 bits, so that a plain hash keeps them (ASVS 6.5.2)
CODE_SIGNS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"  # Crockford's base 32: nothing that looks like something else

NO_SUCH_PERSON = "There is nobody with this account."
NO_SUCH_LINK = "This link is not one of ours. Check that you copied all of it."
LINK_IS_OVER = "This link was used already, or is more than 24 hours old. Ask a manager for a new one."
ADDRESS_TAKEN = "There is an account with this email address already"
LAST_MANAGER = "This is the last manager. Make somebody else a manager first."
NOT_YOURSELF = "You cannot do this to your own account. Ask another manager."
NOT_A_ROLE = "Select a role"
EMAIL_FORMAT = "Enter an email address in the correct format, like name@example.com"
IS_DISABLED = "This account is disabled. Enable it first."
HAS_STAFF = "There are accounts already. Ask a manager for a link."


class Person(Actor, Protocol):
    """Whoever has an account: `User`, or the same row as Flask-Security sees it."""

    email: str


def normal_email(email: str) -> str:
    """The one spelling of an address under which an account is kept."""
    return email.strip().casefold()


def has_staff() -> bool:
    """Whether anybody has an account."""
    return db.session.scalar(select(User.id).limit(1)) is not None


def people() -> Sequence[User]:
    """Everybody with an account, by name; the disabled last."""
    return db.session.scalars(select(User).order_by(User.active.desc(), func.lower(User.name), User.id)).all()


def notice_addresses() -> list[str]:
    """Where a notice about a new request goes: every active member of staff."""
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


# ---- Links


def invite_first_manager(*, at: datetime) -> str:
    """A link that makes the first manager, who types the address there; an earlier such link is void.

    Raises Refused when anybody has an account.
    """
    if has_staff():
        raise Refused(HAS_STAFF)
    db.session.execute(delete(Invite).where(Invite.email.is_(None), Invite.used_at.is_(None)))
    return _new_link(email=None, name="", role=Role.MANAGER, user_id=None, by=None, at=at)


def invite(*, email: str, role: str, name: str = "", by: Actor | None, at: datetime) -> str:
    """A link, good once and for 24 hours, that makes an account; an earlier link to the address is void.

    For an address that has an account it is Refused; but from the command line (`by` is None), where the operator
    of the machine speaks, it renews that account (see `renew`): the way back in when every manager is locked out.
    """
    address = normal_email(email)
    _need_address(address)
    if role not in ROLES:
        raise Refused(NOT_A_ROLE, field="role")
    known = find_by_email(address)
    if known is not None and by is None:
        return renew(known, by=None, at=at)
    if known is not None:
        raise Refused(ADDRESS_TAKEN, field="email")
    db.session.execute(delete(Invite).where(Invite.email == address, Invite.used_at.is_(None)))
    return _new_link(email=address, name=" ".join(name.split()), role=role, user_id=None, by=by, at=at)


def renew(user: User, *, by: Actor | None, at: datetime) -> str:
    """Void somebody's password, authenticator, recovery codes and sessions, and make the link that sets new ones.

    Raises Refused for a disabled account, and for one's own.
    """
    _not_self(user, by)
    if not user.active:
        raise Refused(IS_DISABLED)
    _void_factors(user)
    _end_sessions(user)
    db.session.execute(delete(Invite).where(Invite.user_id == user.id, Invite.used_at.is_(None)))
    audit.record(by, "staff.factors_voided", user.subject, at=at)
    return _new_link(email=user.email, name=user.name, role=user.role, user_id=user.id, by=by, at=at)


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
        _need_address(normal_email(email))
    spent = db.session.execute(
        update(Invite)
        .where(Invite.id == link.id, Invite.used_at.is_(None), Invite.expires_at > at)
        .values(used_at=at)
        .execution_options(synchronize_session=False)
    )
    if not _changed(spent):
        raise Expired(LINK_IS_OVER)
    if link.email is None and has_staff():
        raise Expired(LINK_IS_OVER)
    if link.user_id is not None:
        return _take_renewed(get(link.user_id), name, password_hash, at)
    user = User(
        email=link.email or normal_email(email),
        name=name,
        role=link.role,
        active=True,
        password=password_hash,
        fs_uniquifier=secrets.token_hex(32),
        created_at=at,
    )
    try:
        with db.session.begin_nested():
            db.session.add(user)
            db.session.flush()
    except IntegrityError as error:
        raise Refused(ADDRESS_TAKEN, field="email") from error
    audit.record(user, "staff.joined", user.subject, at=at, detail=user.role)
    return user


def _take_renewed(user: User, name: str, password_hash: str, at: datetime) -> User:
    if not user.active:
        raise Expired(LINK_IS_OVER)
    user.name = name
    _void_factors(user, password=password_hash)
    _end_sessions(user)
    audit.record(user, "staff.password_set", user.subject, at=at)
    return user


def _need_address(email: str) -> None:
    try:
        validate_email(email, check_deliverability=False, allow_smtputf8=False, strict=True)
    except EmailNotValidError as error:
        raise Refused(EMAIL_FORMAT, field="email") from error


def _new_link(
    *, email: str | None, name: str, role: str, user_id: int | None, by: Actor | None, at: datetime
) -> str:
    token = secrets.token_urlsafe(32)
    link = Invite(
        digest=tokens.digest(token),
        email=email,
        name=name,
        role=role,
        user_id=user_id,
        created_at=at,
        expires_at=at + LINK_LIFETIME,
    )
    db.session.add(link)
    db.session.flush()
    audit.record(by, "staff.link_made", f"invite:{link.id}", at=at, detail=role)
    return token


# ---- What a manager does with an account


def disable(user: User, *, by: Actor | None, at: datetime) -> None:
    """End somebody's access at once. Raises Refused for the last manager and for oneself."""
    _not_self(user, by)
    if not user.active:
        return
    _not_last_manager(user)
    user.active = False
    _end_sessions(user)
    db.session.execute(delete(Invite).where(Invite.user_id == user.id, Invite.used_at.is_(None)))
    audit.record(by, "staff.disabled", user.subject, at=at)


def enable(user: User, *, by: Actor | None, at: datetime) -> None:
    """Let somebody sign in again, with the password and authenticator they had."""
    if user.active:
        return
    user.active = True
    audit.record(by, "staff.enabled", user.subject, at=at)


def change_role(user: User, role: str, *, by: Actor | None, at: datetime) -> None:
    """Give another role, and end the sessions that had the old one. Raises Refused."""
    if role not in ROLES:
        raise Refused(NOT_A_ROLE, field="role")
    _not_self(user, by)
    if user.role == role:
        return
    _not_last_manager(user)
    before, user.role = user.role, role
    _end_sessions(user)
    audit.record(by, "staff.role_changed", user.subject, at=at, detail=f"{before} to {role}")


def _not_self(user: User, by: Actor | None) -> None:
    if by is not None and by.id == user.id:
        raise Refused(NOT_YOURSELF)


def _not_last_manager(user: User) -> None:
    if user.role != Role.MANAGER or not user.active:
        return
    # Locking every manager's row makes two managers who disable each other wait in turn (PostgreSQL).
    query = select(User.id).where(User.role == Role.MANAGER, User.active).with_for_update()
    if not set(db.session.scalars(query)) - {user.id}:
        raise Refused(LAST_MANAGER)


# ---- Sessions


def sessions_of(user: Actor, *, at: datetime) -> Sequence[StaffSession]:
    """Where somebody is signed in now, latest first."""
    query = (
        select(StaffSession)
        .where(
            StaffSession.user_id == user.id, StaffSession.expires_at > at, StaffSession.seen_at > at - IDLE
        )
        .order_by(StaffSession.seen_at.desc(), StaffSession.id.desc())
    )
    return db.session.scalars(query).all()


def end_session(user: Actor, session_id: int, *, by: Actor, at: datetime) -> None:
    """End one session of somebody; one that is over already is no fault."""
    ended = delete(StaffSession).where(StaffSession.id == session_id, StaffSession.user_id == user.id)
    if _changed(db.session.execute(ended)):
        audit.record(by, "staff.session_ended", f"user:{user.id}", at=at)


def end_sessions(user: User, *, by: Actor | None, at: datetime) -> None:
    """End all sessions of somebody, and whatever sign-in they were in the middle of."""
    _end_sessions(user)
    audit.record(by, "staff.sessions_ended", user.subject, at=at)


def end_other_sessions(user: Actor, keep: int | None, *, at: datetime) -> None:
    """End all sessions of somebody but this one."""
    others = delete(StaffSession).where(StaffSession.user_id == user.id)
    if keep is not None:
        others = others.where(StaffSession.id != keep)
    if _changed(db.session.execute(others)):
        audit.record(user, "staff.sessions_ended", f"user:{user.id}", at=at)


def _end_sessions(user: User) -> None:
    user.fs_uniquifier = secrets.token_hex(32)  # so that a sign-in begun before this cannot be finished
    db.session.execute(delete(StaffSession).where(StaffSession.user_id == user.id))


def purge(*, at: datetime) -> int:
    """Forget sessions that are over, and links a month after their end; returns how many rows went."""
    over = delete(StaffSession).where(or_(StaffSession.expires_at <= at, StaffSession.seen_at <= at - IDLE))
    old = delete(Invite).where(Invite.expires_at <= at - KEEP_USED_LINKS)
    return sum(_changed(db.session.execute(statement)) for statement in (over, old))


# ---- Mail


PASSWORD_CHANGED = "The password of your account was changed."  # noqa: S105 - a sentence
AUTHENTICATOR_SET = "A new authenticator app was set up for your account."
RECOVERY_CODE_USED = "A recovery code was used to sign in to your account."
RECOVERY_CODES_MADE = "New recovery codes were made for your account. The earlier ones no longer work."


def notify(user: Person, what: str, *, at: datetime) -> None:
    """Tell somebody by mail that how they sign in has changed: the one who did it may be somebody else."""
    mail.promise("people/notice", to=user.email, facts={"what": what}, cause=f"user:{user.id}", at=at)


def send_link(email: str, token: str, *, renews: bool, by: Actor, at: datetime) -> None:
    """Mail a one-use link to the person it is for."""
    mail.promise(
        "people/renewal" if renews else "people/invitation",
        to=normal_email(email),
        facts={"path": addresses.STAFF_INVITE.of(token=token), "sender": by.name},
        cause=f"user:{by.id}",
        at=at,
    )


# ---- Factors


def keep_password_hash(user_id: int, password_hash: str) -> None:
    """Keep the same password's hash with today's parameters."""
    _set(user_id, password=password_hash)


def advance_totp(user_id: int, counter: int) -> bool:
    """Burn one 30-second step, so that its code works once (RFC 6238, 5.2); False when it was burned already."""
    later = or_(User.totp_counter.is_(None), User.totp_counter < counter)
    burned = (
        update(User)
        .where(User.id == user_id, later)
        .values(totp_counter=counter)
        .execution_options(synchronize_session=False)
    )
    return bool(_changed(db.session.execute(burned)))


def keep_totp_secret(user_id: int, sealed: str) -> None:
    """Keep the same secret, sealed with today's key."""
    _set(user_id, tf_totp_secret=sealed)


def totp_counter(user_id: int) -> int | None:
    """The last 30-second step whose code this person used."""
    return db.session.scalar(select(User.totp_counter).where(User.id == user_id))


def make_recovery_codes(user: Person, *, at: datetime) -> list[str]:
    """Ten new codes, to be shown this once; the earlier ones are void, and the person is told by mail."""
    void = db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))
    if _changed(void):
        notify(user, RECOVERY_CODES_MADE, at=at)
    codes = [_new_code() for _ in range(RECOVERY_CODES)]
    db.session.add_all(
        RecoveryCode(user_id=user.id, digest=_code_digest(code), created_at=at) for code in codes
    )
    audit.record(user, "staff.recovery_codes_made", f"user:{user.id}", at=at)
    return codes


def spend_recovery_code(user: Person, code: str, *, at: datetime) -> bool:
    """Use up one code; of many at once exactly one gets True. The person is told by mail."""
    spent = (
        delete(RecoveryCode)
        .where(RecoveryCode.user_id == user.id, RecoveryCode.digest == _code_digest(code))
        .returning(RecoveryCode.id)
    )
    if db.session.scalar(spent) is None:
        return False
    audit.record(user, "staff.recovery_code_used", f"user:{user.id}", at=at)
    notify(user, RECOVERY_CODE_USED, at=at)
    return True


def recovery_codes_left(user: Actor) -> int:
    """How many codes somebody can still use."""
    query = select(func.count()).select_from(RecoveryCode).where(RecoveryCode.user_id == user.id)
    return db.session.scalar(query) or 0


def _new_code() -> str:
    groups = ("".join(secrets.choice(CODE_SIGNS) for _ in range(CODE_GROUP)) for _ in range(CODE_GROUPS))
    return "-".join(groups)


def _code_digest(code: str) -> str:
    """Of a code however it was typed: without hyphens and spaces, I and L as 1, O as 0 (Crockford)."""
    plain = "".join(_signs(code.upper())).translate(str.maketrans("ILO", "110"))
    return tokens.digest(plain)


def _signs(text: str) -> Iterable[str]:
    return (char for char in text if char.isalnum())


def _void_factors(user: User, *, password: str | None = None) -> None:
    user.password = password
    user.tf_primary_method = user.tf_totp_secret = None
    db.session.execute(delete(RecoveryCode).where(RecoveryCode.user_id == user.id))


def _set(user_id: int, **values: str) -> None:
    statement = update(User).where(User.id == user_id).values(**values)
    db.session.execute(statement.execution_options(synchronize_session=False))


def _changed(result: object) -> int:
    return result.rowcount if isinstance(result, CursorResult) else 0
