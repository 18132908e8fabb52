"""Links, roles and passwords, where no page is needed to show it."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal import keeping
from portal.clock import now
from portal.db import db, transaction
from portal.errors import Expired, NotFound, PortalError, Refused
from portal.people import accounts, credentials, invitations, wishes
from portal.people.models import Invite, User
from portal.signin import passwords
from tests.conftest import Clock
from tests.signin.conftest import PASSWORD, PASSWORD_HASH, Person

MakePerson = Callable[..., Person]
Link = Callable[..., str]


@pytest.fixture
def accept(app: Flask) -> Callable[..., int]:
    """Spend a link; returns the id of the account."""

    def spend(token: str, **values: str) -> int:
        with app.app_context(), transaction():
            made = invitations.accept(
                token, **{"name": "Grace Hall", "password_hash": PASSWORD_HASH, **values}, at=now()
            )
            return made.id

    return spend


def test_a_link_works_once(link: Link, accept: Callable[..., int]) -> None:
    token = link()
    accept(token)

    with pytest.raises(Expired):
        accept(token)


def test_of_eight_who_press_at_once_one_has_the_account(
    app: Flask, link: Link, accept: Callable[..., int]
) -> None:
    token, gate, results = link(), threading.Barrier(8), []

    def press() -> None:
        gate.wait()
        try:
            results.append(accept(token))
        except PortalError as error:
            results.append(type(error))

    threads = [threading.Thread(target=press) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(map(str, results)) == ["1"] + [str(Expired)] * 7
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(User)) == 1


@pytest.mark.parametrize(("hours", "works"), [(23, True), (24, False)])
def test_a_link_works_for_a_day(
    hours: int, works: bool, link: Link, accept: Callable[..., int], clock: Clock
) -> None:
    token = link()
    clock.tick(hours=hours)

    if works:
        assert accept(token)
    else:
        with pytest.raises(Expired):
            accept(token)


def test_a_link_is_long_and_only_its_hash_is_kept(app: Flask, link: Link) -> None:
    token = link()

    assert len(token) >= 43
    with app.app_context():
        kept = db.session.scalars(select(Invite)).one()
        assert token not in repr(vars(kept))


def test_an_unknown_link_is_not_found(accept: Callable[..., int]) -> None:
    with pytest.raises(NotFound):
        accept("no-such-link")


def test_a_newer_link_voids_the_one_before(link: Link, accept: Callable[..., int]) -> None:
    older, newer = link("Ada@Pharmacy.example"), link(" ada@pharmacy.example ")

    with pytest.raises(NotFound):
        accept(older)
    assert accept(newer)


@pytest.mark.parametrize(
    "email",
    ["", "ada", "ada@", "a b@c.example", "ada@pharmacy.example\r\nBcc: x@y.example", "аda@pharmacy.example"],
)
def test_what_is_no_address_is_refused(app: Flask, email: str) -> None:
    with app.app_context(), pytest.raises(Refused) as refused, transaction():
        invitations.invite(email=email, roles=("desk",), by=None, at=now())

    assert refused.value.field == "email"


def test_a_role_that_is_none_is_refused(app: Flask) -> None:
    with app.app_context(), pytest.raises(Refused) as refused, transaction():
        invitations.invite(email="a@b.example", roles=("root",), by=None, at=now())

    assert refused.value.field == "roles"


def test_a_manager_cannot_invite_who_is_there_but_the_command_line_renews(
    app: Flask, make_person: MakePerson, accept: Callable[..., int], user: Callable[[int], User]
) -> None:
    manager, person = make_person("manager"), make_person("pharmacist")
    with app.app_context(), pytest.raises(Refused), transaction():
        invitations.invite(email=person.email, roles=("desk",), by=accounts.get(manager.id), at=now())

    with app.app_context(), transaction():
        token = invitations.invite(email=person.email, roles=("desk",), by=None, at=now())

    assert user(person.id).password is None
    assert user(person.id).totp_secret is None
    assert accept(token, name="New Name") == person.id
    assert (user(person.id).roles, user(person.id).name) == ({"pharmacist"}, "New Name")


def test_there_is_no_first_manager_once_there_is_anybody(
    app: Flask, make_person: MakePerson, accept: Callable[..., int]
) -> None:
    with app.app_context(), transaction():
        token = invitations.invite_first_manager(at=now())
    make_person()

    with pytest.raises(Expired):
        accept(token, email="late@pharmacy.example")
    with app.app_context(), pytest.raises(Refused), transaction():
        invitations.invite_first_manager(at=now())


def test_a_fresh_portal_has_nobody(app: Flask) -> None:
    with app.app_context():
        assert not accounts.has_staff()
        assert accounts.people() == []
        assert wishes.told_now("consultation", now()) == {}


def test_notices_go_to_the_active(app: Flask, make_person: MakePerson, change: Callable[..., None]) -> None:
    ada, grace = make_person("desk", "Ada"), make_person("manager", "Grace")
    change(ada.id, active=False)

    with app.app_context():
        assert wishes.told_now("consultation", now()) == {None: [grace.email]}
        assert [person.name for person in accounts.people()] == ["Grace", "Ada"]


@pytest.mark.parametrize("act", ["disable", "change_roles"])
def test_the_last_manager_stays(
    act: str, app: Flask, make_person: MakePerson, user: Callable[[int], User]
) -> None:
    manager, other = make_person("manager"), make_person("desk")

    with app.app_context(), pytest.raises(Refused) as refused, transaction():
        whom, by = accounts.get(manager.id), accounts.get(other.id)
        if act == "disable":
            accounts.disable(whom, by=by, at=now())
        else:
            accounts.change_roles(whom, ("desk", "pharmacist"), by=by, at=now())

    assert refused.value.message == accounts.LAST_MANAGER
    assert user(manager.id).active
    assert user(manager.id).roles == {"manager"}


def test_a_manager_with_more_roles_is_a_manager(
    app: Flask, make_person: MakePerson, user: Callable[[int], User]
) -> None:
    """The last may get roles besides; beside another, one with several may lose this one."""
    last, by = make_person("manager"), make_person("desk")
    with app.app_context(), transaction():
        accounts.change_roles(accounts.get(last.id), ("manager", "desk"), by=accounts.get(by.id), at=now())
    both = make_person("pharmacist manager")

    with app.app_context(), transaction():
        accounts.change_roles(accounts.get(last.id), ("desk",), by=accounts.get(both.id), at=now())
    with app.app_context(), pytest.raises(Refused, match="last manager"), transaction():
        accounts.change_roles(accounts.get(both.id), ("pharmacist",), by=accounts.get(last.id), at=now())

    assert (user(last.id).roles, user(both.id).roles) == ({"desk"}, {"pharmacist", "manager"})


@pytest.mark.parametrize("act", ["disable", "change_roles"])
def test_who_became_the_last_manager_meanwhile_stays(
    act: str, app: Flask, make_person: MakePerson, user: Callable[[int], User]
) -> None:
    """Somebody was read as a pharmacist; before the act they are made the only manager."""
    manager, other = make_person("manager"), make_person("pharmacist")

    def swap() -> None:
        with app.app_context(), transaction():
            accounts.change_roles(accounts.get(other.id), ("manager",), by=None, at=now())
            accounts.change_roles(accounts.get(manager.id), ("desk",), by=None, at=now())

    with app.app_context():
        is_sqlite = db.engine.dialect.name == "sqlite"
        with pytest.raises(Refused) as refused:
            if is_sqlite:  # where only one writes at a time, it is over before the transaction begins
                swap()
            with transaction():
                read = accounts.get(other.id)
                if not is_sqlite:
                    assert read.roles == {"pharmacist"}
                    meanwhile = threading.Thread(target=swap)
                    meanwhile.start()
                    meanwhile.join()
                if act == "disable":
                    accounts.disable(read, by=None, at=now())
                else:
                    accounts.change_roles(read, ("pharmacist",), by=None, at=now())

    assert refused.value.message == accounts.LAST_MANAGER
    assert (user(other.id).roles, user(other.id).active) == ({"manager"}, True)


def test_two_managers_who_disable_each_other_leave_one(app: Flask, make_person: MakePerson) -> None:
    pair = [make_person("manager"), make_person("manager")]
    gate, outcomes = threading.Barrier(2), []

    def disable(number: int) -> None:
        gate.wait()
        try:
            with app.app_context(), transaction():
                by, whom = accounts.get(pair[number].id), accounts.get(pair[1 - number].id)
                accounts.disable(whom, by=by, at=now())
            outcomes.append("done")
        except Refused:
            outcomes.append("refused")

    threads = [threading.Thread(target=disable, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(outcomes) == ["done", "refused"]


def test_nobody_acts_on_their_own_account(app: Flask, make_person: MakePerson) -> None:
    make_person("manager")
    me = make_person("manager")

    with app.app_context():
        for act in (
            accounts.disable,
            invitations.renew,
            lambda user, **by: accounts.change_roles(user, ("desk",), **by),
        ):
            with pytest.raises(Refused) as refused, transaction():
                user = accounts.get(me.id)
                act(user, by=user, at=now())
            assert refused.value.message == accounts.NOT_YOURSELF


def test_a_link_of_somebody_disabled_opens_nothing(
    app: Flask, make_person: MakePerson, accept: Callable[..., int]
) -> None:
    person = make_person()
    with app.app_context(), transaction():
        token = invitations.renew(accounts.get(person.id), by=None, at=now())
    with app.app_context(), transaction():
        accounts.disable(accounts.get(person.id), by=None, at=now())

    with pytest.raises(NotFound):
        accept(token)


def test_used_and_old_links_are_forgotten_after_a_month(app: Flask, link: Link, clock: Clock) -> None:
    link()
    clock.tick(days=31, hours=1)
    link("b@pharmacy.example")

    with app.app_context():
        assert not keeping.forget(now())
        assert db.session.scalars(select(Invite.email)).all() == ["b@pharmacy.example"]


def test_get_and_find_do_as_they_are_called(app: Flask) -> None:
    with app.app_context():
        assert accounts.find_by_email("nobody@pharmacy.example") is None
        with pytest.raises(NotFound):
            accounts.get_by_email("nobody@pharmacy.example")
        with pytest.raises(NotFound):
            accounts.get(99)


ABOUT = ("Grace Hall", "grace.hall@pharmacy.example", "Linden Test Pharmacy")


@pytest.mark.parametrize(
    ("password", "fault"),
    [
        ("x7#kQ2!mZ9$wL4", passwords.TOO_SHORT),
        ("q" * 129, passwords.TOO_LONG),
        ("aaaaaaaaaaaaaaaaaaaa", passwords.TOO_EASY),
        ("password1234567890", passwords.TOO_EASY),
        ("PasswordPassword1!", passwords.TOO_EASY),
        ("qwertyuiopasdfghjkl", passwords.TOO_EASY),
        ("correct horse battery staple", passwords.TOO_EASY),
        ("gracehall-gracehall", passwords.TOO_EASY),
        ("LindenPharmacy2026!", passwords.TOO_EASY),
        ("Naltrexone LDN 2026", passwords.TOO_EASY),
        ("               ", passwords.TOO_EASY),
        ("seven quiet herons wade", None),
        ("x7#kQ2!mZ9$wL4p", None),
        ("пять тихих цапель", None),
        ("🦩🐢🌵🎻🚲🧭🍐🪁🦔🧶🎷🪴🐝🔭🍋", None),
        ("q7" + "seven quiet herons wade" * 5, None),
    ],
)
def test_what_may_be_a_password(password: str, fault: str | None) -> None:
    assert passwords.fault(password, about=ABOUT) == fault


def test_the_hash_is_argon2id_as_pinned(pinned_hashes: None) -> None:
    made = passwords.hashed(PASSWORD)

    assert made.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert not passwords.is_outdated(made)
    assert passwords.is_outdated(PASSWORD_HASH)


def test_a_flood_of_sign_ins_is_turned_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "WAIT_SECONDS", 0.01)
    with passwords._slot(), passwords._slot(), pytest.raises(PortalError):
        passwords.matches(PASSWORD_HASH, "x")


def test_lifetimes_are_those_we_state() -> None:
    assert timedelta(hours=24) == invitations.LINK_LIFETIME
    assert timedelta(minutes=30) == credentials.IDLE
