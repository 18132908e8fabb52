"""Leaving: N9 (RFC 8058), N10."""

from __future__ import annotations

from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.newsletter.models import ConsentEvent, State
from tests.conftest import Clock
from tests.newsletter.people import (
    ADDRESS,
    Outbox,
    confirm,
    head,
    link_in,
    make_subscriber,
    row_of,
    table,
    use_up,
)
from tests.pages import Visitor

ONE_CLICK = {"List-Unsubscribe": "One-Click"}


def left(app: Flask) -> list[tuple[str, str]]:
    with app.app_context():
        query = select(ConsentEvent.kind, ConsentEvent.means).order_by(ConsentEvent.id)
        return [tuple(row) for row in db.session.execute(query)]


@pytest.mark.parametrize("content_type", ["application/x-www-form-urlencoded", "multipart/form-data"])
def test_one_click_needs_nothing_but_its_body(app: Flask, visitor: Visitor, content_type: str) -> None:
    """RFC 8058: no cookie, no token, no redirect; from any origin; either content type."""
    person = make_subscriber(app)

    response = visitor.post(
        person["leave"],
        data=ONE_CLICK,
        content_type=content_type,
        headers={"Origin": "https://mail.example", "Sec-Fetch-Site": "cross-site"},
    )

    assert response.status_code == 200
    assert "Set-Cookie" not in response.headers
    assert "Location" not in response.headers
    row = row_of(app)
    assert row is not None
    assert row["state"] == State.UNSUBSCRIBED
    assert left(app) == [("left", "one-click")]


def test_one_click_again_changes_nothing(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)
    first = visitor.post(person["leave"], data=ONE_CLICK)
    before = table(app)

    second = visitor.post(person["leave"], data=ONE_CLICK)

    assert (first.status_code, first.data) == (second.status_code, second.data)
    assert table(app) == before


def test_the_link_of_somebody_we_forgot_gets_the_same_answers(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    """N9: it works after the person was erased."""
    gone, there = make_subscriber(app), make_subscriber(app, address="ben@mail.example")
    visitor.open(gone["preferences"]).press("Delete everything you hold about me")
    visitor.open(link_in(outbox()[-1], "/newsletter/erase/")).press("Delete everything", status=303)

    theirs, none = visitor.open(there["leave"]), visitor.open(gone["leave"])

    assert theirs.text == none.text
    assert (
        visitor.post(gone["leave"], data=ONE_CLICK).data == visitor.post(there["leave"], data=ONE_CLICK).data
    )
    assert none.press("Stop all emails", status=303).title == "You will get no more emails"


BEHIND_A_SLASH = ("%3C/a%3E", "/)", "/", "%2F%3E", "/%22%20x")
APPENDED = (*")>.,;]=!* '\"…", ">.", "%3E", "%22", "%20", "%0d%0a", "%253E", "_", "--", *BEHIND_A_SLASH)


@pytest.mark.parametrize("junk", APPENDED)
def test_what_a_mail_program_puts_behind_a_link_is_ignored(app: Flask, visitor: Visitor, junk: str) -> None:
    person = make_subscriber(app)

    page = visitor.open(person["leave"] + junk)
    visitor.open(person["preferences"] + junk).sees("An…@mail.example")
    assert page.press("Stop all emails", status=303).title == "You will get no more emails"

    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]
    assert visitor.post(person["leave"] + junk, data=ONE_CLICK).status_code == 200


@pytest.mark.parametrize("cut", [-4, -1, -31])
@pytest.mark.parametrize("junk", ["", ")", "%0d%0a"])
def test_a_link_that_lost_a_part_is_said_to_be_incomplete(
    app: Flask, visitor: Visitor, cut: int, junk: str
) -> None:
    person = make_subscriber(app)
    broken = person["leave"][:cut] + junk

    page = visitor.open(broken, status=404).sees("This link is not complete", "nothing has been changed")
    answer = visitor.post(broken, data=ONE_CLICK)

    assert answer.status_code == 404
    assert "You will get no more emails" not in answer.text + page.text
    assert "open a long time" not in answer.text
    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]


@pytest.mark.parametrize("token", ["unknown", "x" * 32, "x" * 300, "ñ%20", "%0d%0a"])
def test_a_link_that_was_never_ours_is_no_success(visitor: Visitor, token: str) -> None:
    assert visitor.post(f"/newsletter/unsubscribe/{token}", data=ONE_CLICK).status_code == 404
    visitor.open(f"/newsletter/unsubscribe/{token}", status=404).sees("type the address that gets our emails")


