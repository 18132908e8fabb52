"""Confirming: N6, N7, "this was not me", and presses that come twice or together."""

from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal import tokens
from portal.db import db
from portal.newsletter.models import ConsentEvent, MailedToken, Signup, State, Subscriber
from tests.conftest import START, Clock
from tests.newsletter.people import (
    ADDRESS,
    Outbox,
    confirm,
    head,
    link_in,
    links_of,
    make_subscriber,
    row_of,
    sign_up,
    table,
)
from tests.pages import Visitor


def confirm_link(visitor: Visitor, outbox: Outbox, **fields: object) -> str:
    sign_up(visitor, **fields)
    return link_in(outbox()[-1], "/newsletter/confirm/")


def count(app: Flask, model: type) -> int:
    with app.app_context():
        return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_opening_the_link_changes_nothing_however_often(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N6: GET and HEAD show one sentence and one button, and are not kept by anybody."""
    link = confirm_link(visitor, outbox)
    before = table(app)

    for response in (visitor.get(link), head(visitor, link), visitor.get(link)):
        assert response.status_code == 200
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert "noindex" in response.headers["X-Robots-Tag"]

    assert table(app) == before
    visitor.open(link).sees("An…@mail.example").lacks(ADDRESS)


def test_the_token_is_stored_as_its_hash_only(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    token = confirm_link(visitor, outbox).rpartition("/")[2]

    with app.app_context():
        stored = db.session.scalars(select(MailedToken)).one()
        assert stored.token_hash == tokens.digest(token)
        assert stored.expires_at - stored.created_at == timedelta(days=7)
    assert len(token) * 6 >= 128


def test_pressing_the_button_subscribes_and_welcomes_once(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    link = confirm_link(visitor, outbox, topics=["news", "research"], language="es")

    first = visitor.open(f"{link}?lang=en").press("Yes, sign me up", status=303)
    second = visitor.open(f"{link}?lang=en").press("Yes, sign me up", status=303)

    row = row_of(app)
    assert row is not None
    assert (row["state"], row["language"], row["chosen"]) == (State.ACTIVE, "es", ["news", "research"])
    assert row["confirmed_at"] is not None
    assert first.title == second.title == "You are signed up"
    assert first.response.data == second.response.data
    assert [message["Subject"] for message in outbox()][1:] == ["Su inscripción está confirmada"]


def test_both_acts_of_consent_are_kept(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N5: the request with the words and the time of the form, then the press of the button."""
    confirm(visitor, outbox)

    with app.app_context():
        asked, said_yes = db.session.scalars(select(ConsentEvent).order_by(ConsentEvent.id)).all()
        signup = db.session.scalars(select(Signup)).one()
        assert (asked.kind, said_yes.kind) == ("requested", "confirmed")
        assert asked.at == signup.at < said_yes.at
        assert asked.text_sha256 == said_yes.text_sha256 == signup.text_sha256
        assert (asked.page, asked.source, asked.network) == ("/newsletter", "form", "127.0.0.0/24")


def test_consent_events_cannot_be_changed(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    confirm(visitor, outbox)

    for statement in ("UPDATE consent_event SET kind = 'left'", "DELETE FROM consent_event"):
        with (
            app.app_context(),
            pytest.raises(Exception, match="append-only"),
            db.engine.begin() as connection,
        ):
            connection.exec_driver_sql(statement)


@pytest.mark.parametrize("state", [State.PENDING, State.UNSUBSCRIBED, State.BOUNCED])
def test_a_fresh_confirmation_brings_a_person_back(
    app: Flask, visitor: Visitor, outbox: Outbox, state: State
) -> None:
    make_subscriber(app, state)

    confirm(visitor, outbox, topics=["pharmacy"])

    row = row_of(app)
    assert row is not None
    assert (row["state"], row["chosen"], row["left_at"]) == (State.ACTIVE, ["pharmacy"], None)


def test_a_complaint_is_not_undone_by_an_older_link(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    link = confirm_link(visitor, outbox)
    make_subscriber(app, State.COMPLAINED)

    page = visitor.open(link)

    assert page.title == "This link does not work any more"
    assert row_of(app)["state"] == State.COMPLAINED  # type: ignore[index]


@pytest.mark.parametrize("token", ["unknown", "ñ", "%0d%0a", "x" * 31])
def test_a_link_that_lost_a_part_says_so(visitor: Visitor, token: str) -> None:
    visitor.open(f"/newsletter/confirm/{token}").sees("This link is not complete", "Part of it is missing.")
    assert visitor.post(f"/newsletter/confirm/{token}").status_code == 303


@pytest.mark.parametrize("token", ["x" * 32, "x" * 500])
def test_an_unknown_link_offers_to_ask_again(app: Flask, visitor: Visitor, token: str) -> None:
    """N6: 200, and the form on it works."""
    page = visitor.open(f"/newsletter/confirm/{token}")

    page.sees("This link does not work any more")
    done = page.set(email=ADDRESS).press("Sign up", status=303)
    assert done.title == "One more step: check your email"
    assert count(app, Signup) == 1


def test_an_old_link_offers_to_ask_again(app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock) -> None:
    link = confirm_link(visitor, outbox)
    page = visitor.open(link)
    clock.tick(days=7)

    again = page.press("Yes, sign me up", status=303)

    assert again.title == visitor.open(link).title == "This link does not work any more"
    assert row_of(app) is None


def test_a_link_used_before_leaving_does_not_bring_the_person_back(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    mails = confirm(visitor, outbox)
    used = link_in(mails[0], "/newsletter/confirm/")
    held_open = visitor.open(used)
    visitor.post(link_in(mails[1], "/newsletter/unsubscribe/"), data={"List-Unsubscribe": "One-Click"})

    page = held_open.press("Yes, sign me up", status=303)

    assert page.title == "This link does not work any more"
    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_twenty_presses_at_once_make_one_subscriber_and_one_welcome(
    app: Flask, visitor: Visitor, outbox: Outbox, new_visitor: Callable[[], Visitor], clock: Clock
) -> None:
    link = confirm_link(visitor, outbox)
    pages = [new_visitor().open(link) for _ in range(20)]
    clock.tick(5)
    start, statuses = threading.Barrier(20), []

    def press(page: object) -> None:
        address, data = page.data("Yes, sign me up")  # type: ignore[attr-defined]
        start.wait()
        statuses.append(page.visitor.post(address, data=data).status_code)  # type: ignore[attr-defined]

    threads = [threading.Thread(target=press, args=(page,)) for page in pages]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert statuses == [303] * 20
    assert count(app, Subscriber) == 1
    assert count(app, ConsentEvent) == 2
    assert len(outbox()) == 2


def test_two_links_of_one_address_make_one_subscriber(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    first = confirm_link(visitor, outbox, topics=["news"])
    clock.tick(minutes=16)
    second = confirm_link(visitor, outbox, topics=["research"])

    for link in (second, first):
        visitor.open(link).press("Yes, sign me up", status=303)

    assert count(app, Subscriber) == 1
    assert row_of(app)["chosen"] == ["news"]  # type: ignore[index]
    assert [message["Subject"] for message in outbox()].count("You are signed up") == 1


def test_who_did_not_ask_is_left_alone_for_a_year(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    """N3: the "not me" button blocks confirm mails for 12 months, and keeps only a keyed hash to do so."""
    link = confirm_link(visitor, outbox)

    page = visitor.open(link).press("This was not me", status=303)
    counts, sent = [], {mail["Message-ID"] for mail in outbox()}
    for days in (1, 363, 2):
        clock.tick(days=days)
        sign_up(visitor, ADDRESS.upper())
        sent |= {mail["Message-ID"] for mail in outbox()}
        counts.append(len(sent))

    assert page.title == "We will not write to you again"
    assert row_of(app) is None
    assert counts == [1, 1, 2]


def test_not_me_after_somebody_pressed_yes_takes_the_person_off(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    link = confirm_link(visitor, outbox)
    visitor.open(link).press("Yes, sign me up")

    visitor.open(link).press("This was not me", status=303)

    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_yes_after_not_me_counts(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """The owner of the address may change their mind."""
    link = confirm_link(visitor, outbox)
    visitor.open(link).press("This was not me")

    visitor.open(link).press("Yes, sign me up", status=303)

    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]


def test_one_reminder_after_two_days_and_never_a_second(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    """N7."""
    confirm_link(visitor, outbox)
    clock.tick(minutes=20)
    confirm_link(visitor, outbox)

    counts = []
    for hours in (47, 1, 24, 24, 48):
        clock.tick(hours=hours)
        counts.append(len(outbox()))

    mails = outbox()
    assert counts == [2, 3, 3, 3, 3]
    assert mails[2]["Subject"] == "Reminder: confirm your sign-up"
    link = link_in(mails[2], "/newsletter/confirm/")
    visitor.open(link).press("Yes, sign me up", status=303)
    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]


@pytest.mark.parametrize("what", ["confirmed", "not me", "left"])
def test_nobody_who_has_decided_is_reminded(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock, what: str
) -> None:
    if what == "not me":
        visitor.open(confirm_link(visitor, outbox)).press("This was not me")
    else:
        mails = confirm(visitor, outbox)
        if what == "left":
            visitor.open(link_in(mails[1], "/newsletter/unsubscribe/")).press("Stop all emails")
    before = len(outbox())

    clock.tick(hours=49)

    assert len(outbox()) == before


def test_what_was_not_confirmed_is_forgotten_after_thirty_days(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock, work: Callable[[], int]
) -> None:
    """N7."""
    confirm_link(visitor, outbox)
    make_subscriber(app, State.PENDING, address="imported@mail.example", at=START)
    make_subscriber(app, State.ACTIVE, address="ben@mail.example", at=START)

    clock.tick(days=30)
    work()

    assert (count(app, Signup), count(app, MailedToken)) == (0, 0)
    assert row_of(app, "imported@mail.example") is None
    assert row_of(app, "ben@mail.example") is not None


def test_the_confirm_mail_carries_nothing_that_was_typed(visitor: Visitor, outbox: Outbox) -> None:
    """N3: so it cannot carry a stranger's advertisement; one link, and no List-* header (N33)."""
    sign_up(visitor, "buy-pills.example.com@mail.example")

    (message,) = outbox()

    text = message.get_body(("plain",)).get_content()
    assert "pills" not in text
    assert len(links_of(message, "plain")) == 1
    assert not [name for name in message if name.lower().startswith("list-")]
