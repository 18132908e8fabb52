"""A morning at the desk: two people, one in Chromium and one in Firefox, work the same queue; in `make browsers`."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from sqlalchemy import select

from portal import demo
from portal.db import db
from portal.intake.models import Request, Status
from portal.people.models import User
from tests.figures import is_full
from tests.firefox import Device, Firefox, firefox
from tests.stage import PASSWORD, Stage, Theatre

pytestmark = [
    pytest.mark.browser,
    pytest.mark.xdist_group("browser"),
    pytest.mark.skipif(not is_full(), reason="in `make browsers`"),
]


def reference(house: Theatre, **having: object) -> str:
    """The first request that is so."""
    with house.app.app_context():
        found = db.session.scalars(
            select(Request.reference).filter_by(**having).order_by(Request.answer_by)
        ).first()
    assert found, having
    return found


def signs_in(fox: Firefox, house: Theatre, name: str) -> Firefox:
    """With password and code, as at the beginning of a day."""
    with house.staff.app_context():
        email = db.session.scalars(select(User.email).where(User.name.startswith(name))).one()
    fox.forget().resize(1280).open("/staff/requests").fill(email=email, password=PASSWORD).press("Sign in")
    return fox.fill(code=house.code_of(name)).press("Continue").sees("Open requests")


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
def test_two_people_work_a_morning_in_two_browsers(
    fox: Firefox, house: Theatre, stage: Callable[..., Stage], scripts: bool
) -> None:
    """Ada, a pharmacist, in Firefox; Grace, a manager, in Chromium."""
    grace = stage(scripts=scripts).as_staff("Grace").open("/staff/requests?status=new")
    signs_in(fox, house, "Ada")
    first = reference(house, kind="consultation", status=Status.NEW)

    # One claims it; the other, whose list is older, is told who has it.
    fox.open("/staff/requests?status=new").press(f"Claim {first}").sees(f"{first} is yours now.")
    grace.press(f"Claim {first}", exact=False)
    assert grace.status == 409
    assert "Ada Okafor, PharmD has this request." in grace.page.inner_text("main")

    # A draft is kept by itself; the other sees who writes, and not what.
    fox.open(f"/staff/requests/{first}").fill(**{"answer-text": "At least 7 to 10 days."}).waits_for(
        "Draft kept."
    )
    grace.open(f"/staff/requests/{first}")
    assert "Writing at the moment: Ada Okafor" in grace.page.inner_text("main")
    assert "At least 7" not in grace.page.inner_text("main")
    grace.open("/staff/requests")
    assert "Ada Okafor, PharmD is writing" in grace.page.inner_text("main")

    # What came meanwhile is seen before the answer goes, and its words stay.
    grace.open(f"/staff/requests/{first}").fill(**{"note-text": "They called: it is urgent."}).press(
        "Save note"
    )
    fox.press_first("Send answer to").sees(
        "New since you opened this page", "Note written", "Grace Lindqvist"
    )
    assert fox.value("answer-text") == "At least 7 to 10 days."
    fox.press_first("Send answer to").sees("The answer is on its way.", "At least 7 to 10 days.")

    # A call that answered.
    called = reference(house, kind="consultation", status=Status.NEW, contact_method="phone")
    fox.open(f"/staff/requests/{called}").press("Claim").unfold("Log a call").tick("call-reason=reached")
    fox.fill(**{"call-text": "Told them."}).press("Log the call: it answered them").sees(
        "Answered", "Told them."
    )

    # By post, and two that are one.
    posted = reference(house, kind="resource", status=Status.NEW, delivery="post")
    grace.open(f"/staff/requests/{posted}").press("Mark as posted")
    assert "Answered" in grace.page.inner_text("main")
    twice = reference(house, name=demo.MEI[0], status=Status.NEW)
    with house.app.app_context():
        again = db.session.scalars(
            select(Request.reference).where(
                Request.possible_duplicate_of.is_not(None), Request.status == Status.NEW
            )
        ).first()
    grace.open(f"/staff/requests/{again}")
    grace.page.locator("summary", has_text="Join as a duplicate").click()
    grace.press("Join as a duplicate")
    assert "The two requests are joined." in grace.page.inner_text("body")
    assert twice

    # Several at once: one that the other took meanwhile is skipped, and said.
    grace.open("/staff/requests?status=new")
    boxes = grace.page.locator("input[name=chosen]")
    some = [str(boxes.nth(n).get_attribute("value")).partition(":")[0] for n in range(3)]
    fox.open(f"/staff/requests/{some[0]}").press("Claim").sees("This request is yours now.")
    for n in range(3):
        boxes.nth(n).check(force=True)
    grace.page.locator("summary", has_text="With those that are ticked").click()
    grace.page.get_by_label("Assign to").select_option(label="Ada Okafor, PharmD (Pharmacist)")
    grace.press("Assign them")
    told = grace.page.inner_text("main")
    assert "2 done, 1 skipped." in told
    assert "This request changed while you were looking at it" in told

    # Lunch.
    fox.open("/staff/requests?owner=me").sees(*some).choose("to", "Grace Lindqvist")
    fox.press("Hand all of mine over").sees("All that you had is handed over.")
    grace.open("/staff/requests?owner=me")
    assert all(one in grace.page.inner_text("main") for one in some)
    grace.open(f"/staff/requests/{some[0]}")
    assert "Owner: Grace Lindqvist" in grace.page.inner_text("main")

    # Back from it: a pharmacist takes over what only one may answer.
    fox.open(f"/staff/requests/{some[0]}").press("Take over").sees("You took this request over.")
    assert grace.complaints == []


def test_a_passkey_in_firefox_is_added_and_signs_in_alone(house: Theatre, tmp_path: Path) -> None:
    """In a window of its own: its session ends with the device."""
    house.set_back()
    with firefox(tmp_path, house.base) as fox:
        if fox is None:
            pytest.skip("no Firefox here: apt-get install firefox-esr")
        signs_in(fox, house, "Ada").open("/staff/account").follow("Add a passkey")
        device = Device(fox.folder)

        fox.fill(name="My phone").press("Continue").waits_for("Your passkey is added")
        fox.sees("My phone", "Not yet")
        assert device.count() == 1
        fox.press("Sign out").press("Sign in with a passkey").waits_for("Open requests")

        fox.press("Sign out")
        device.knows_its_holder(False)
        fox.press("Sign in with a passkey").waits_for("was not allowed to use one")
        device.close()
