"""What the worker mails for a sign-up: N2, N3, and that nothing accepted is lost or answered twice."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import timedelta

import pytest
from flask import Flask
from sqlalchemy import select

from portal import tokens
from portal.db import db, transaction
from portal.mail import lanes
from portal.mail import promise as mail
from portal.newsletter import consent, service
from portal.newsletter.models import Answer, Signup, State
from tests.conftest import Clock
from tests.newsletter.people import ADDRESS, Outbox, link_in, make_subscriber, sign_up
from tests.pages import Visitor

KEYS = ("a-key",)


def accept(app: Flask, clock: Clock, address: str = ADDRESS, *, network: str = "203.0.113.0/24") -> None:
    with app.app_context(), transaction():
        row = service.as_row(
            email=address,
            topics=["news"],
            language="en",
            words=consent.current("en"),
            source="form",
            page="/newsletter",
            network=network,
            form_token=tokens.new_token(),
            at=clock(),
        )
        service.sign_up(row)


def subjects(mails: list[object]) -> list[str]:
    return [str(message["Subject"]) for message in mails]  # type: ignore[index]


ANSWERS = {
    None: ["Confirm your sign-up"],
    State.PENDING: ["Confirm your sign-up"],
    State.UNSUBSCRIBED: ["Confirm your sign-up"],
    State.BOUNCED: ["Confirm your sign-up"],
    State.ACTIVE: ["You are on the list already"],
    State.PAUSED: ["You are on the list already"],
    State.COMPLAINED: [],
}


@pytest.mark.parametrize("state", ANSWERS)
def test_each_state_gets_its_mail(app: Flask, visitor: Visitor, outbox: Outbox, state: State | None) -> None:
    """N2."""
    if state is not None:
        make_subscriber(app, state)

    sign_up(visitor, ADDRESS.lower())

    assert subjects(outbox()) == ANSWERS[state]


def test_who_is_on_the_list_gets_the_link_to_their_preferences(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    person = make_subscriber(app, State.PAUSED)

    sign_up(visitor)

    (message,) = outbox()
    assert link_in(message, "/newsletter/preferences/") == person["preferences"]
    assert "paused until" in message.get_body(("plain",)).get_content()


def test_the_mail_has_the_message_id_that_was_fixed_at_the_sign_up(
    app: Flask, visitor: Visitor, outbox: Outbox
) -> None:
    sign_up(visitor)
    with app.app_context():
        fixed = db.session.scalars(select(Signup.message_id)).one()

    (message,) = outbox()

    assert message["Message-ID"] == fixed


def test_a_sign_up_is_answered_once(app: Flask, clock: Clock, outbox: Outbox) -> None:
    accept(app, clock)

    assert len(outbox()) == 1
    assert len(outbox()) == 1
    with app.app_context():
        assert service.answer_signups(keys=KEYS, at=clock()) == 0


def test_one_address_gets_one_mail_in_a_quarter_of_an_hour_and_three_a_day(
    app: Flask, clock: Clock, outbox: Outbox
) -> None:
    """N3."""
    counts = []
    for minutes in (0, 14, 2, 20, 20, 23 * 60, 60):
        clock.tick(minutes=minutes)
        accept(app, clock, ADDRESS)
        accept(app, clock, ADDRESS.upper())
        counts.append(len(outbox()))

    assert counts[:6] == [1, 1, 2, 3, 3, 3]
    assert counts[6] >= 4, "a day later there is room again"


@pytest.mark.parametrize("state", [None, State.ACTIVE, State.UNSUBSCRIBED])
def test_who_asks_again_too_soon_gets_one_mail_when_the_time_is_over(
    app: Flask, clock: Clock, outbox: Outbox, state: State | None
) -> None:
    """Never dropped: lost the mail, left and came back, or on the list, within the quarter of an hour."""
    if state is not None:
        make_subscriber(app, state)
    accept(app, clock)
    assert len(outbox()) == 1
    for minutes in (1, 5, 5):
        clock.tick(minutes=minutes)
        accept(app, clock)
        assert len(outbox()) == 1

    clock.tick(minutes=4)
    assert len(outbox()) == 2, "fifteen minutes after the first, one for all three"
    clock.tick(days=2)
    assert len(outbox()) in (2, 3), "at most the reminder to confirm"


def test_the_fourth_of_a_day_comes_when_the_day_is_over(app: Flask, clock: Clock, outbox: Outbox) -> None:
    for _ in range(4):
        accept(app, clock)
        outbox()
        clock.tick(minutes=16)
    assert len(outbox()) == 3

    clock.tick(hours=24)

    assert len(outbox()) == 4


def test_the_limit_holds_for_who_is_on_the_list_too(app: Flask, clock: Clock, outbox: Outbox) -> None:
    """Nobody can be pestered with "you are on it already"."""
    make_subscriber(app)
    for _ in range(5):
        accept(app, clock)

    assert len(outbox()) == 1
    clock.tick(minutes=16)
    assert len(outbox()) == 1, "one answered them all"


def test_one_network_causes_ten_mails_an_hour_and_the_rest_wait(
    app: Flask, clock: Clock, outbox: Outbox
) -> None:
    """N3, and nothing accepted is lost: the eleventh goes when the hour is over; others do not wait for it."""
    for number in range(12):
        accept(app, clock, f"person{number}@mail.example")
    accept(app, clock, "elsewhere@mail.example", network="198.51.100.0/24")

    first = outbox()
    clock.tick(minutes=59)
    before = outbox()
    clock.tick(minutes=2)
    after = outbox()

    assert len(first) == len(before) == 11
    assert "elsewhere@mail.example" in {message["To"] for message in first}
    assert len(after) == 13


def test_two_hundred_mails_an_hour_for_everybody_then_a_warning_and_a_wait(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """N3; shown with five instead of 200."""
    assert (timedelta(hours=1), 200) == service.EVERYBODY
    monkeypatch.setattr(service, "EVERYBODY", (timedelta(hours=1), 5))
    for number in range(7):
        accept(app, clock, f"person{number}@mail.example", network=f"198.51.{number}.0/24")

    with app.app_context(), caplog.at_level(logging.WARNING):
        answered = service.answer_signups(keys=KEYS, at=clock())
        again = service.answer_signups(keys=KEYS, at=clock.tick(minutes=1))
        later = service.answer_signups(keys=KEYS, at=clock.tick(hours=1))

    assert (answered, again, later) == (5, 0, 2)
    assert [record.getMessage() for record in caplog.records] == ["sign-up mails are at their limit"]


def test_a_sign_up_that_cannot_be_answered_holds_nobody_up_and_is_not_lost(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    accept(app, clock, "broken@mail.example")
    accept(app, clock, "fine@mail.example")
    real = mail.promise

    def promise(message: str, *, to: str, **more: object) -> object:
        if to.startswith("broken"):
            raise RuntimeError("a fault of ours")
        return real(message, to=to, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(mail, "promise", promise)
    with app.app_context():
        assert service.answer_signups(keys=KEYS, at=clock()) == 1
        monkeypatch.setattr(mail, "promise", real)
        assert service.answer_signups(keys=KEYS, at=clock.tick(minutes=16)) == 1
    assert "mail.example" not in caplog.text


def test_mail_and_answer_are_one_transaction(
    app: Flask, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed between the two, neither is there."""
    accept(app, clock)

    def dies(*_args: object, **_more: object) -> None:
        raise SystemExit

    with app.app_context():
        with monkeypatch.context() as patch:
            patch.setattr(db.session, "commit", dies)
            with pytest.raises(SystemExit):
                service.answer_signups(keys=KEYS, at=clock())
        assert lanes.counts()["queued"] == 0
        assert db.session.scalars(select(Signup.answered_at)).one() is None
        db.session.rollback()
        assert service.answer_signups(keys=KEYS, at=clock()) == 1
        assert lanes.counts()["queued"] == 1


def test_no_address_is_written_to_a_log(
    app: Flask, visitor: Visitor, outbox: Outbox, caplog: pytest.LogCaptureFixture
) -> None:
    """N47."""
    with caplog.at_level(logging.DEBUG):
        sign_up(visitor)
        outbox()

    logged = " ".join(
        [
            caplog.text,
            *(str(vars(record)) for record in caplog.records if not record.name.startswith("sqlalchemy")),
        ]
    )
    assert "anna@mail.example" not in logged.lower()


def test_every_answer_word_fits_its_column(work: Callable[[], int]) -> None:
    assert max(map(len, Answer)) <= 10
