"""Passkeys: added, signed in with, removed; and every answer that opens nothing."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import AuditEntry
from portal.clock import now
from portal.db import db, transaction
from portal.mail.models import Body
from portal.people import accounts, invitations, passkeys
from portal.people.models import Passkey, StaffSession
from portal.signin import ceremony
from tests.conftest import Clock
from tests.pages import Page, Visitor
from tests.passkey import Authenticator, base64url
from tests.signin.conftest import PASSWORD, Person, cookie_of, is_signed_in, sign_in

MakePerson = Callable[..., Person]
NewVisitor = Callable[[], Visitor]
SignedIn = Callable[..., Visitor]
Rows = Callable[[], list[StaffSession]]
Trail = Callable[[], list[tuple[str, str, str]]]

AGAIN, MAKE = "Ask for the passkey again", "Try again"
REFUSED = "The passkey did not sign you in."


def options_of(page: Page) -> dict:
    """What the page asks the authenticator."""
    return json.loads(page.soup.find(id="passkey")["data-asked"])


def name_it(visitor: Visitor, name: str = "Work laptop") -> Page:
    """To where the authenticator is asked to make one."""
    page = visitor.open("/staff/account/passkey").fill("Name", name)
    return page.press("Continue", status=303, wait=0)


def add(visitor: Visitor, name: str = "Work laptop", made: Authenticator | None = None) -> Authenticator:
    """A passkey for whoever is signed in there."""
    made, page = made or Authenticator(), name_it(visitor, name)
    page = page.set(credential=made.make(options_of(page))).press(MAKE, status=303, wait=0)
    assert page.address.startswith("/staff/account"), page.text
    return made


def asked(visitor: Visitor) -> Page:
    """Where the authenticator is asked to sign in."""
    return visitor.open("/staff/login").press("Sign in with a passkey", status=303, wait=0)


def answer(page: Page, said: str) -> Page:
    """The page after that answer."""
    return page.set(credential=said).press(AGAIN, wait=0)


def use(visitor: Visitor, made: Authenticator) -> Page:
    """Sign in with it."""
    page = asked(visitor)
    return answer(page, made.sign(options_of(page)))


@pytest.fixture
def kept(app: Flask) -> Callable[[], list[Passkey]]:
    """Every passkey, oldest first."""

    def read() -> list[Passkey]:
        with app.app_context():
            rows = list(db.session.scalars(select(Passkey).order_by(Passkey.id)))
            db.session.expunge_all()
            return rows

    return read


@pytest.fixture
def mine(signed_in: SignedIn) -> tuple[Visitor, Authenticator]:
    """Somebody signed in, and a passkey of theirs."""
    visitor = signed_in("pharmacist", "Ada Okafor")
    return visitor, add(visitor)


def test_a_passkey_alone_signs_in(
    signed_in: SignedIn,
    new_visitor: NewVisitor,
    kept: Callable[[], list[Passkey]],
    trail: Trail,
    clock: Clock,
) -> None:
    first = signed_in("pharmacist", "Ada Okafor")
    made = add(first, "Key on my ring")
    page = first.open("/staff/account").sees("Key on my ring", "Not yet")
    clock.tick(90)
    visitor = new_visitor()

    page = use(visitor, made)

    assert page.address == "/staff/requests"
    assert "Ada Okafor" in page.soup.header.get_text()
    [row] = kept()
    assert (row.name, row.sign_count, row.used_at) == ("Key on my ring", 1, clock())
    assert row.credential_id == base64url(made.id)
    visitor.open("/staff/account").sees("Key on my ring").lacks("Not yet")
    assert [action for _, action, _ in trail()][-2:] == ["staff.passkey_added", "staff.signed_in"]


def test_what_the_browser_is_asked(mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor) -> None:
    visitor, made = mine
    making, signing = options_of(name_it(visitor, "Phone")), options_of(asked(new_visitor()))

    assert making["rp"] == {"id": "localhost", "name": "Linden Test Pharmacy"}
    assert making["user"]["name"] == visitor.person.email
    assert making["attestation"] == "none"
    assert making["authenticatorSelection"]["residentKey"] == "required"
    assert making["authenticatorSelection"]["userVerification"] == "required"
    assert [one["id"] for one in making["excludeCredentials"]] == [base64url(made.id)]
    assert {-7, -257} <= {one["alg"] for one in making["pubKeyCredParams"]}
    assert (signing["rpId"], signing["userVerification"]) == ("localhost", "required")
    assert not signing.get("allowCredentials"), "nobody is told whose passkeys there are"
    assert making["timeout"] == signing["timeout"] == 300_000
    assert (
        len({making["challenge"], signing["challenge"], options_of(asked(new_visitor()))["challenge"]}) == 3
    )


@pytest.mark.parametrize(
    ("base", "host", "origin"),
    [
        ("https://Portal.Example.org", "portal.example.org", "https://portal.example.org"),
        ("https://portal.example.org:443", "portal.example.org", "https://portal.example.org"),
        ("https://portal.example.org:8443", "portal.example.org", "https://portal.example.org:8443"),
        ("http://localhost:8000", "localhost", "http://localhost:8000"),
        # browsers write an international name as we do, in ASCII
        ("https://xn--mller-kva.example", "xn--mller-kva.example", "https://xn--mller-kva.example"),
    ],
)
def test_host_and_origin_are_those_of_base_url(
    base: str, host: str, origin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceremony, "settings", lambda: type("S", (), {"BASE_URL": base}))

    assert (ceremony._host(), ceremony._origin()) == (host, origin)


def spoilt(what: str, made: Authenticator, other: Authenticator, options: dict) -> str:
    """An answer that opens nothing."""
    if what == "no answer":
        return "{"
    if what in ("a list", "a number", "nothing in it", "a lone surrogate", "deep"):
        return {
            "a list": "[]",
            "a number": "1",
            "nothing in it": "{}",
            "a lone surrogate": '{"id": "\\ud800"}',
            "deep": "[" * 9000,
        }[what]
    if what == "too long":
        return made.sign(options, more="x" * ceremony.MOST_SIGNS)
    if what == "nobody verified":
        made.verifies = False
    elif what == "another origin":
        made.origin = "http://localhost:8001"
    elif what == "another host":
        made.host = "example.org"
    elif what == "another challenge":
        options = {**options, "challenge": base64url(bytes(32))}
    elif what == "another key":
        made.key = other.key
    elif what == "unknown":
        made.id = other.id
    elif what == "without its owner":
        return made.sign(options, userHandle=None)
    elif what == "another's name":
        return made.sign(options, userHandle=base64url(b"staff-999"))
    elif what == "made in place of signed":
        return made.make({**options, "user": {"id": made.handle}})
    return made.sign(options)


SPOILT = [
    *("no answer", "a list", "a number", "nothing in it", "a lone surrogate", "deep", "too long"),
    *("nobody verified", "another origin", "another host", "another challenge", "another key", "unknown"),
    *("without its owner", "another's name", "made in place of signed"),
]


@pytest.mark.parametrize("what", SPOILT)
def test_no_other_answer_signs_in(
    what: str, mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor, trail: Trail, sessions: Rows
) -> None:
    made, visitor = mine[1], new_visitor()
    page = asked(visitor)
    rows = len(sessions())

    page = answer(page, spoilt(what, made, Authenticator(), options_of(page)))

    assert page.address == "/staff/login?done=passkey"
    page.sees(REFUSED)
    assert not is_signed_in(visitor)
    assert trail()[-1][:2] == ("the portal", "staff.sign_in_failed")
    assert len(sessions()) == rows - 1, "the challenge is spent"


def test_an_answer_works_once_and_only_where_it_was_asked(
    mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor
) -> None:
    made, (thief, owner) = mine[1], (new_visitor(), new_visitor())
    made.counts = False
    page, elsewhere = asked(owner), asked(thief)
    said = made.sign(options_of(page))

    assert answer(elsewhere, said).address == "/staff/login?done=passkey"
    assert not is_signed_in(thief)
    used = cookie_of(owner)
    assert answer(page, said).address == "/staff/requests"
    assert cookie_of(owner) != used, "a new id (ASVS 7.2.4)"
    thief.client.set_cookie("staff", used, domain="localhost")
    assert thief.get("/staff/login/passkey").status_code == 303
    assert not is_signed_in(thief)


def test_a_challenge_lives_five_minutes(
    mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor, clock: Clock
) -> None:
    visitor, made = mine
    page, adding = asked(late := new_visitor()), name_it(visitor, "Phone")
    said, more = made.sign(options_of(page)), Authenticator().make(options_of(adding))
    clock.tick(ceremony.LASTS.total_seconds() + 1)

    late.post("/staff/login/passkey", data=page.set(credential=said).data(AGAIN)[1])
    assert not is_signed_in(late)
    page = adding.set(credential=more).press(MAKE, status=303, wait=0)
    assert page.address == "/staff/account/passkey"
    visitor.open("/staff/account").sees("1 passkey")


def test_a_count_that_does_not_grow_tells_of_a_copy(
    app: Flask, mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor
) -> None:
    made = mine[1]
    made.count = 6
    assert use(new_visitor(), made).address == "/staff/requests"
    for count in (6, 3, -1):
        made.count = count - 1 if count > 0 else 0
        made.counts = count > 0
        visitor = new_visitor()
        assert use(visitor, made).address == "/staff/login?done=passkey", count
        assert not is_signed_in(visitor)

    with app.app_context():
        failed = select(AuditEntry.detail).where(AuditEntry.action == "staff.sign_in_failed")
        assert list(db.session.scalars(failed)) == ["passkey count"] * 3
    made.count, made.counts = 7, True
    assert use(new_visitor(), made).address == "/staff/requests", "the owner's goes on"


def test_one_that_counts_nothing_stays_at_nothing(
    mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor
) -> None:
    mine[1].counts = False
    for _ in range(2):
        assert use(new_visitor(), mine[1]).address == "/staff/requests"


@pytest.mark.parametrize("what", ["disabled", "reset", "removed"])
def test_it_opens_nothing_once_it_was_taken_away(
    what: str, app: Flask, mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor
) -> None:
    visitor, made = mine
    take_away(what, app, visitor)

    late = new_visitor()
    assert use(late, made).address == "/staff/login?done=passkey"
    assert not is_signed_in(late)


def take_away(what: str, app: Flask, visitor: Visitor) -> None:
    """End somebody's passkey."""
    with app.app_context(), transaction():
        whom = accounts.get(visitor.person.id)
        if what == "disabled":
            accounts.disable(whom, by=None, at=now())
        elif what == "reset":
            invitations.renew(whom, by=None, at=now())
        else:
            passkeys.remove(whom, passkeys.of(whom)[0].id, at=now())


