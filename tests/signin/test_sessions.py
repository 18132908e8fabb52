"""Staff sessions: fixation, idle and absolute limits, single ends, and no row for who merely looks."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import event

from portal import audit, keeping, tokens
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Unavailable
from portal.people import accounts, credentials
from portal.people.models import StaffSession
from portal.signin import sessions as session_store
from tests.conftest import Clock
from tests.pages import Visitor
from tests.passkey import Authenticator
from tests.signin.conftest import PASSWORD, Person, cookie_of, give_password, is_signed_in, sign_in

MakePerson = Callable[..., Person]
Rows = Callable[[], list[StaffSession]]
SignedIn = Callable[..., Visitor]


def test_somebody_who_looks_has_no_row(visitor: Visitor, sessions: Rows, link: Callable[..., str]) -> None:
    visitor.open("/staff/login")
    visitor.open(f"/staff/invite/{link()}")
    visitor.get("/staff/requests")

    assert sessions() == []
    assert cookie_of(visitor)


def test_a_stranger_at_a_closed_door_gets_no_cookie(visitor: Visitor) -> None:
    assert "Set-Cookie" not in visitor.get("/staff/requests").headers


def test_the_cookie_of_who_looks_can_hold_nothing_but_the_form_secret(
    visitor: Visitor, staff_app: Flask, make_person: MakePerson, sessions: Rows
) -> None:
    person = make_person("manager")
    with staff_app.app_context():
        forged = session_store._signer().dumps(
            {"key": f"{person.name}-manager", "user": person.id, "csrf_token": "x"}
        )
    visitor.client.set_cookie("staff", forged, domain="localhost")

    assert not is_signed_in(visitor)
    visitor.client.set_cookie("staff", forged[:-2] + "xx", domain="localhost")
    assert not is_signed_in(visitor)


def test_the_cookie_is_new_at_each_step_and_the_old_one_opens_nothing(
    make_person: MakePerson, visitor: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    person = make_person()
    visitor.open("/staff/login")
    first = cookie_of(visitor)
    page = give_password(visitor, person)
    second = cookie_of(visitor)
    page.fill("Code", person.next_code()).press("Continue", wait=0)
    third = cookie_of(visitor)

    assert len({first, second, third}) == 3
    for planted in (first, second):
        thief = new_visitor()
        thief.client.set_cookie("staff", planted, domain="localhost")
        assert not is_signed_in(thief)
    assert is_signed_in(visitor)


def test_an_id_chosen_by_somebody_else_is_never_taken(
    make_person: MakePerson, visitor: Visitor, sessions: Rows
) -> None:
    visitor.client.set_cookie("staff", "A" * 43, domain="localhost")

    sign_in(visitor, make_person())

    assert cookie_of(visitor) != "A" * 43
    assert tokens.digest("A" * 43) not in {row.digest for row in sessions()}


def test_the_token_of_the_sign_in_page_is_void_after_it(make_person: MakePerson, visitor: Visitor) -> None:
    token = visitor.open("/staff/login").soup.find("input", {"name": "csrf_token"})["value"]
    sign_in(visitor, make_person())

    assert visitor.post("/staff/logout", data={"csrf_token": token}).status_code == 400
    assert is_signed_in(visitor)


def test_the_database_has_only_the_hash(signed_in: SignedIn, sessions: Rows) -> None:
    visitor = signed_in()
    cookie = cookie_of(visitor)

    [row] = sessions()

    assert row.digest == tokens.digest(cookie)
    assert len(cookie) == 43
    assert cookie not in repr((row.data, row.browser))
    assert row.user_id == visitor.person.id


def test_the_cookie_is_guarded(make_person: MakePerson, visitor: Visitor, staff_app: Flask) -> None:
    answer = visitor.get("/staff/login")
    [line] = answer.headers.getlist("Set-Cookie")

    assert line.split("=")[0] == "staff"
    assert {"HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))
    assert "Max-Age" not in line
    assert "Domain" not in line


def test_behind_https_the_cookies_are_host_cookies(
    visitor: Visitor, change_settings: Callable[..., None]
) -> None:
    change_settings(BASE_URL="https://localhost:8000")

    [line] = visitor.get("/staff/login").headers.getlist("Set-Cookie")

    assert line.startswith("__Host-staff=")
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(line.split("; "))


@pytest.mark.parametrize(("minutes", "alive"), [(29, True), (31, False)])
def test_a_session_ends_after_half_an_hour_without_a_page(
    minutes: int, alive: bool, signed_in: SignedIn, clock: Clock
) -> None:
    visitor = signed_in()

    clock.tick(minutes=minutes)

    assert is_signed_in(visitor) is alive


def test_a_session_ends_after_twelve_hours_whatever_is_done(signed_in: SignedIn, clock: Clock) -> None:
    visitor = signed_in()
    begun = clock()

    for minutes in (*range(29, 719, 29), 719):
        clock.set(begun + timedelta(minutes=minutes))
        assert is_signed_in(visitor)

    clock.set(begun + timedelta(minutes=721))
    assert not is_signed_in(visitor)


def test_reading_notes_the_time_at_most_once_a_minute(
    signed_in: SignedIn, clock: Clock, sessions: Rows, staff_app: Flask
) -> None:
    visitor = signed_in()
    visitor.open("/staff/account")
    writes: list[str] = []
    with staff_app.app_context():
        engine = db.engine

    def note(_c: object, _u: object, statement: str, *_more: object) -> None:
        if statement.split()[0] in ("INSERT", "UPDATE", "DELETE"):
            writes.append(" ".join(statement.split()[:4]))

    event.listen(engine, "before_cursor_execute", note)
    try:
        for _ in range(6):
            clock.tick(seconds=25)
            visitor.open("/staff/account")
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert len(writes) == 2
    assert all(write.startswith("UPDATE staff_session SET") for write in writes)


def test_nobody_has_more_than_five_sessions(
    app: Flask, make_person: MakePerson, new_visitor: Callable[[], Visitor], sessions: Rows, clock: Clock
) -> None:
    person = make_person()
    visitors = [new_visitor() for _ in range(7)]

    for visitor in visitors:
        app.extensions["throttle"].clear()
        sign_in(visitor, person)
        clock.tick(minutes=2)

    assert [is_signed_in(visitor) for visitor in visitors] == [False] * 2 + [True] * 5
    assert len(sessions()) == 5


def test_a_disabled_person_is_out_at_once(
    signed_in: SignedIn, app: Flask, change: Callable[..., None]
) -> None:
    visitor, half = signed_in(), signed_in()
    with app.app_context(), transaction():
        accounts.disable(accounts.get(visitor.person.id), by=None, at=now())

    assert not is_signed_in(visitor)
    change(half.person.id, active=False)  # whatever way it came about
    assert not is_signed_in(half)


ENDS_ALL = ["signed out", "disabled", "roles", "password", "app", "passkey", "passkey removed", "the button"]


@pytest.mark.parametrize("what", ENDS_ALL)
def test_a_sign_in_begun_before_the_end_cannot_be_finished(
    what: str, make_person: MakePerson, new_visitor: Callable[[], Visitor], app: Flask
) -> None:
    """Who knows the password, and waits for the code, is as far from in as before it was given."""
    owner, person = new_visitor(), make_person("pharmacist")
    owner.person = person
    sign_in(owner, person)
    if what in ("passkey removed", "the button"):
        end_all("passkey", owner, app)
        sign_in(new_visitor(), person)
    waiting = give_password(new_visitor(), person)

    end_all(what, owner, app)

    waiting.fill("Code", person.next_code()).press("Continue", wait=0)
    assert not is_signed_in(waiting.visitor)
    assert is_signed_in(owner) is (what not in ENDS_ALL[:3])


def end_all(what: str, owner: Visitor, app: Flask) -> None:
    """Do what ends all else that somebody began, by their own page or from elsewhere."""
    person, page = owner.person, owner.open("/staff/account")
    if what == "password":
        page = page.follow("Change your password").fill("Your password now", PASSWORD)
        page.fill("New password", "otters nap under the pier").press("Change password", status=303)
    elif what == "app":
        page = page.follow("Set up another authenticator app").press("Continue", status=303)
        person.key = re.search(r"Key: ([A-Z2-7 ]+?) Copy", page.text)[1]
        page.fill("Code", person.next_code()).press("Finish set-up", status=303, wait=0)
    elif what == "passkey":
        page = page.follow("Add a passkey").fill("Name", "Laptop").press("Continue", status=303, wait=0)
        made = Authenticator().make(json.loads(page.soup.find(id="passkey")["data-asked"]))
        page.set(credential=made).press("Try again", status=303, wait=0)
    elif what == "passkey removed":
        page.press("Remove Laptop", status=303, wait=0)
    elif what == "the button":
        page.press("End all other sessions", status=303, wait=0).sees("All other sessions are ended")
    else:
        with app.app_context(), transaction():
            whom = accounts.get(person.id)
            if what == "disabled":
                accounts.disable(whom, by=None, at=now())
            elif what == "roles":
                accounts.change_roles(whom, ["desk"], by=None, at=now())
            else:
                credentials.end_sessions(whom, by=None, at=now())


def test_a_session_that_is_not_wholly_its_persons_is_no_session(
    signed_in: SignedIn, app: Flask, sessions: Rows
) -> None:
    """The row must say whose it is, and hold the key that is theirs now."""
    visitor, other = signed_in("manager"), signed_in("manager")
    row_id, own = sessions()[0].id, f"{visitor.person.name}-manager"
    for user_id, key in ((None, own), (visitor.person.id, "an earlier key"), (other.person.id, own)):
        with app.app_context(), transaction():
            row = db.session.get(StaffSession, row_id)
            row.user_id, row.data = user_id, {**row.data, "key": key, "user": visitor.person.id}

        assert not is_signed_in(visitor)


def test_a_new_password_ends_the_other_sessions_and_keeps_this_one(
    make_person: MakePerson, visitor: Visitor, new_visitor: Callable[[], Visitor], sessions: Rows
) -> None:
    person, other = make_person(), new_visitor()
    sign_in(other, person)
    sign_in(visitor, person)
    [_, before] = sessions()
    old = cookie_of(visitor)
    new = "otters nap under the pier"

    page = visitor.open("/staff/change").fill("Your password now", PASSWORD).fill("New password", new)
    page.press("Change password", status=303).sees("Your password is changed")

    assert is_signed_in(visitor)
    assert not is_signed_in(other)
    [after] = sessions()
    assert cookie_of(visitor) != old
    assert (after.created_at, after.expires_at) == (before.created_at, before.expires_at)
    assert give_password(other, person, PASSWORD).status == 422
    assert give_password(other, person, new).title == "Enter your code"


def test_giving_the_password_again_makes_a_new_id(
    signed_in: SignedIn, sessions: Rows, stale: Callable[..., None]
) -> None:
    visitor = signed_in("manager")
    stale(visitor)
    old, [before] = cookie_of(visitor), sessions()
    visitor.open("/staff/people")
    assert "/staff/verify?next=" in visitor.get("/staff/people/invite").headers["Location"]

    page = (
        visitor.open("/staff/verify?next=/staff/people")
        .fill("Password", "not this one")
        .press("Continue", status=422)
    )
    page = page.fill("Password", PASSWORD).press("Continue", status=303)

    assert page.title == "People"
    [after] = sessions()
    assert cookie_of(visitor) != old
    assert after.expires_at == before.expires_at


@pytest.fixture
def stale(app: Flask) -> Callable[[Visitor], None]:
    """Make it long ago that somebody gave their password."""

    def age(visitor: Visitor) -> None:
        with app.app_context(), transaction():
            row = db.session.query(StaffSession).filter_by(digest=tokens.digest(cookie_of(visitor))).one()
            row.data = {**row.data, "password_at": row.data["password_at"] - 11 * 60}

    return age


@pytest.mark.parametrize("place", ["/staff/people/invite", "/staff/mf-recovery-codes", "/staff/tf-setup"])
def test_what_opens_doors_asks_for_the_password_again(
    place: str, signed_in: SignedIn, stale: Callable[[Visitor], None]
) -> None:
    visitor = signed_in("manager")
    visitor.open(place)

    stale(visitor)

    assert "/staff/verify" in visitor.get(place).headers["Location"]


def test_a_new_authenticator_ends_the_other_sessions(
    make_person: MakePerson, visitor: Visitor, new_visitor: Callable[[], Visitor], clock: Clock
) -> None:
    person, other = make_person(), new_visitor()
    sign_in(other, person)
    sign_in(visitor, person)
    old_code = person.next_code
    page = (
        visitor.open("/staff/account")
        .follow("Set up another authenticator app")
        .press("Continue", status=303)
    )
    key = re.search(r"Key: ([A-Z2-7 ]+?) Copy", page.text)[1]

    page = page.fill("Code", old_code()).press("Finish set-up", status=422)
    assert key in page.text
    person.key = key
    page = page.fill("Code", person.next_code()).press("Finish set-up", status=303, wait=0)

    page.sees("Your new authenticator app is set up")
    assert is_signed_in(visitor)
    assert not is_signed_in(other)


def test_old_rows_are_swept_and_live_ones_stay(
    signed_in: SignedIn, make_person: MakePerson, visitor: Visitor, app: Flask, clock: Clock, sessions: Rows
) -> None:
    give_password(visitor, make_person())
    clock.tick(minutes=20)
    live = signed_in()
    clock.tick(minutes=20)

    with app.app_context():
        keeping.forget(now())

    assert [row.user_id for row in sessions()] == [live.person.id]


def test_a_storage_fault_is_said_and_signs_nobody_in(
    make_person: MakePerson, visitor: Visitor, sessions: Rows, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The row of the session cannot be written: 503, no cookie, and nobody is signed in."""
    person = make_person()
    page = give_password(visitor, person)
    before = cookie_of(visitor)

    address, data = page.fill("Code", person.next_code()).data("Continue")
    monkeypatch.setattr(session_store, "insert", _failing_insert)
    answer = visitor.post(address, data=data)
    monkeypatch.undo()

    assert answer.status_code == 503
    assert "Location" not in answer.headers
    assert answer.headers["Content-Security-Policy"]
    assert cookie_of(visitor) == before
    assert all(row.user_id is None for row in sessions())


def _failing_insert(*_: object) -> object:
    raise Unavailable("Nothing was saved.")


def test_a_rolled_back_post_leaves_the_session_as_it_was(
    make_person: MakePerson, visitor: Visitor, monkeypatch: pytest.MonkeyPatch, sessions: Rows
) -> None:
    person = make_person()
    address, data = give_password(visitor, person).fill("Code", person.next_code()).data("Continue")

    def refuse(*_: object, **__: object) -> None:
        raise Unavailable("Nothing was saved.")

    with monkeypatch.context() as patch:
        patch.setattr(audit, "record", refuse)
        assert visitor.post(address, data=data).status_code == 503
    assert not is_signed_in(visitor)

    assert visitor.post(address, data=data).status_code == 303
    assert is_signed_in(visitor)
