"""Staff, and what their signing in leaves behind: passkeys, one-use links, recovery codes, sessions.

Nothing here is a secret in plain text: the password is an argon2 hash, the secret of the authenticator is sealed
with a key made from SECRET_KEY, of links, codes and session ids the database knows only the SHA-256, and of a passkey
only the public key.
"""

from __future__ import annotations

from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    ColumnElement,
    Dialect,
    ForeignKey,
    Index,
    LargeBinary,
    Select,
    String,
    TypeDecorator,
    false,
    or_,
    select,
    type_coerce,
)
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, UTCDateTime
from portal.keeping import Kept
from portal.people.rights import RIGHTS, SETS, Right, Role, in_words, spelled

_ROLES_CHECK = f"roles IN ({', '.join(repr(spelled(roles)) for roles in SETS)})"

NAME_MAX = 128
IDLE = timedelta(minutes=30)  # a session without a page
EMAIL_MAX = 254
PASSKEY_NAME_MAX = 60
CREDENTIAL_MAX = 1364  # 1,023 bytes (Web Authentication Level 3, 4), as base64url


class RoleSet(TypeDecorator[frozenset[str]]):
    """Roles in one column, in the one spelling that a set of them has (decision 0068)."""

    impl = String(24)
    cache_ok = True

    def process_bind_param(self, value: frozenset[str] | str | None, _dialect: Dialect) -> str:
        """As it is kept; words that are spelled already go as they are, to be judged by the table's check."""
        return value if isinstance(value, str) else spelled(value or ())

    def process_result_value(self, value: str | None, _dialect: Dialect) -> frozenset[str]:
        """As the portal knows them."""
        return frozenset(map(Role, (value or "").split()))


class _HasRoles:
    """A row with a set of roles."""

    roles: Mapped[frozenset[str]] = mapped_column(RoleSet)

    @property
    def role_label(self) -> str:
        """The roles, as pages write them."""
        return in_words(self.roles)


class User(_HasRoles, Base):
    """A member of staff."""

    __tablename__ = "user"
    __table_args__ = (CheckConstraint(_ROLES_CHECK, name="roles"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(EMAIL_MAX), unique=True)  # always in lower case
    name: Mapped[str] = mapped_column(String(NAME_MAX))
    active: Mapped[bool] = mapped_column(default=True)
    # None while a link to set a new one is on its way.
    password: Mapped[str | None] = mapped_column(String(255))
    # What a session must hold to be this person's: a new one ends them all. (Random, and not unique by constraint:
    # to change a unique column PostgreSQL locks the row against whoever just writes a note or an answer.)
    session_key: Mapped[str] = mapped_column(String(64))
    # As `signin/codes.py` seals it; None until an authenticator app is set up.
    totp_secret: Mapped[str | None] = mapped_column(String(255))
    # The last 30-second step whose code was used (RFC 6238, 5.2).
    totp_counter: Mapped[int | None]
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)

    @property
    def subject(self) -> str:
        """How the audit trail names this person."""
        return f"user:{self.id}"

    def may(self, right: str) -> bool:
        """Whether any of their roles has this right."""
        return not self.roles.isdisjoint(RIGHTS[Right(right)])


def holding(*roles: str) -> ColumnElement[bool]:
    """Who has any of these roles: no word of a role is part of another's."""
    return or_(false(), *(type_coerce(User.roles, String).contains(role) for role in roles))


def holding_still(user_id: int) -> Select[User]:
    """Somebody as they stand now; locked (PostgreSQL), so that nobody disables them before this transaction ends."""
    found = select(User).where(User.id == user_id)
    return found.with_for_update(read=True).execution_options(populate_existing=True)


class RecoveryCode(Base):
    """One unused recovery code; a used one is gone."""

    __tablename__ = "recovery_code"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)