@pytest.mark.parametrize("what", ["disabled", "reset", "removed"])
def test_it_opens_nothing_when_it_is_taken_away_while_it_is_checked(
    what: str,
    app: Flask,
    mine: tuple[Visitor, Authenticator],
    new_visitor: NewVisitor,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    visitor, made = mine
    signed = ceremony.signed

    def slow(*args: object, **kwargs: object) -> int | None:
        found = signed(*args, **kwargs)
        db.session.rollback()
        take_away(what, app, visitor)
        return found

    monkeypatch.setattr(ceremony, "signed", slow)
    late = new_visitor()
    assert use(late, made).address == "/staff/login?done=passkey"
    assert not is_signed_in(late)


@pytest.mark.parametrize(
    "what",
    ["no answer", "a list", "deep", "nobody verified", "another origin", "another host", "another challenge"],
)
def test_no_other_answer_is_added(what: str, signed_in: SignedIn, kept: Callable[[], list[Passkey]]) -> None:
    visitor, made = signed_in(), Authenticator()
    page = name_it(visitor)
    options = options_of(page)
    said = {"no answer": "{", "a list": "[]", "deep": "[" * 9000}.get(what, "")
    if not said:
        spoilt(what, made, made, options)
        if what == "another challenge":
            options = {**options, "challenge": base64url(bytes(32))}
        said = made.make(options)

    page = page.set(credential=said).press(MAKE, status=422, wait=0)

    assert "The passkey was not added" in next(iter(page.errors.values()))
    assert page.soup.find(id="name")["value"] == "Work laptop"
    assert kept() == []
    assert visitor.get("/staff/account/passkey/add").status_code in (302, 303), "the challenge is spent"


def test_one_that_is_known_is_not_added_twice(signed_in: SignedIn, kept: Callable[[], list[Passkey]]) -> None:
    """Whoever asks while it is not there yet is stopped by the table itself."""
    made, other = Authenticator(), signed_in("desk")
    add(signed_in("pharmacist"), made=made)
    page = name_it(other)

    page.set(credential=made.make(options_of(page))).press(MAKE, status=409, wait=0).sees(
        passkeys.KNOWN_ALREADY
    )

    assert len(kept()) == 1
    assert is_signed_in(other)


@pytest.mark.parametrize(("length", "is_added"), [(1023, True), (1024, False)])
def test_its_id_has_a_length(
    length: int, is_added: bool, signed_in: SignedIn, kept: Callable[[], list[Passkey]]
) -> None:
    visitor, made = signed_in(), Authenticator()
    made.id = secrets.token_bytes(length)
    page = name_it(visitor)

    page.set(credential=made.make(options_of(page))).press(MAKE, status=303 if is_added else 422, wait=0)

    assert len(kept()) == is_added


def test_adding_and_removing_end_the_other_sessions_and_are_told_by_mail(
    app: Flask, signed_in: SignedIn, new_visitor: NewVisitor, kept: Callable[[], list[Passkey]]
) -> None:
    visitor = signed_in("manager")
    other = new_visitor()
    sign_in(other, visitor.person)
    before = cookie_of(visitor)
    add(visitor)
    assert (is_signed_in(visitor), is_signed_in(other)) == (True, False)
    assert cookie_of(visitor) != before
    sign_in(other, visitor.person)

    page = visitor.open("/staff/account").press("Remove Work laptop", status=303, wait=0)

    page.sees("The passkey is removed")
    assert kept() == []
    assert (is_signed_in(visitor), is_signed_in(other)) == (True, False)
    with app.app_context():
        told = "\n".join(str(facts) for facts in db.session.scalars(select(Body.facts)))
    assert "A passkey was added" in told
    assert "A passkey was removed" in told


def test_the_password_comes_first(
    mine: tuple[Visitor, Authenticator],
    new_visitor: NewVisitor,
    clock: Clock,
    kept: Callable[[], list[Passkey]],
) -> None:
    """Also of somebody whom the passkey alone let in: an unlocked phone is not enough to stay."""
    visitor, made = mine
    clock.tick(timedelta(minutes=11).total_seconds())
    alone = new_visitor()
    use(alone, made)
    for each in (visitor, alone):
        assert "/staff/verify" in each.get("/staff/account/passkey").headers["Location"]
        page = each.open("/staff/account").press("Remove Work laptop", status=303, wait=0)
        assert page.title == "Enter your password again"
    assert len(kept()) == 1

    page = page.fill("Password", PASSWORD).press("Continue", status=303, wait=0)
    assert page.address == "/staff/account"
    page.press("Remove Work laptop", status=303, wait=0)
    assert kept() == []


def test_nobody_removes_anothers(
    mine: tuple[Visitor, Authenticator], signed_in: SignedIn, kept: Callable[[], list[Passkey]]
) -> None:
    other = signed_in("manager")
    add(other)
    page = other.open("/staff/account")
    form, sent = page.data("Remove Work laptop")
    other.post(form.replace(str(kept()[1].id), str(kept()[0].id)), data=sent)

    assert len(kept()) == 2


def test_ten_are_the_most_and_a_name_is_wanted(
    app: Flask, signed_in: SignedIn, kept: Callable[[], list[Passkey]]
) -> None:
    visitor = signed_in()
    page = visitor.open("/staff/account/passkey").press("Continue", status=422, wait=0)
    assert page.errors == {"name": "Enter a name for the passkey"}
    page.fill("Name", "x" * 61).press("Continue", status=422, wait=0)
    with app.app_context(), transaction():
        whom = accounts.get(visitor.person.id)
        for number in range(passkeys.MOST):
            passkeys.add(whom, name="One", credential_id=str(number), public_key=b"", sign_count=0, at=now())

    page = visitor.open("/staff/account/passkey").fill("Name", "One more").press("Continue", wait=0)
    page.sees(passkeys.TOO_MANY)
    assert len(kept()) == passkeys.MOST


def test_a_flood_of_challenges_is_turned_away(visitor: Visitor, sessions: Rows) -> None:
    page = visitor.open("/staff/login")
    address, sent = page.data("Sign in with a passkey")
    for _ in range(11):
        visitor.client.delete_cookie("staff", domain="localhost")
        page = visitor.open("/staff/login")
        address, sent = page.data("Sign in with a passkey")
        last = visitor.post(address, data=sent)

    assert last.status_code == 429
    assert len(sessions()) == 10


def test_it_leads_where_somebody_wanted_to_go(
    mine: tuple[Visitor, Authenticator], new_visitor: NewVisitor
) -> None:
    visitor = new_visitor()
    for wanted, place in (("/staff/reports", "/staff/reports"), ("//evil.example", "/staff/requests")):
        page = visitor.open(f"/staff/login?next={wanted}").press("Sign in with a passkey", status=303, wait=0)
        page = answer(page, mine[1].sign(options_of(page)))
        assert page.address == place
        page.press("Sign out", status=303, wait=0)


def test_a_page_without_its_script_says_what_works(visitor: Visitor) -> None:
    page = asked(visitor).sees("This page needs JavaScript", "sign in with your password and code")
    assert page.soup.find(id="passkey").has_attr("hidden")
    assert page.follow("Sign in with password and code").title == "Sign in"
    assert page.response.headers["Cache-Control"] == "no-store"


def test_what_few_need_is_loaded_when_it_is_asked_for() -> None:
    """Passkeys take 7 MB of memory, and most who sign in come with password and code; the others take 2 MB each."""
    heavy = {"webauthn", "OpenSSL", "passlib", "cryptography", "limits", "sqlalchemy.dialects.postgresql"}
    code = f"import portal.app, sys; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


@pytest.mark.parametrize(
    ("base", "possible"),
    [
        ("http://127.0.0.1:8000", False),
        ("http://[::1]:8000", False),
        ("https://192.0.2.7", False),
        ("https://127.1", False),
        ("http://portal.pharmacy.example", False),
        ("http://localhost:8000", True),
        ("https://xn--apotheke-mller-zob.example", True),
        ("https://portal.pharmacy.example", True),
    ],
)
def test_where_the_address_is_a_number_no_passkey_is_offered(
    base: str, possible: bool, visitor: Visitor, change_settings: Callable[..., None]
) -> None:
    change_settings(BASE_URL=base)

    page = visitor.open("/staff/login")

    assert ("Sign in with a passkey" in page.text) is possible
