"""Choosing, pausing, the record, and erasing: N8, N58."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import func, select

from portal.db import db
from portal.mail.models import Body, Delivery
from portal.newsletter.models import (
    ConsentEvent,
    MailedToken,
    Signup,
    State,
    Subscriber,
    Subscription,
    Tombstone,
)
from tests.conftest import Clock
from tests.newsletter.people import (
    ADDRESS,
    Outbox,
    confirm,
    head,
    link_in,
    make_subscriber,
    row_of,
    sign_up,
    table,
)
from tests.pages import Visitor


def events(app: Flask) -> list[str]:
    with app.app_context():
        return list(db.session.scalars(select(ConsentEvent.kind).order_by(ConsentEvent.id)))


def test_topics_and_language_are_saved(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)

    page = visitor.open(person["preferences"]).set(topics=["research", "pharmacy"], language="es")
    page = page.press("Save my choices", status=303)

    row = row_of(app)
    assert row is not None
    assert (row["chosen"], row["language"], row["state"]) == (["research", "pharmacy"], "es", State.ACTIVE)
    assert ("news", "stopped") in {(topic, state) for topic, state, _at in row["topics"]}
    assert events(app) == ["topics", "language"]
    assert page.soup.html["lang"] == "es"


def test_saving_the_same_choices_leaves_no_event(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)

    visitor.open(person["preferences"]).press("Save my choices", status=303)

    assert events(app) == []


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"topics": []}, "Select at least one topic"),
        ({"topics": ["pain"]}, "Select topics from the list"),
        ({"language": "xx"}, "Select English or Spanish"),
    ],
)
def test_bad_choices_are_refused(
    app: Flask, visitor: Visitor, fields: dict[str, object], advice: str
) -> None:
    person = make_subscriber(app)
    before = row_of(app)

    page = visitor.open(person["preferences"]).set(**fields).press("Save my choices", status=422)  # type: ignore[arg-type]

    assert advice in page.errors.values()
    assert row_of(app) == before


def test_the_address_is_masked_everywhere(app: Flask, visitor: Visitor) -> None:
    """A forwarded mail must not disclose it."""
    person = make_subscriber(app)

    for address in (
        person["preferences"],
        person["preferences"] + "/record",
        person["preferences"] + "/record?format=json",
    ):
        response = visitor.get(address)
        assert ADDRESS.lower() not in response.text.lower()
        assert "An…@mail.example" in response.text or "An\\u2026@mail.example" in response.text
        assert response.headers["Cache-Control"] == "no-store"
        assert "mail.example" not in str(visitor.open(address).soup.title)


@pytest.mark.parametrize("days", [30, 90])
def test_a_pause_ends_by_itself(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock, days: int
) -> None:
    person = make_subscriber(app)

    visitor.open(person["preferences"]).press(f"Pause for {days} days", status=303).sees(
        "Your emails are paused."
    )
    paused = row_of(app)
    clock.tick(days=days - 1)
    outbox()
    still = row_of(app)
    clock.tick(days=1)
    outbox()

    assert paused == still
    assert paused is not None
    assert paused["state"] == State.PAUSED
    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]
    assert events(app) == ["paused", "resumed"]


def test_a_pause_can_be_ended(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app, State.PAUSED)

    visitor.open(person["preferences"]).press("Start again now", status=303).sees("Your emails start again.")

    row = row_of(app)
    assert row is not None
    assert (row["state"], row["paused_until"]) == (State.ACTIVE, None)


def test_stopping_needs_no_topic(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)

    page = visitor.open(person["preferences"]).set(topics=[]).press("Stop all emails", status=303)

    assert page.title == "You will get no more emails"
    row = row_of(app)
    assert row is not None
    assert row["state"] == State.UNSUBSCRIBED
    assert row["left_at"] is not None
    assert row["chosen"] == ["news"], "the topics are another thing than the person's state"


def test_who_left_can_only_come_back_by_signing_up(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)
    page = visitor.open(person["preferences"])
    page.press("Stop all emails")
    before = row_of(app)

    page.press("Save my choices", status=409)
    page.press("Pause for 30 days", status=409)

    assert row_of(app) == before
    visitor.open(person["preferences"]).sees("You get no emails from us").follow("Sign up again")


def test_an_act_we_do_not_know_is_refused(app: Flask, visitor: Visitor) -> None:
    person = make_subscriber(app)
    before = table(app)
    page = visitor.open(person["preferences"])
    address, data = page.data("Save my choices")

    assert visitor.post(address, data={**data, "do": "destroy"}).status_code == 422
    assert visitor.post(address, data={k: v for k, v in data.items() if k != "do"}).status_code == 422
    assert table(app) == before


def test_a_link_opens_only_what_it_is_for(app: Flask, visitor: Visitor) -> None:
    """The link that leaves cannot open the preferences, nor the other way round."""
    person = make_subscriber(app)
    leave, preferences = (person[name].rpartition("/")[2] for name in ("leave", "preferences"))

    assert leave != preferences
    visitor.open(f"/newsletter/preferences/{leave}", status=404)
    visitor.open(f"/newsletter/preferences/{leave}/record", status=404)
    visitor.post(f"/newsletter/unsubscribe/{preferences}", data={"List-Unsubscribe": "One-Click"})
    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]


def test_links_outlive_a_change_of_the_secret_key(
    app: Flask, visitor: Visitor, change_settings: Callable[..., None]
) -> None:
    """Leaving has no expiry."""
    person = make_subscriber(app)
    change_settings(SECRET_KEY="another-key-another-key-another-key")

    visitor.open(person["leave"]).press("Stop all emails", status=303)

    assert row_of(app)["state"] == State.UNSUBSCRIBED  # type: ignore[index]


def test_the_record_tells_all_and_no_token(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    mails = confirm(visitor, outbox)
    preferences = link_in(mails[1], "/newsletter/preferences/")

    page = visitor.open(preferences).follow("See your record")
    record = json.loads(visitor.get(preferences + "/record?format=json").text)

    page.sees("You asked for the newsletter", "You confirmed", "I ask this pharmacy to send me")
    assert [event["act"] for event in record["consent"]] == ["requested", "confirmed"]
    assert record["consent"][0]["words"].startswith("By pressing")
    assert [mail["mail"] for mail in record["mails"]] == ["confirm", "welcome"]
    assert (record["state"], record["topics"], record["language"]) == ("active", ["news"], "en")
    row = row_of(app)
    assert row is not None
    for secret in (row["handle"], row["leave_digest"], row["preferences_digest"]):
        assert secret not in json.dumps(record)


def ask_to_erase(app: Flask, visitor: Visitor, outbox: Outbox, preferences: str) -> str:
    visitor.open(preferences).press("Delete everything you hold about me", status=303).sees(
        "We are sending you an email."
    )
    return link_in(outbox()[-1], "/newsletter/erase/")


def test_asking_to_erase_only_sends_a_mail_to_the_address_itself(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    """N58: never by a link's token alone."""
    person = make_subscriber(app)
    before = row_of(app)

    link = ask_to_erase(app, visitor, outbox, person["preferences"])
    visitor.open(link)
    head(visitor, link)

    assert row_of(app) == before
    assert [message["To"] for message in outbox()] == [ADDRESS]