class Passkey(Base):
    """What an authenticator made for somebody; its secret never left it."""

    __tablename__ = "passkey"

    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    name: Mapped[str] = mapped_column(String(PASSKEY_NAME_MAX))  # its owner's words, to tell theirs apart
    credential_id: Mapped[str] = mapped_column(String(CREDENTIAL_MAX), unique=True)
    public_key: Mapped[bytes] = mapped_column(LargeBinary)  # COSE
    sign_count: Mapped[int] = mapped_column(BigInteger)  # 0 for ever with those that do not count
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class Invite(_HasRoles, Base):
    """A one-use link: it makes an account or, with `user_id`, gives one a new password and authenticator."""

    __tablename__ = "invite"
    __table_args__ = (CheckConstraint(_ROLES_CHECK, name="roles"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    # None: the first manager types it.
    email: Mapped[str | None] = mapped_column(String(EMAIL_MAX), index=True)
    name: Mapped[str] = mapped_column(String(NAME_MAX), default="")
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), index=True)
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)
    used_at: Mapped[datetime | None] = mapped_column(UTCDateTime)


class StaffSession(Base):
    """One browser: signed in when it has a user, else between the password and the second factor."""

    __tablename__ = "staff_session"
    __table_args__ = (Index("ix_staff_session_user_id_seen_at", "user_id", "seen_at"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    digest: Mapped[str] = mapped_column(String(64), unique=True)
    user_id: Mapped[int | None] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"))
    data: Mapped[dict[str, Any]] = mapped_column(JSON)
    browser: Mapped[str] = mapped_column(String(60), default="")  # "Firefox on Windows": to tell them apart
    created_at: Mapped[datetime] = mapped_column(UTCDateTime)
    seen_at: Mapped[datetime] = mapped_column(UTCDateTime)
    expires_at: Mapped[datetime] = mapped_column(UTCDateTime, index=True)


class Habit(Base):
    """How one person works at the desk: until when they are away, and whether keys act in the list."""

    __tablename__ = "desk_habit"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    away_until: Mapped[date | None]  # the last day of it, in the pharmacy's zone
    has_keys: Mapped[bool] = mapped_column(default=False)


class When(StrEnum):
    """When somebody is told of one kind of thing by mail."""

    NOW = "now"
    MORNING = "morning"
    NEVER = "never"


class Wish(Base):
    """What one member of staff is told by mail, and when; who has none is told of all at once.

    Between `quiet_from` and `quiet_to`, whole hours of the pharmacy's day, nothing goes: it waits for their end.
    """

    __tablename__ = "notice_wish"

    user_id: Mapped[int] = mapped_column(ForeignKey("user.id", ondelete="CASCADE"), primary_key=True)
    consultation: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    resource: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    given: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    heard: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    due: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    refused: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    handed_back: Mapped[str] = mapped_column(String(8), default=When.NOW.value)
    quiet_from: Mapped[int | None]
    quiet_to: Mapped[int | None]
    told_at: Mapped[datetime | None] = mapped_column(UTCDateTime)  # the last morning's mail


KEPT = (
    Kept(
        table="desk_habit",
        rule="as long as the account; until when somebody is out of office, and nothing of why",
        of=("user_id", "user"),
        exported=("away_until", "has_keys"),
    ),
    Kept(
        table="notice_wish",
        rule="as long as the account; what somebody is told by mail, and when",
        of=("user_id", "user"),
    ),
    Kept(
        table="user",
        personal=("email", "name"),
        rule="as long as the account; disabled, it stays, because requests and the audit trail name it",
        whose=("email",),
        exported=("email", "name", "roles", "active", "created_at"),
    ),
    Kept(table="recovery_code", rule="until it is used or made anew; only its hash", of=("user_id", "user")),
    Kept(
        table="passkey",
        personal=("name",),
        rule="until it is removed or the sign-in is reset; its public key and its owner's name for it",
        of=("user_id", "user"),
        exported=("name", "created_at", "used_at"),
    ),
    Kept(
        table="invite",
        personal=("email", "name"),
        rule="30 days after its end",
        after=timedelta(days=30),
        since="expires_at",
        whose=("email",),
        exported=("email", "name", "roles", "created_at", "expires_at", "used_at"),
    ),
    Kept(
        table="staff_session",
        personal=("browser",),
        rule="30 minutes after its last use",
        after=IDLE,
        since="seen_at",
        of=("user_id", "user"),
        exported=("browser", "created_at", "seen_at", "expires_at"),
    ),
)
