"""Signing in, from the one-use link to the queue, and everything that is refused on the way."""

from __future__ import annotations

import re
import statistics
import time
import unicodedata
from collections.abc import Callable
from typing import Literal
from urllib.parse import parse_qs, unquote, urlsplit

import pytest
from flask import Flask
from itsdangerous import URLSafeTimedSerializer

from portal.clock import now
from portal.db import transaction
from portal.people import accounts, invitations
from portal.people.models import StaffSession, User
from portal.signin import passwords
from portal.signin.forms import NO_MATCH, WRONG_CODE
from portal.signin.gate import PUBLIC
from tests import totp
from tests.conftest import Clock
from tests.pages import Page, Visitor, local
from tests.signin.conftest import PASSWORD, Person, cookie_of, give_password, is_signed_in, sign_in

MakePerson = Callable[..., Person]
SignedIn = Callable[..., Visitor]


def test_from_the_link_to_the_queue(
    link: Callable[..., str], visitor: Visitor, clock: Clock, trail: Callable[[], list[tuple[str, str, str]]]
) -> None:
    page = visitor.open(f"/staff/invite/{link('New.Person@Pharmacy.Example', 'pharmacist', 'Grace Hall')}")
    page = page.sees("new.person@pharmacy.example").fill("Password", PASSWORD).press("Set password")
    page = page.sees("Your password is set")
    page = page.fill("Email", " NEW.person@pharmacy.example").fill("Password", PASSWORD).press("Sign in")
    assert page.title == "Set up an authenticator app"
    page = page.press("Continue", status=303)
    key = re.search(r"Key: ([A-Z2-7 ]+?) Copy", page.text)[1]
    tapped = urlsplit(str(page.soup.find("a", string=re.compile("on this phone"))["href"]))
    assert (tapped.scheme, tapped.netloc) == ("otpauth", "totp")
    assert parse_qs(tapped.query)["secret"] == [key.replace(" ", "")]
    assert unquote(tapped.path).endswith(":new.person@pharmacy.example")
    picture = visitor.get("/staff/tf-setup/app.svg")
    page = page.fill("Code", totp.code(key, clock().timestamp() + 5)).press("Finish set-up", status=303)
    assert page.title == "Recovery codes"
    page = page.press("Make recovery codes", status=200)

    codes = [code.get_text() for code in page.soup.select("#recovery-codes code")]
    assert len(codes) == 10
    assert all(re.fullmatch(r"([0-9A-Z]{4}-){5}[0-9A-Z]{4}", code) for code in codes)
    assert picture.mimetype == "image/svg+xml"
    assert picture.headers["Cache-Control"] == "no-store"
    assert "Grace Hall" in page.follow("I have kept them: continue").soup.header.get_text()
    assert [action for _, action, _ in trail()] == [
        "staff.link_made",
        "staff.joined",
        "staff.authenticator_set",
        "staff.signed_in",
        "staff.recovery_codes_made",
    ]


def test_the_first_manager_types_an_address(app: Flask, visitor: Visitor) -> None:
    with app.app_context(), transaction():
        old = invitations.invite_first_manager(at=now())
        token = invitations.invite_first_manager(at=now())

    assert visitor.get(f"/staff/invite/{old}").status_code == 404
    page = visitor.open(f"/staff/invite/{token}").fill("Your name", "Ada Okafor").fill("Password", PASSWORD)
    page = page.press("Set password", status=422)
    assert page.errors == {"email": "Enter your email address"}
    page = (
        page.fill("Email", "Ada@Pharmacy.example")
        .fill("Password", PASSWORD)
        .press("Set password", status=303)
    )
    assert page.title == "Sign in"
    with app.app_context():
        assert [(user.email, user.roles) for user in accounts.people()] == [
            ("ada@pharmacy.example", {"manager"})
        ]


