"""A member of staff as Flask-Security wants one: the same row as `models.User`, with the library's methods.

It is a second mapping of one table, so that services, the worker and the commands know `User` without loading
Flask-Security (0.12 s and 10 MiB). Only the staff app uses it; it writes nothing but factors.
"""

from __future__ import annotations

from typing import Any

from flask_security import RoleMixin, SQLAlchemyUserDatastore, UserMixin
from sqlalchemy import select

from portal.db import Base, db
from portal.people import service
from portal.people.models import ROLE_LABELS, Role, User
from portal.signin import passwords


class Held(RoleMixin):
    """A role as Flask-Security wants one."""

    def __init__(self, name: str) -> None:
        self.name = name


class Member(UserMixin, Base):
    """Whoever is signing in, or signed in."""

    __table__ = User.__table__
    __allow_unmapped__ = True  # the annotations below only say what the table's columns are
    __hash__ = object.__hash__

    name: str
    role: str

    @property
    def roles(self) -> list[RoleMixin]:  # type: ignore[override]
        """The one role, in a list."""
        return [Held(self.role)]

    @property
    def role_label(self) -> str:
        """The role, as pages write it."""
        return ROLE_LABELS[Role(self.role)]

    def verify_and_update_password(self, password: str) -> bool:
        """Whether this is the password; its hash is renewed at sign-in alone (`forms.SignInForm`)."""
        return len(password) <= passwords.LENGTH_MAX and passwords.matches(self.password, password)


class Members(SQLAlchemyUserDatastore):
    """Finds members for Flask-Security."""

    def __init__(self) -> None:
        super().__init__(db, Member, Held)

    def find_user(self, case_insensitive: bool = False, **kwargs: Any) -> Member | None:
        """The member with that address or fs_uniquifier; addresses are kept in one spelling."""
        [(name, value)] = kwargs.items()
        if name == "email":
            value = service.normal_email(value)
        return db.session.scalar(select(Member).where(getattr(Member, name) == value))
