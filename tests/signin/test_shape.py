"""How the views of signing in are built: pure forms, nothing slow in a transaction, and guards where posts race."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask, before_render_template
from sqlalchemy import event
from werkzeug.datastructures import MultiDict

from portal import db as database
from portal.clock import now
from portal.db import db, transaction
from portal.people import accounts, credentials, invitations
from portal.people.models import User
from portal.signin import forms, passwords
from tests import totp
from tests.conftest import Clock
from tests.pages import Visitor
from tests.signin.conftest import PASSWORD, Person, give_password, is_signed_in, sign_in

MakePerson = Callable[..., Person]
NewVisitor = Callable[[], Visitor]
FORMS = [
    form for form in vars(forms).values() if isinstance(form, type) and form.__module__ == forms.__name__
]


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_a_form_asks_no_database_and_counts_nothing(form: Any, staff_app: Flask) -> None:
    filled = {
        "email": "ada@pharmacy.example",
        "name": "Ada Okafor",
        "password": PASSWORD,
        "new_password": "otters nap under the pier",
        "code": "123456",
    }
    staff_app.extensions["throttle"].clear()

    def refuse(*_: object) -> None:
        pytest.fail("a form asked the database")

    with staff_app.test_request_context(method="POST", data=filled):
        engine = db.engine
        event.listen(engine, "before_cursor_execute", refuse)
        try:
            made = form(MultiDict(filled), meta={"csrf": False})
            made.validate()
        finally:
            event.remove(engine, "before_cursor_execute", refuse)

    assert [name for name in made.errors if name in filled] == []


def test_nothing_is_hashed_or_rendered_in_a_transaction(
    staff_app: Flask, make_person: MakePerson, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nor does whoever waits for a turn to hash hold a connection."""
    person, seen = make_person("manager"), []

    def look(what: str) -> None:
        assert not database._writing.get(), what
        seen.append(what)

    def watched(verb: Callable[..., Any]) -> Callable[..., Any]:
        def run(*args: Any) -> Any:
            look("hash")
            assert not db.session().in_transaction()
            return verb(*args)

        return run

    monkeypatch.setattr(passwords, "matches", watched(passwords.matches))
    monkeypatch.setattr(passwords, "hashed", watched(passwords.hashed))

    def rendered(*_: object, template: Any, **__: object) -> None:
        if template.name.startswith("signin/"):
            look(template.name)

    with before_render_template.connected_to(rendered, staff_app):
        give_password(visitor, person, "not this one, surely")
        sign_in(visitor, person)
        visitor.open("/staff/verify").fill("Password", PASSWORD).press("Continue", status=303)
        visitor.open("/staff/mf-recovery-codes").press("Make recovery codes", status=200)
        page = visitor.open("/staff/change").fill("Your password now", PASSWORD)
        page.fill("New password", "otters nap under the pier").press("Change password", status=303)

    assert seen.count("hash") >= 5
    assert {"signin/login.html", "signin/code.html", "signin/recovery_codes.html"} <= set(seen)


def test_a_password_that_a_manager_voids_meanwhile_cannot_be_changed(
    app: Flask, make_person: MakePerson, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, user: Any
) -> None:
    person = make_person()
    sign_in(visitor, person)
    page = visitor.open("/staff/change").fill("Your password now", PASSWORD)
    hashed = passwords.hashed

    def voided(password: str) -> str:
        with app.app_context(), transaction():
            invitations.renew(accounts.get(person.id), by=None, at=now())
        return hashed(password)

    monkeypatch.setattr(passwords, "hashed", voided)
    page.fill("New password", "otters nap under the pier").press("Change password", status=409)

    assert user(person.id).password is None
    assert not is_signed_in(visitor)


def test_a_sign_in_whose_password_is_voided_while_it_is_checked_opens_nothing(
    app: Flask, make_person: MakePerson, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else the old password would be enough to set up an authenticator for the account."""
    person, matches = make_person(), passwords.matches

    def voided(kept: str | None, password: str) -> bool:
        with app.app_context(), transaction():
            invitations.renew(accounts.get(person.id), by=None, at=now())
        return matches(kept, password)

    monkeypatch.setattr(passwords, "matches", voided)
    page = visitor.open("/staff/login").fill("Email", person.email).fill("Password", PASSWORD)
    page.press("Sign in", status=303, follow=False)

    for place in ("/staff/tf-setup", "/staff/tf-setup/app", "/staff/tf-validate"):
        assert "/staff/login" in visitor.get(place).headers["Location"], place


def test_the_first_app_is_set_up_once(
    app: Flask,
    make_person: MakePerson,
    new_visitor: NewVisitor,
    change: Callable[..., None],
    clock: Clock,
    user: Callable[[int], User],
) -> None:
    """Two browsers past the password: whoever confirms an app first has the account's, the other starts over."""
    person = make_person()
    change(person.id, totp_secret=None)
    pages = [give_password(new_visitor(), person).press("Continue", status=303) for _ in range(2)]
    keys = [re.search(r"Key: ([A-Z2-7 ]+?) Copy", page.text)[1] for page in pages]
    codes = [totp.code(key, clock().timestamp()) for key in keys]

    pages[0].fill("Code", codes[0]).press("Finish set-up", status=303, wait=0)
    kept = user(person.id).totp_secret
    pages[1].fill("Code", codes[1]).press("Finish set-up", status=409, wait=0)

    assert user(person.id).totp_secret == kept
    assert is_signed_in(pages[0].visitor)
    assert not is_signed_in(pages[1].visitor)


def test_who_has_an_app_cannot_set_up_another_with_the_password_alone(
    make_person: MakePerson, visitor: Visitor
) -> None:
    give_password(visitor, make_person())

    for place in ("/staff/tf-setup", "/staff/tf-setup/app"):
        assert "/staff/tf-" in visitor.get(place).headers["Location"]
        assert visitor.get(place).status_code in (302, 303)


def test_an_old_hash_is_not_put_over_a_new_password(app: Flask, make_person: MakePerson) -> None:
    person = make_person()
    with app.app_context(), transaction():
        whom = accounts.get(person.id)
        earlier = whom.password
        credentials.change_password(whom, earlier=earlier, password_hash="new", at=now())
        credentials.keep_password_hash(whom, earlier, "the old one, renewed")

    with app.app_context():
        assert accounts.get(person.id).password == "new"