def test_a_second_sign_in_asks_for_password_and_code(make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()

    page = give_password(visitor, person)
    assert not is_signed_in(visitor)
    page.fill("Code", f" {person.code()[:3]} {person.code()[3:]} ").press("Continue", status=303)

    assert is_signed_in(visitor)


@pytest.mark.parametrize("who", ["unknown", "wrong password", "disabled", "without password", "too long"])
def test_every_failure_reads_the_same(
    who: str, make_person: MakePerson, visitor: Visitor, change: Callable[..., None]
) -> None:
    person, password = make_person(), PASSWORD
    if who == "unknown":
        person.email = "nobody@pharmacy.example"
    elif who == "disabled":
        change(person.id, active=False)
    elif who == "without password":
        change(person.id, password=None)
    else:
        password = PASSWORD.upper() if who == "wrong password" else "x" * 129

    page = visitor.open("/staff/login").fill("Email", person.email).fill("Password", password)
    page = page.press("Sign in", status=422)

    assert page.soup.find(id="errors").get_text(" ", strip=True).endswith(NO_MATCH)
    assert page.soup.find(id="email")["value"] == person.email
    assert not page.soup.find(id="password").get("value")
    assert PASSWORD not in page.response.text


def test_an_empty_form_names_both_fields(visitor: Visitor) -> None:
    page = visitor.open("/staff/login").press("Sign in", status=422)

    assert page.errors == {"email": "Enter your email address", "password": "Enter your password"}


WORD = "  Zwo\u0308lf \u212bngström und \u00e9 am Deich "


@pytest.mark.parametrize("kept", [passwords.hashed, lambda word: passwords._hasher.hash(word)])
@pytest.mark.parametrize("form", ["NFC", "NFD", "NFKC", "NFKD"])
def test_a_password_matches_however_its_letters_are_composed(
    kept: Callable[[str], str], form: Literal["NFC", "NFD", "NFKC", "NFKD"]
) -> None:
    """NIST SP 800-63B, 5.1.1.2; `kept` also as it was before passwords were normalised."""
    typed = unicodedata.normalize(form, WORD)

    assert passwords.matches(kept(unicodedata.normalize("NFD", WORD)), typed)
    assert not passwords.matches(kept(WORD), typed.strip())
    assert not passwords.matches(kept(WORD), typed.lower())


def test_the_length_of_a_password_is_counted_once_it_is_composed() -> None:
    assert passwords.fault("e\u0301" * 14) == passwords.TOO_SHORT
    assert passwords.fault("qjxz vkpw mfhd\u0301" * 2) is None


def test_no_account_takes_as_long_as_a_wrong_password(pinned_hashes: None) -> None:
    known = passwords.hashed(PASSWORD)

    def took(kept: str | None) -> float:
        start = time.perf_counter()
        assert not passwords.matches(kept, "something else entirely")
        return time.perf_counter() - start

    took(None)
    pairs = [(took(known), took(None)) for _ in range(7)]

    assert 0.4 < statistics.median(a for a, _ in pairs) / statistics.median(b for _, b in pairs) < 2.5


def test_tries_are_counted_before_the_password(
    make_person: MakePerson, new_visitor: Callable[[], Visitor], monkeypatch: pytest.MonkeyPatch
) -> None:
    person = make_person()
    for _ in range(5):
        give_password(new_visitor(), person, "not this one, surely")
    monkeypatch.setattr(passwords, "matches", lambda *_: pytest.fail("the password was looked at"))

    page = give_password(new_visitor(), person)

    assert page.status == 429
    assert int(page.response.headers["Retry-After"]) > 0
    assert page.soup.find(id="email")["value"] == person.email


def test_guessing_does_not_lock_out_a_browser_that_signed_in_before(
    make_person: MakePerson, new_visitor: Callable[[], Visitor], visitor: Visitor
) -> None:
    person = make_person()
    sign_in(visitor, person).press("Sign out")
    for number in range(6):
        stranger = new_visitor()
        stranger.environ["REMOTE_ADDR"] = f"10.{number}.0.1"
        page = give_password(stranger, person, "not this one, surely")
    assert page.status == 429

    assert give_password(visitor, person).title == "Enter your code"


def test_one_network_cannot_try_many_accounts(
    make_person: MakePerson, new_visitor: Callable[[], Visitor]
) -> None:
    statuses = [give_password(new_visitor(), make_person(), "not this one, surely").status for _ in range(11)]

    assert statuses == [422] * 10 + [429]


def test_a_wrong_code_is_refused_and_five_end_the_try(make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()
    page = give_password(visitor, person)
    wrong = f"{(int(person.code()) + 1) % 10**6:06}"

    for _ in range(4):
        page = page.fill("Code", wrong).press("Continue", status=422)
        assert page.errors == {"code": WRONG_CODE}
    page = page.fill("Code", wrong).press("Continue", status=303)

    page.sees("There were too many wrong codes")
    assert visitor.post("/staff/tf-validate", data={"code": person.code()}).status_code == 400
    assert not is_signed_in(visitor)


@pytest.mark.parametrize(
    "code", ["", "12345", "1234567890123", "abcdef", "१२३४५६", "²²²²²²", "12345x", "-1e999"]
)
def test_what_is_no_code_says_what_to_enter(code: str, make_person: MakePerson, visitor: Visitor) -> None:
    page = give_password(visitor, make_person()).fill("Code", code).press("Continue", status=422)

    assert page.errors["code"].startswith("Enter the")


@pytest.mark.parametrize("blank", [" ", "\u00a0", "\u2009", "\u202f", "\u200b", "\u200d", "\t"])
def test_a_code_with_odd_blanks_is_read(blank: str, make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()
    code = person.code()
    typed = f"\u202d{blank}{code[:3]}{blank}{code[3:]}{blank}\u202c"

    give_password(visitor, person).fill("Code", typed).press("Continue", status=303)

    assert is_signed_in(visitor)


def test_the_second_step_needs_the_first(visitor: Visitor) -> None:
    for place in ("/staff/tf-validate", "/staff/tf-setup", "/staff/mf-recovery", "/staff/tf-setup/app"):
        assert local(visitor.get(place).headers["Location"]).startswith("/staff/login"), place


def test_the_second_step_must_follow_within_ten_minutes(
    make_person: MakePerson, visitor: Visitor, clock: Clock
) -> None:
    person = make_person()
    page = give_password(visitor, person)
    clock.tick(minutes=10, seconds=1)

    answer = visitor.post(page.address, data={**page.data("Continue")[1], "code": [person.code()]})

    assert answer.status_code == 400
    assert not is_signed_in(visitor)


def test_reset_closed_and_registration_absent(
    visitor: Visitor, signed_in: SignedIn, staff_app: Flask
) -> None:
    absent = (
        "register",
        "reset",
        "confirm",
        "us-signin",
        "wan-signin",
        "wan-register",
        "change-email",
        "fs-static",
    )
    rules = {rule.rule for rule in staff_app.url_map.iter_rules()}
    assert not [rule for rule in rules if rule.split("/")[2:3] and rule.split("/")[2] in absent]

    for who in (visitor, signed_in("manager")):
        for place in ("/staff/tf-rescue", "/staff/tf-select", "/staff/reset"):
            assert who.get(place).status_code == (302 if who is visitor else 404)
    assert {rule.endpoint for rule in staff_app.url_map.iter_rules()} >= PUBLIC


def test_signing_in_never_speaks_json(make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()
    credentials = {"email": person.email, "password": PASSWORD}

    answer = visitor.client.post(
        "/staff/login?include_auth_token", json=credentials, base_url="http://localhost:8000"
    )
    page = visitor.client.get(
        "/staff/login", headers={"Accept": "application/json"}, base_url="http://localhost:8000"
    )

    assert answer.status_code == 415
    assert page.mimetype == "text/html"


def test_no_token_in_a_header_signs_in(
    make_person: MakePerson, visitor: Visitor, staff_app: Flask, user: Callable[[int], User]
) -> None:
    person = make_person("manager")
    key = user(person.id).session_key
    token = URLSafeTimedSerializer(
        staff_app.extensions["settings"].signing_keys, salt="staff-anonymous"
    ).dumps({"key": key, "user": person.id})

    assert visitor.get("/staff/people", headers={"Authentication-Token": token}).status_code == 302
    assert visitor.get(f"/staff/people?auth_token={token}").status_code == 302
    assert visitor.get("/staff/people", auth=(person.email, PASSWORD)).status_code == 302


@pytest.mark.parametrize(
    "wanted",
    [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "/staff/\\evil",
        "/",
        "/staffx",
        "javascript:1",
        "/staff/requests\r\nX: y",
        "/staff/login",
        "https:evil.example",
        "/%2f%2fevil.example",
    ],
)
def test_after_sign_in_nobody_is_sent_away(wanted: str, make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()
    page = visitor.open("/staff/login", query_string={"next": wanted})
    token = page.soup.find("input", {"name": "csrf_token"})["value"]
    data = {"email": person.email, "password": PASSWORD, "csrf_token": token, "next": wanted}

    answer = visitor.post("/staff/login", data=data, query_string={"next": wanted})
    page = visitor.open(local(answer.headers["Location"]))
    address, sent = page.fill("Code", person.next_code()).data("Continue")
    answer = visitor.post(address, data={**sent, "next": wanted})

    assert answer.status_code == 303
    assert answer.headers["Location"] == "/staff/requests"


def test_after_sign_in_the_page_that_was_asked_for_opens(make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()
    answer = visitor.get("/staff/requests?kind=consultation")
    page = visitor.open(local(answer.headers["Location"]))
    page = page.fill("Email", person.email).fill("Password", PASSWORD).press("Sign in")

    page = page.fill("Code", person.next_code()).press("Continue", status=303)

    assert page.address == "/staff/requests?kind=consultation"


def test_signing_out_ends_the_session(
    signed_in: SignedIn,
    sessions: Callable[[], list[StaffSession]],
    trail: Callable[[], list[tuple[str, str, str]]],
) -> None:
    visitor = signed_in()
    cookie = cookie_of(visitor)
    assert visitor.get("/staff/logout").status_code == 405
    address, data = visitor.open("/staff/account").data("Sign out")

    answer = visitor.post(address, data=data)

    assert (answer.status_code, local(answer.headers["Location"])) == (303, "/staff/login?done=signed-out")
    assert answer.headers["Clear-Site-Data"] == '"cache", "storage"'
    assert cookie_of(visitor) == ""
    assert sessions() == []
    visitor.client.set_cookie("staff", cookie, domain="localhost")
    assert not is_signed_in(visitor)
    assert trail()[-1][:2] == (visitor.person.name, "staff.signed_out")


def test_sign_ins_and_failures_are_in_the_trail_without_an_address(
    make_person: MakePerson, visitor: Visitor, trail: Callable[[], list[tuple[str, str, str]]]
) -> None:
    person = make_person()
    give_password(visitor, person, "not this one, surely")
    give_password(visitor, Person(0, "nobody@pharmacy.example", "", "", person.clock))
    give_password(visitor, person).fill("Code", "000000").press("Continue")
    sign_in(visitor, person)

    assert trail() == [
        ("the portal", "staff.sign_in_failed", f"user:{person.id}"),
        ("the portal", "staff.sign_in_failed", "user:unknown"),
        ("the portal", "staff.sign_in_failed", f"user:{person.id}"),
        (person.name, "staff.signed_in", f"user:{person.id}"),
    ]


def test_a_lost_token_keeps_the_address(make_person: MakePerson, visitor: Visitor) -> None:
    person = make_person()

    answer = visitor.post("/staff/login", data={"email": person.email, "password": PASSWORD})
    page = Page(visitor, "/staff/login", answer)

    assert answer.status_code == 400
    assert page.soup.find(id="email")["value"] == person.email
    assert page.fill("Password", PASSWORD).press("Sign in", status=303).title == "Enter your code"


def test_an_old_hash_is_renewed_at_sign_in(
    pinned_hashes: None, make_person: MakePerson, visitor: Visitor, user: Callable[[int], User]
) -> None:
    person = make_person()
    assert passwords.is_outdated(user(person.id).password)

    give_password(visitor, person)

    assert not passwords.is_outdated(user(person.id).password)
    assert passwords.matches(user(person.id).password, PASSWORD)


def test_pages_of_signing_in_are_kept_by_nobody(visitor: Visitor, link: Callable[..., str]) -> None:
    for place in ("/staff/login", f"/staff/invite/{link()}"):
        headers = visitor.get(place).headers
        assert headers["Cache-Control"] == "no-store"
        assert headers["Referrer-Policy"] == "no-referrer"
        assert "Cookie" in headers["Vary"]


def test_public_pages_know_nothing_of_sign_in(signed_in: SignedIn, app: Flask) -> None:
    answer = signed_in().get("/patients")

    assert answer.status_code == 200
    assert "Cookie" not in answer.headers.get("Vary", "")
    assert "Set-Cookie" not in answer.headers
    assert "csrf" not in app.extensions


@pytest.mark.parametrize("method", ["get", "post"])
def test_half_signed_in_reaches_nothing(
    method: str, make_person: MakePerson, visitor: Visitor, staff_app: Flask
) -> None:
    """Deny by default, walked over every rule: for a stranger, and for somebody who gave the password alone."""
    for half in (False, True):
        if half:
            give_password(visitor, make_person("manager"))
        for rule in staff_app.url_map.iter_rules():
            if method.upper() not in rule.methods or rule.endpoint in PUBLIC:
                continue
            with staff_app.test_request_context():
                place = staff_app.url_for(rule.endpoint, **dict.fromkeys(rule.arguments, 1))
            answer = getattr(visitor, method)(place)
            if method == "get":
                assert answer.status_code == 302
                assert local(answer.headers["Location"]).startswith("/staff/login"), place
            else:
                assert answer.status_code == 401, place
    assert visitor.get("/staff/no/such/page").status_code == 302


def test_a_post_after_the_session_shows_what_was_typed(visitor: Visitor) -> None:
    answer = visitor.post(
        "/staff/requests/LDN-BCDF-GHJK/note",
        data={"text": "Called <b>back</b> at noon.", "csrf_token": "x", "password": PASSWORD},
    )

    assert answer.status_code == 401
    assert "Called &lt;b&gt;back&lt;/b&gt; at noon." in answer.text
    assert PASSWORD not in answer.text


def test_of_a_form_among_several_only_the_words_are_shown(visitor: Visitor) -> None:
    sent = {
        "note-text": "They prefer to be called.",
        "note-version": "3",
        "note-form_token": "a.secret.token",
    }

    page = visitor.open(
        "/staff/requests/LDN-BCDF-GHJK/note",
        method="POST",
        data={**sent, "note-csrf_token": "another"},
        status=401,
    )

    page.sees("Note They prefer to be called.").lacks("token", "version", "secret")


def test_what_is_asked_for_a_password_helps_a_password_manager(
    make_person: MakePerson, visitor: Visitor, link: Callable[..., str]
) -> None:
    """The kind of field, what it may be filled from, nothing that hinders pasting; no hint and no secret question."""
    places = {"/staff/login": ["current-password"], f"/staff/invite/{link()}": ["new-password"]}
    found = {place: visitor.open(place).soup for place in places}
    sign_in(visitor, make_person())
    found["/staff/change"] = visitor.open("/staff/change").soup
    places["/staff/change"] = ["current-password", "new-password"]
    for place, soup in found.items():
        fields = soup.find_all("input", type="password")
        assert [field["autocomplete"] for field in fields] == places[place], place
        assert not soup.find_all(onpaste=True) and not soup.find_all(
            "input", attrs={"name": re.compile("hint|secret")}
        )


def test_a_password_never_has_to_be_changed(make_person: MakePerson, visitor: Visitor, clock: Clock) -> None:
    person = make_person()
    clock.tick(days=400)

    assert give_password(visitor, person).title == "Enter your code"


def test_a_new_password_needs_the_one_before(
    make_person: MakePerson, visitor: Visitor, new_visitor: Callable[[], Visitor]
) -> None:
    person = make_person()
    sign_in(visitor, person)
    page = visitor.open("/staff/change").fill("Your password now", "otters nap under the pier")

    page.fill("New password", "herons wade where otters nap").press("Change password", status=422)

    assert give_password(new_visitor(), person).title == "Enter your code"


def test_each_page_of_who_is_signed_in_offers_the_way_out(
    staff_app: Flask, signed_in: Callable[..., Visitor]
) -> None:
    visitor = signed_in("manager")
    seen = 0
    for rule in staff_app.url_map.iter_rules():
        if "GET" not in (rule.methods or ()) or rule.arguments or rule.endpoint == "static":
            continue
        answer = visitor.get(rule.rule)
        if answer.status_code == 200 and answer.mimetype == "text/html" and "<title>" in answer.text:
            assert 'action="/staff/logout"' in answer.text, rule.rule
            seen += 1
    assert seen > 15
