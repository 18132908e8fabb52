"""People with accounts, and browsers that sign in as a person does: page by page, with CSRF on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import count

import pytest
from argon2 import PasswordHasher
from flask import Flask
from sqlalchemy import select, update

from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.people import invitations
from portal.people.models import StaffSession, User
from portal.signin import codes, passwords
from tests import totp, world
from tests.conftest import Clock
from tests.pages import Page, Visitor

PASSWORD = "seven quiet herons wade at dawn"
QUICK = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1)
PASSWORD_HASH = QUICK.hash(PASSWORD)


@dataclass
class Person:
    """Somebody with an account, and what they know."""

    id: int
    email: str
    name: str
    key: str  # of their authenticator app
    clock: Clock

    def code(self) -> str:
        """What the app shows now."""
        return totp.code(self.key, self.clock().timestamp())

    def next_code(self) -> str:
        """A code that was not shown before."""
        self.clock.tick(totp.STEP)
        return self.code()


@pytest.fixture(autouse=True)
def quick_hashes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Passwords cost next to nothing, but where a test asks for `pinned_hashes`."""
    if "pinned_hashes" not in request.fixturenames:
        monkeypatch.setattr(passwords, "_hasher", QUICK)


@pytest.fixture
def pinned_hashes() -> Iterator[None]:
    """Hashes as they are made in production."""
    passwords._nobodys.cache_clear()
    yield
    passwords._nobodys.cache_clear()


@pytest.fixture
def make_person(app: Flask, staff_app: Flask, clock: Clock) -> Callable[..., Person]:
    """Make a member of staff who has a password and an authenticator app."""
    numbers = count(1)

    def make(role: str = "desk", name: str = "") -> Person:
        name = name or f"Person {next(numbers)}"
        email = f"{name.lower().replace(' ', '.')}@pharmacy.example"
        with staff_app.app_context():
            secret = codes.new_secret()
            with transaction():
                user = world.employ(name, role, password=PASSWORD_HASH, totp_secret=secret)
                user_id = user.id
            return Person(user_id, email, name, codes.key(secret), clock)

    return make


def give_password(visitor: Visitor, person: Person, password: str = PASSWORD) -> Page:
    """The first step of signing in."""
    page = visitor.open("/staff/login")
    return page.fill("Email", person.email).fill("Password", password).press("Sign in", wait=0)


def sign_in(visitor: Visitor, person: Person) -> Page:
    """Both steps; ends at the queue."""
    page = give_password(visitor, person)
    assert page.title == "Enter your code", page.text
    page = page.fill("Code", person.next_code()).press("Continue", wait=0)
    assert page.address == "/staff/requests", page.text
    return page


@pytest.fixture
def signed_in(
    make_person: Callable[..., Person], new_visitor: Callable[[], Visitor]
) -> Callable[..., Visitor]:
    """Somebody of a role with a browser that is signed in: `.person` says who."""

    def make(role: str = "desk", name: str = "") -> Visitor:
        visitor = new_visitor()
        visitor.person = make_person(role, name)
        sign_in(visitor, visitor.person)
        return visitor

    return make


@pytest.fixture
def trail(app: Flask) -> Callable[[], list[tuple[str, str, str]]]:
    """The audit trail: who, what, about what."""

    def read() -> list[tuple[str, str, str]]:
        with app.app_context():
            rows = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id)).all()
            return [(row.actor_name, row.action, row.subject) for row in rows]

    return read


@pytest.fixture
def link(app: Flask) -> Callable[..., str]:
    """Make a one-use link; returns its token."""

    def make(email: str = "new.person@pharmacy.example", role: str = "desk", name: str = "") -> str:
        with app.app_context(), transaction():
            return invitations.invite(email=email, roles=role.split(), name=name, by=None, at=now())

    return make


@pytest.fixture
def change(app: Flask) -> Callable[..., None]:
    """Change columns of a person's row."""

    def write(user_id: int, **values: object) -> None:
        with app.app_context(), transaction():
            db.session.execute(update(User).where(User.id == user_id).values(**values))

    return write


@pytest.fixture
def user(app: Flask) -> Callable[[int], User]:
    """A person's row as it is now."""

    def read(user_id: int) -> User:
        with app.app_context():
            found = db.session.get(User, user_id)
            assert found is not None
            db.session.expunge(found)
            return found

    return read


@pytest.fixture
def sessions(app: Flask) -> Callable[[], list[StaffSession]]:
    """Every session row, oldest first."""

    def read() -> list[StaffSession]:
        with app.app_context():
            rows = list(db.session.scalars(select(StaffSession).order_by(StaffSession.id)))
            db.session.expunge_all()
            return rows

    return read


def cookie_of(visitor: Visitor) -> str:
    """The value of the session cookie."""
    found = visitor.client.get_cookie("staff", domain="localhost")
    return found.value if found else ""


def is_signed_in(visitor: Visitor) -> bool:
    """Whether this browser gets the queue."""
    answer = visitor.get("/staff/requests")
    assert answer.status_code in (200, 302)
    return answer.status_code == 200
