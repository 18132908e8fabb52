"""Leaving: N9 (RFC 8058), N10."""

from __future__ import annotations

import pytest
from flask import Flask
from sqlalchemy import select

from portal.db import db
from portal.newsletter.models import ConsentEvent, State
from tests.newsletter.people import Outbox, confirm, head, link_in, make_subscriber, row_of, table
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


@pytest.mark.parametrize("token", ["unknown", "x" * 300, "ñ%20"])
def test_a_link_that_is_nobodys_gets_the_same_answers(app: Flask, visitor: Visitor, token: str) -> None:
    """N9: it works after the person was purged."""
    person = make_subscriber(app)
    nobody = f"/newsletter/unsubscribe/{token}"

    theirs, none = visitor.open(person["leave"]), visitor.open(nobody)

    assert theirs.text == none.text
    assert visitor.post(nobody, data=ONE_CLICK).data == visitor.post(person["leave"], data=ONE_CLICK).data
    assert none.press("Stop all emails", status=303).title == "You will get no more emails"


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


@pytest.mark.parametrize("body", [{}, {"List-Unsubscribe": "Two-Clicks"}, {"list-unsubscribe": "One-Click"}])
def test_a_body_without_the_pair_is_the_pages_own_form(
    app: Flask, visitor: Visitor, body: dict[str, str]
) -> None:
    """And so needs the form's token."""
    person = make_subscriber(app)
    before = table(app)

    assert visitor.post(person["leave"], data=body).status_code == 400
    assert table(app) == before


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
