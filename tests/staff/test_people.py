"""What managers do with people, and what everybody does with their own account."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal import audit, keeping, web
from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.intake.models import Status
from portal.people import accounts, invitations
from portal.people.models import StaffSession, User
from tests.pages import Visitor
from tests.staff.conftest import Colleague

SignedIn = Callable[..., Any]
PASSWORD = "seven quiet herons wade at dawn"

POSTS = ("roles", "disable", "enable", "link", "end-sessions")


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


def acts(app: Flask, user_id: int) -> list[str]:
    with app.app_context():
        query = (
            select(AuditEntry.action).where(AuditEntry.subject == f"user:{user_id}").order_by(AuditEntry.id)
        )
        return list(db.session.scalars(query))


@pytest.fixture(autouse=True)
def fresh(monkeypatch: pytest.MonkeyPatch) -> None:
    """Everybody here gave their password a moment ago; `tests/signin/test_sessions.py` shows what else happens."""
    monkeypatch.setattr("portal.signin.gate.is_fresh", lambda: True)


def test_only_managers_look_after_people(signed_in: SignedIn) -> None:
    for role in ("desk", "pharmacist"):
        visitor = signed_in(role)
        page = visitor.open("/staff/account")
        token = page.soup.find("input", {"name": "csrf_token"})["value"]
        assert "People" not in page.soup.header.get_text()
        bodies = set()
        for place in ("/staff/people", "/staff/people/invite", "/staff/people/1", "/staff/people/9999"):
            answer = visitor.get(place)
            assert answer.status_code == 403, place
            bodies.add(re.sub(r'value="[^"]+"', "", answer.text))
        assert len(bodies) == 1
        for act in POSTS:
            answer = visitor.post(f"/staff/people/1/{act}", data={"csrf_token": token, "roles": "manager"})
            assert answer.status_code == 403, act


def test_everybody_is_listed(signed_in: SignedIn) -> None:
    manager = signed_in("manager", "Grace Hall")
    signed_in("desk", "Ada Okafor")

    page = manager.open("/staff/people")

    page.sees("2 people", "Ada Okafor", "ada.okafor@pharmacy.example", "Desk", "Grace Hall", "Manager")


def test_an_invitation_goes_out_by_mail_and_makes_an_account(
    app: Flask, signed_in: SignedIn, outbox: Callable[[], list[Any]], visitor: Visitor
) -> None:
    manager = signed_in("manager", "Grace Hall")

    page = manager.open("/staff/people").follow("Invite somebody")
    page = page.fill("Email", "Tom@Pharmacy.example").fill("Name", "Tom Oneill").fill("Pharmacist")
    page = page.press("Send the link", status=303)

    page.sees("The link is on its way to them")
    [mail] = outbox()
    assert mail["To"] == "tom@pharmacy.example"
    texts = [mail.get_body((kind,)).get_content() for kind in ("plain", "html")]
    links = [set(re.findall(r"http://localhost:8000/staff/invite/[\w-]+", text)) for text in texts]
    assert links[0] == links[1]
    [link] = links[0]
    assert "Grace Hall" in texts[0]
    page = visitor.open(link.removeprefix("http://localhost:8000"))
    page.fill("Password", PASSWORD).press("Set password", status=303)
    with app.app_context():
        made = accounts.get_by_email("tom@pharmacy.example")
        assert (made.name, made.roles) == ("Tom Oneill", {"pharmacist"})


def test_an_invitation_says_what_is_missing_and_what_is_taken(
    signed_in: SignedIn, outbox: Callable[[], list[Any]]
) -> None:
    manager = signed_in("manager")
    signed_in("desk", "Ada Okafor")

    page = manager.open("/staff/people/invite").press("Send the link", status=422)
    assert page.errors == {"email": "Enter their email address", "roles-0": accounts.SELECT_ROLES}
    page = page.fill("Email", "ada.okafor@pharmacy.example").fill("Desk").press("Send the link", status=422)

    assert page.errors == {"email": invitations.ADDRESS_TAKEN}
    assert outbox() == []


def test_a_new_role_ends_sessions_and_is_in_the_trail(
    app: Flask, signed_in: SignedIn, user: Callable[[int], User]
) -> None:
    manager, ada = signed_in("manager"), signed_in("desk", "Ada Okafor")

    page = manager.open(f"/staff/people/{ada.user_id}").fill("Pharmacist").press("Change roles", status=303)

    page.sees("The roles are changed", "Roles Pharmacist")
    assert user(ada.user_id).roles == {"pharmacist"}
    assert ada.get("/staff/requests").status_code == 302
    assert acts(app, ada.user_id) == ["staff.role_changed"]


def test_somebody_has_several_roles_and_the_rights_of_each(
    app: Flask, signed_in: SignedIn, ask: Callable[..., str], stored: Callable[[str], Any]
) -> None:
    """A pharmacist becomes a manager too: nothing goes back; then no pharmacist any more: their consultation does."""
    manager, ada, reference = signed_in("manager"), signed_in("pharmacist", "Ada Okafor"), ask()
    ada.open(f"/staff/requests/{reference}").press("Claim", status=303)

    page = manager.open(f"/staff/people/{ada.user_id}")
    checked = [box["value"] for box in page.soup.select("input[name=roles][checked]")]
    page = page.fill("Pharmacist").fill("Manager").press("Change roles", status=303)

    assert checked == ["pharmacist"]
    page.sees("Roles Pharmacist, Manager")
    assert stored(reference).owner_id == ada.user_id
    page = page.fill("Manager").fill("Desk").press("Change roles", status=303)
    page.sees("Roles Desk, Manager")
    assert (stored(reference).status, stored(reference).owner_id) == (Status.NEW, None)
    manager.open("/staff/people").sees("Desk, Manager")
    manager.open("/staff/audit?act=staff.role_changed").sees(
        "Pharmacist to Pharmacist, Manager", "Pharmacist, Manager to Desk, Manager"
    )
    none = page.set(roles=[]).press("Change roles", status=422)
    assert none.errors == {"roles-0": accounts.SELECT_ROLES}
    strange = page.set(roles=["desk", "owner"]).press("Change roles", status=422)
    assert "roles-0" in strange.errors
    with app.app_context():
        assert accounts.get(ada.user_id).roles == {"desk", "manager"}


def test_an_invitation_holds_several_roles_and_keeps_them_when_sent_again(
    app: Flask, signed_in: SignedIn, outbox: Callable[[], list[Any]], visitor: Visitor
) -> None:
    manager = signed_in("manager", "Grace Hall")
    page = manager.open("/staff/people/invite").fill("Email", "tom@pharmacy.example")
    page = page.fill("Pharmacist").fill("Manager").press("Send the link", status=303)

    page.sees("Pharmacist, Manager").press("Send again to tom@pharmacy.example", status=303)

    page = visitor.open(links(outbox)[-1]).fill("Your name", "Tom Oneill")
    page.fill("Password", PASSWORD).press("Set password", status=303)
    with app.app_context():
        made = accounts.get_by_email("tom@pharmacy.example")
        assert made.roles == {"pharmacist", "manager"}
        entries = select(AuditEntry.detail).where(AuditEntry.action == "staff.joined")
        assert db.session.scalars(entries).all() == ["pharmacist, manager"]
        assert keeping.export("tom@pharmacy.example")["user"][0]["roles"] == made.roles
        assert keeping.as_text(made.roles) == "manager, pharmacist"


def test_the_last_sign_in_is_shown(app: Flask, signed_in: SignedIn, clock: Any) -> None:
    manager, ada = signed_in("manager", "Grace Hall"), signed_in("desk", "Ada Okafor")
    manager.open(f"/staff/people/{ada.user_id}").sees("Last sign-in Never")
    ada.open("/staff/account").sees("Last sign-in before this one None")
    begun = clock.at  # this session; another of theirs came later
    moments = [begun - timedelta(days=9), begun - timedelta(days=8), begun, begun + timedelta(minutes=9)]
    clock.tick(minutes=10)
    for moment in moments:
        with app.app_context(), transaction():
            user = accounts.get(ada.user_id)
            audit.record(user, "staff.signed_in", user.subject, at=moment)

    with app.test_request_context():
        _, before, now_, later = (web.when(moment).striptags() for moment in moments)

    assert len({before, now_, later}) == 3
    manager.open(f"/staff/people/{ada.user_id}").sees(f"Last sign-in {later}")
    manager.open("/staff/people").sees(later).lacks(before)
    ada.open("/staff/account").sees(f"Last sign-in before this one {before}")


def test_a_disabled_person_is_out_and_their_work_is_back_in_the_queue(
    app: Flask, signed_in: SignedIn, ask: Callable[..., str], stored: Callable[[str], Any]
) -> None:
    manager, ada = signed_in("manager"), signed_in("pharmacist", "Ada Okafor")
    reference = ask()
    ada.open(f"/staff/requests/{reference}").press("Claim", status=303)

    page = manager.open(f"/staff/people/{ada.user_id}").press("Disable this account", status=303)

    page.sees("This account is disabled")
    assert ada.get("/staff/requests").status_code == 302
    assert (stored(reference).status, stored(reference).owner_id) == (Status.NEW, None)
    assert acts(app, ada.user_id) == ["staff.disabled"]
    page.press("Enable this account", status=303).sees("They can sign in again")


def test_a_new_link_voids_what_they_had(
    app: Flask,
    signed_in: SignedIn,
    outbox: Callable[[], list[Any]],
    visitor: Visitor,
    user: Callable[[int], User],
) -> None:
    manager, ada = signed_in("manager", "Grace Hall"), signed_in("desk", "Ada Okafor")

    page = manager.open(f"/staff/people/{ada.user_id}").press("Send a new link", status=303)

    page.sees("A link to set a new password is on its way")
    assert ada.get("/staff/requests").status_code == 302
    assert user(ada.user_id).password is None
    [mail] = outbox()
    link = re.search(r"/staff/invite/[\w-]+", mail.get_body(("plain",)).get_content())[0]
    visitor.open(link).fill("Password", PASSWORD).press("Set password", status=303)
    assert user(ada.user_id).password is not None
    assert acts(app, ada.user_id) == ["staff.factors_voided", "staff.password_set"]


def test_all_sessions_of_somebody_end(app: Flask, signed_in: SignedIn) -> None:
    manager, ada = signed_in("manager"), signed_in("desk")

    manager.open(f"/staff/people/{ada.user_id}").press("End all sessions", status=303).sees(
        "Signed in 0 places"
    )

    assert ada.get("/staff/requests").status_code == 302
    assert acts(app, ada.user_id) == ["staff.sessions_ended"]


def test_nobody_can_be_acted_on_twice_over_or_against_the_rules(
    signed_in: SignedIn, user: Callable[[int], User]
) -> None:
    manager = signed_in("manager", "Grace Hall")
    page = manager.open(f"/staff/people/{manager.user_id}")
    page.lacks("Disable this account").sees("This is you")
    token = page.soup.find("input", {"name": "csrf_token"})["value"]

    answer = manager.post(f"/staff/people/{manager.user_id}/disable", data={"csrf_token": token})

    assert answer.status_code == 422
    assert accounts.NOT_YOURSELF in answer.text
    assert user(manager.user_id).active
    assert manager.post("/staff/people/9999/disable", data={"csrf_token": token}).status_code == 403


def test_without_the_token_nothing_is_done(signed_in: SignedIn, user: Callable[[int], User]) -> None:
    manager, ada = signed_in("manager"), signed_in("desk")

    for act in POSTS:
        answer = manager.post(f"/staff/people/{ada.user_id}/{act}", data={"roles": "manager"})
        assert answer.status_code == 400, act
    assert (
        manager.post("/staff/people/invite", data={"email": "kept@pharmacy.example"}).text.count("kept@pharm")
        == 1
    )

    found = user(ada.user_id)
    assert (found.roles, found.active, found.password) == ({"desk"}, True, "no password at all")


def test_ones_own_sessions_are_listed_and_ended_one_by_one(
    app: Flask, signed_in: SignedIn, new_visitor: Callable[[], Visitor]
) -> None:
    ada, grace = signed_in("desk", "Ada Okafor"), signed_in("desk", "Grace Hall")
    other = second_session(app, ada, new_visitor())

    page = ada.open("/staff/account").sees("2 sessions", "This one", "Firefox on Windows")
    address, data = page.data("End the session of Firefox on Windows")
    grace_token = grace.open("/staff/account").soup.find("input", {"name": "csrf_token"})["value"]
    grace.post(address, data={"csrf_token": grace_token})
    assert other.get("/staff/requests").status_code == 200, "somebody else's session is not ours to end"
    answer = ada.post(address, data=data)

    assert answer.status_code == 303
    assert other.get("/staff/requests").status_code == 302
    assert ada.open("/staff/account").sees("1 session")


def test_all_other_sessions_of_ones_own_end(
    app: Flask, signed_in: SignedIn, new_visitor: Callable[[], Visitor]
) -> None:
    ada = signed_in("desk")
    other = second_session(app, ada, new_visitor())

    ada.open("/staff/account").press("End all other sessions", status=303).sees(
        "All other sessions are ended"
    )

    assert other.get("/staff/requests").status_code == 302


def test_the_front_door_of_the_staff_is_the_queue(signed_in: SignedIn) -> None:
    visitor = signed_in("desk")

    for place in ("/staff", "/staff/"):
        assert visitor.get(place).headers["Location"] == "/staff/requests"


def second_session(app: Flask, colleague: Any, visitor: Visitor) -> Visitor:
    """The same person in another browser."""
    from portal import tokens

    with app.app_context(), transaction():
        row = db.session.scalars(select(StaffSession).where(StaffSession.user_id == colleague.user_id)).one()
        values = {
            name: getattr(row, name) for name in ("user_id", "data", "created_at", "seen_at", "expires_at")
        }
        db.session.add(StaffSession(digest=tokens.digest("b" * 43), browser="Firefox on Windows", **values))
    visitor.client.set_cookie("staff", "b" * 43, domain="localhost")
    return visitor


@pytest.mark.parametrize(("path", "status"), [("/staff/none", 404), ("/staff/people", 403)])
def test_an_error_leaves_staff_in_their_own_frame(
    path: str, status: int, signed_in: Callable[..., Colleague]
) -> None:
    page = signed_in("desk").open(path, status=status)

    page.follow("Go to the requests")
    assert page.soup.select_one("body.staff")
    assert page.soup.find("button", string="Sign out")


# ---- Open invitations


def invited(manager: Any) -> Any:
    """The page of people after somebody was invited."""
    page = manager.open("/staff/people/invite").fill("Email", "tom@pharmacy.example")
    return page.fill("Name", "Tom Oneill").fill("Pharmacist").press("Send the link", status=303)


def links(outbox: Callable[[], list[Any]]) -> list[str]:
    return [
        found[0]
        for mail in outbox()
        if (found := re.findall(r"/staff/invite/[\w-]+", mail.get_body(("plain",)).get_content()))
    ]


def test_an_open_invitation_is_seen_until_it_is_used(
    app: Flask, signed_in: SignedIn, outbox: Callable[[], list[Any]], visitor: Visitor, clock: Any
) -> None:
    manager = signed_in("manager", "Grace Hall")

    page = invited(manager)
    page.sees("Invited, and not here yet: 1", "tom@pharmacy.example", "Tom Oneill", "works until")
    clock.tick(hours=25)
    manager = signed_in("manager", "Mo Reyes")
    manager.open("/staff/people").sees("Too old since").press(
        "Send again to tom@pharmacy.example", status=303
    )
    visitor.open(links(outbox)[-1]).fill("Password", PASSWORD).press("Set password", status=303)

    manager.open("/staff/people").lacks("not here yet")


def test_a_link_that_is_sent_again_replaces_the_one_before(
    app: Flask, signed_in: SignedIn, outbox: Callable[[], list[Any]], visitor: Visitor
) -> None:
    manager = signed_in("manager", "Grace Hall")

    page = invited(manager).press("Send again to tom@pharmacy.example", status=303)

    page.sees("A new link is on its way to them.", "not here yet: 1")
    first, second = links(outbox)
    visitor.open(first, status=404)
    visitor.open(second)
    with app.app_context():
        [link] = invitations.pending()
        assert (link.email, link.name, link.roles) == ("tom@pharmacy.example", "Tom Oneill", {"pharmacist"})


def test_a_cancelled_link_opens_nothing_and_is_in_the_trail(
    app: Flask, signed_in: SignedIn, outbox: Callable[[], list[Any]], visitor: Visitor
) -> None:
    manager = signed_in("manager", "Grace Hall")

    page = invited(manager)
    again = page.press("Cancel the link to tom@pharmacy.example", status=303)

    again.sees("The link no longer works.").lacks("tom@pharmacy.example")
    visitor.open(links(outbox)[0], status=404)
    page.press("Cancel the link to tom@pharmacy.example", status=403)
    with app.app_context():
        last = db.session.scalars(select(AuditEntry).order_by(AuditEntry.id.desc())).first()
        assert last is not None and (last.action, last.detail) == ("staff.link_cancelled", "pharmacist")


def test_the_password_is_asked_again_for_acts_and_not_for_looking(
    signed_in: SignedIn, monkeypatch: pytest.MonkeyPatch, outbox: Callable[[], list[Any]]
) -> None:
    manager, other = signed_in("manager"), signed_in("desk", "Ada Okafor")
    monkeypatch.setattr("portal.signin.gate.is_fresh", lambda: False)

    page = manager.open(f"/staff/people/{other.user_id}")
    manager.open("/staff/people").sees("Ada Okafor")

    for act in POSTS:
        place, sent = page.data("Disable this account")
        answer = manager.post(place.replace("disable", act), data=sent)
        assert answer.status_code == 303
        assert answer.headers["Location"].startswith("/staff/verify?next=/staff/people/")
    assert "/staff/verify?next=" in manager.get("/staff/people/invite").headers["Location"]
    assert outbox() == []