@pytest.mark.parametrize("address", ["anna@mail.example", "ANNA@mail.example", "nobody@mail.example"])
def test_without_a_whole_link_the_address_is_enough(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock, address: str
) -> None:
    """The same words for every address; only who is on the list gets a mail, and one in a quarter of an hour."""
    make_subscriber(app)
    page = visitor.open("/newsletter/unsubscribe/broken", status=404).set(email=address)
    expected = 0 if address.startswith("nobody") else 1

    after = page.press("Send me the link to stop", status=303).sees(
        "an email with the link comes within a minute"
    )
    assert len(outbox()) == expected
    for _again in range(2):
        visitor.open("/newsletter/unsubscribe").set(email=address).press(
            "Send me the link to stop", status=303
        ).sees("it comes when they are over")

    assert after.title == "Check your email for the link to stop"
    assert len(outbox()) == expected
    clock.tick(minutes=15)
    mails = outbox()
    assert len(mails) == 2 * expected, "who lost the first gets it, once"
    clock.tick(minutes=15)
    assert len(outbox()) == 2 * expected
    for mail in mails:
        assert mail["To"] == ADDRESS
        visitor.open(link_in(mail, "/newsletter/unsubscribe/")).press("Stop all emails", status=303)
        assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_who_left_meanwhile_gets_no_second_link(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    person = make_subscriber(app)
    for _twice in range(2):
        visitor.open("/newsletter/unsubscribe").set(email=ADDRESS).press(
            "Send me the link to stop", status=303
        )
        assert len(outbox()) == 1
    visitor.post(person["leave"], data=ONE_CLICK)

    clock.tick(minutes=16)

    assert len(outbox()) == 1


def test_opening_the_link_changes_nothing(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)
    before = table(app)

    for response in (visitor.get(person["leave"]), head(visitor, person["leave"])):
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert "noindex" in response.headers["X-Robots-Tag"]

    assert table(app) == before


def test_the_pages_own_button_leaves(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)

    page = visitor.open(person["leave"]).press("Stop all emails", status=303)

    page.sees("You are off the list.")
    assert left(app) == [("left", "page")]


SLOPPY: list[dict[str, Any]] = [
    {},
    {"data": b""},
    {"data": {"List-Unsubscribe": "Two-Clicks"}},
    {"data": {"list-unsubscribe": "one-click"}},
    {"data": b"List-Unsubscribe=One-Click\r\n", "content_type": "application/x-www-form-urlencoded"},
    {"data": b"List-Unsubscribe=One-Click", "content_type": "text/plain"},
    {"data": b"List-Unsubscribe=One-Click", "content_type": "application/octet-stream"},
    {"data": b"\xff\xfe=%ff", "content_type": "application/x-www-form-urlencoded"},
    {"data": b"--x\r\nbroken", "content_type": "multipart/form-data; boundary=x"},
    {"data": b"--x", "content_type": "multipart/form-data"},
    {"data": b"x" * 70_000, "content_type": "application/x-www-form-urlencoded"},
    {"json": ["One-Click"]},
    {"data": b"&" * 500, "content_type": "application/x-www-form-urlencoded"},
]


@pytest.mark.parametrize("sent", SLOPPY, ids=range(len(SLOPPY)))
def test_any_post_with_a_good_link_leaves(app: Flask, visitor: Visitor, sent: dict[str, Any]) -> None:
    """RFC 8058 asks senders to be exact; who receives need not be."""
    person = make_subscriber(app)

    response = visitor.post(person["leave"], **sent, headers={"Origin": "https://mail.example"})

    assert (response.status_code, response.text) == (200, "You will get no more emails.\n")
    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_a_page_that_was_open_for_weeks_still_leaves(app: Flask, visitor: Visitor, clock: Clock) -> None:
    page = visitor.open(make_subscriber(app)["leave"])
    clock.tick(days=30)
    visitor.client.delete_cookie("form")

    page.press("Stop all emails", status=303).sees("You are off the list.")


def test_a_provider_that_leaves_for_thousands_is_never_told_to_wait(app: Flask, visitor: Visitor) -> None:
    use_up(app, "post")

    assert visitor.post(make_subscriber(app)["leave"], data=ONE_CLICK).status_code == 200


@pytest.mark.parametrize("state", [State.PENDING, State.ACTIVE, State.PAUSED, State.BOUNCED])
def test_everybody_can_leave(app: Flask, visitor: Visitor, state: State) -> None:
    person = make_subscriber(app, state)

    visitor.post(person["leave"], data=ONE_CLICK)

    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_a_complaint_stays_a_complaint(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app, State.COMPLAINED)

    assert visitor.post(person["leave"], data=ONE_CLICK).status_code == 200
    assert row_of(app)["state"] == State.COMPLAINED  # type: ignore[index]


def test_there_is_no_goodbye_mail(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N10."""
    mails = confirm(visitor, outbox)

    visitor.post(link_in(mails[1], "/newsletter/unsubscribe/"), data=ONE_CLICK)

    assert len(outbox()) == len(mails)