def test_who_asks_to_erase_again_gets_the_mail_when_the_quarter_of_an_hour_is_over(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    """As the page says: they may have lost the first. However often they ask, one waits."""
    preferences = make_subscriber(app)["preferences"]
    first = ask_to_erase(app, visitor, outbox, preferences)
    for _ in range(3):
        page = visitor.open(preferences).press("Delete everything you hold about me", status=303)
        page.sees("If you asked for it less than 15 minutes ago, it comes when they are over.")

    assert len(outbox()) == 1
    visitor.clock.tick(minutes=15)
    mails = outbox()
    assert len(mails) == 2
    second = link_in(mails[-1], "/newsletter/erase/")
    assert second != first
    for link in (first, second):
        visitor.open(link).sees("Delete everything")


def test_erasing_leaves_only_a_keyed_hash(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    mails = confirm(visitor, outbox)
    preferences = link_in(mails[1], "/newsletter/preferences/")
    leave = link_in(mails[1], "/newsletter/unsubscribe/")
    link = ask_to_erase(app, visitor, outbox, preferences)

    page = visitor.open(link)
    done = page.press("Delete everything", status=303)
    again = page.press("Delete everything", status=303)

    assert done.title == again.title == "Nothing more to do here"
    with app.app_context():
        for model in (Subscriber, Subscription, Signup, MailedToken, Body, Delivery):
            assert db.session.scalar(select(func.count()).select_from(model)) == 0, model
        stone = db.session.scalars(select(Tombstone)).one()
        assert (stone.reason, stone.until) == ("erased", None)
    everything = str(table(app)).lower()
    assert "anna" not in everything
    visitor.open(preferences, status=404)
    visitor.open(leave).press("Stop all emails", status=303)
    assert events(app)[-1] == "erased"


def test_the_tombstone_survives_every_way_back_in(app: Flask, visitor: Visitor, outbox: Outbox) -> None:
    """N58; and the person themself may come back, by their own press of a button."""
    person = make_subscriber(app)
    link = ask_to_erase(app, visitor, outbox, person["preferences"])
    visitor.open(link).press("Delete everything")

    visitor.post(
        "/api/newsletter/subscriptions", json={"email": ADDRESS, "topics": ["news"], "language": "en"}
    )
    after_api = row_of(app)
    (message,) = [mail for mail in outbox() if mail["Subject"] == "Confirm your sign-up"]
    visitor.open(link_in(message, "/newsletter/confirm/")).press("Yes, sign me up")

    assert after_api is None
    assert row_of(app)["state"] == State.ACTIVE  # type: ignore[index]
    with app.app_context():
        assert list(db.session.scalars(select(Tombstone.reason))) == ["erased"]


def test_who_complained_and_was_erased_is_never_written_to(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    person = make_subscriber(app, State.COMPLAINED)
    link = ask_to_erase(app, visitor, outbox, person["preferences"])
    visitor.open(link).press("Delete everything")
    before = len(outbox())

    sign_up(visitor)

    assert len(outbox()) == before


def test_an_erase_link_works_for_seven_days(
    app: Flask, visitor: Visitor, outbox: Outbox, clock: Clock
) -> None:
    person = make_subscriber(app)
    link = ask_to_erase(app, visitor, outbox, person["preferences"])

    clock.tick(days=7)
    page = visitor.open(link, status=303)

    assert page.response.headers["Location"] == "/newsletter/erased"
    assert row_of(app) is not None


def test_a_pause_is_thirty_days_to_the_minute(app: Flask, visitor: Visitor, clock: Clock) -> None:
    person = make_subscriber(app)

    visitor.open(person["preferences"]).press("Pause for 30 days")

    assert row_of(app)["paused_until"] == clock() + timedelta(days=30)  # type: ignore[index]
