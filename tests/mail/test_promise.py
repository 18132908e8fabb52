"""Promises: with their cause or not at all; withdrawn, held, released, forgotten and retired by verbs."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from email import message_from_bytes, policy

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import func, select

from portal.db import db, transaction
from portal.mail import lanes, promise
from portal.mail.letters import FACTS_MAX, pack, unpack
from portal.mail.models import Body, Delivery, Lane, State
from portal.mail.transport import Rejected
from tests.conftest import START, Clock
from tests.mail.conftest import FACTS, Promise, Sink, hand_over, row


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    with app.app_context():
        yield app


def how_many(model: type[Body] | type[Delivery]) -> int:
    return db.session.scalar(select(func.count()).select_from(model)) or 0


def test_a_mail_promised_in_a_failed_transaction_was_never_promised(context: Flask) -> None:
    with pytest.raises(KeyError), transaction():
        promise.promise("intake/notice", to="a@b.example", facts=FACTS, cause="t:1", at=START)
        raise KeyError

    assert (how_many(Body), how_many(Delivery)) == (0, 0)


def test_text_and_html_carry_the_same_links_and_the_headers_are_right(
    context: Flask, promised: Promise
) -> None:
    promised()
    sink = Sink()
    hand_over(sink)
    [content] = sink.sent

    mail = message_from_bytes(content, policy=policy.default)
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = BeautifulSoup(mail.get_body(("html",)).get_content(), "html.parser")  # type: ignore[union-attr]
    links = {a["href"] for a in html.find_all("a", href=True)}
    assert "http://localhost:8000/staff/requests/X" in text
    assert "display:none" not in str(html), "a text browser would show it first"
    assert all(str(link) in text for link in links)
    assert mail["From"] == "Linden Test Pharmacy <portal@pharmacy.example>"
    assert mail["To"] == "ana@clinic.example"
    assert mail["Reply-To"] == "desk@pharmacy.example"
    assert mail["Date"].datetime == START
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@pharmacy.example>")
    assert not html.find_all(["img", "script", "link"])
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert not mail.defects
    assert all(len(mail.get_all(name)) == 1 for name in mail)  # type: ignore[arg-type]
    assert set(map(str.lower, mail.keys())) & {"bcc", "cc", "x-mailer", "list-unsubscribe"} == set()


@pytest.mark.parametrize("evil", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
def test_an_address_cannot_bring_a_header(evil: str, promised: Promise) -> None:
    with pytest.raises(ValueError, match="(?i)header|linefeed|newline"):
        promised(evil)


@pytest.mark.parametrize(
    "wrong",
    [
        {"message": "intake/unheard-of"},
        {"facts": {"text": "word " * FACTS_MAX}},
        {"facts": {"row": object()}},
    ],
)
def test_only_small_facts_of_known_letters_are_promised(wrong: dict[str, object], promised: Promise) -> None:
    with pytest.raises((ValueError, TypeError)):
        promised(**wrong)


def test_facts_come_back_as_they_were() -> None:
    facts = {"answer_by": START + timedelta(microseconds=7), "n": 1, "none": None, "word": "é"}

    assert unpack(pack(facts)) == facts


def test_a_mail_waits_for_its_time(context: Flask, promised: Promise, clock: Clock) -> None:
    promised(not_before=START + timedelta(hours=1))

    assert not hand_over(Sink())
    assert lanes.oldest_due(clock.at) is None
    clock.tick(hours=1)
    assert lanes.oldest_due(clock.at) == clock.at
    assert hand_over(Sink())


def test_what_is_withdrawn_never_goes_and_what_went_stays_gone(context: Flask, promised: Promise) -> None:
    promised()
    hand_over(Sink())
    promised(["b@clinic.example", "c@clinic.example"])
    promised(cause="test:2")

    with transaction():
        assert promise.withdraw("test:1", at=START) == 2

    sink = Sink()
    while hand_over(sink):
        pass
    assert sink.recipients == ["ana@clinic.example"]
    assert lanes.counts() == {"queued": 0, "held": 0, "sent": 2, "dead": 0, "withdrawn": 2}


def test_what_is_held_waits_until_it_is_released(context: Flask, promised: Promise) -> None:
    promised()
    with transaction():
        assert promise.hold("test:1", at=START) == 1

    assert not hand_over(Sink())
    assert lanes.counts()["held"] == 1
    with transaction():
        assert promise.release("test:1", at=START) == 1
    assert hand_over(Sink())


def test_what_a_worker_has_in_hand_is_neither_withdrawn_nor_held(context: Flask, promised: Promise) -> None:
    """It may be sent already: to call it withdrawn might be a lie."""
    taken = promised()
    with transaction():
        lanes.take(Lane.NOW, taken, worker="busy", at=START)
        assert promise.withdraw("test:1", at=START) == promise.hold("test:1", at=START) == 0


def test_a_person_is_forgotten_with_the_bodies_that_were_theirs_alone(
    context: Flask, promised: Promise
) -> None:
    promised("Anna@Mail.Example", message="newsletter/confirm", facts={"confirm_path": "/x"})
    promised(["anna@mail.example", "ben@mail.example"], message="newsletter/welcome", facts={})
    promised("anna@mail.example")

    with transaction():
        assert len(promise.forget("anna@mail.EXAMPLE", messages="newsletter/")) == 2

    assert [(each.recipient, each.body.message) for each in db.session.scalars(select(Delivery))] == [
        ("ben@mail.example", "newsletter/welcome"),
        ("anna@mail.example", "intake/notice"),
    ]
    assert how_many(Body) == 2


def test_what_is_held_for_a_person_is_told_without_its_words(context: Flask, promised: Promise) -> None:
    promised("anna@mail.example")
    hand_over(Sink())
    promised("ANNA@mail.example")
    promised("ben@mail.example")

    told = [tuple(each) for each in lanes.held_for("anna@mail.example")]

    assert told == [("intake/notice", START, START), ("intake/notice", START, None)]
    assert lanes.held_for("anna@mail.example", messages="newsletter/") == []


# ---- Retention


def retired(at: Clock) -> int:
    with transaction():
        return promise.retire(at.at)


def test_a_delivered_body_goes_after_30_days_and_its_message_id_times_and_digest_stay(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    [delivery] = promised(headers={"List-Unsubscribe": "<https://x.example/secret>"})
    hand_over(Sink())
    before = (row(delivery).message_id, row(delivery).over_at, row(delivery).digest)

    clock.tick(days=29)
    assert retired(clock) == 0
    clock.tick(days=1)
    assert retired(clock) == 1
    assert retired(clock) == 0

    found = row(delivery)
    assert (found.body.content, found.body.facts, found.headers) == (None, None, {})
    assert (found.message_id, found.over_at, found.digest) == before
    assert None not in before


def test_a_body_is_kept_while_one_delivery_needs_it(context: Flask, promised: Promise, clock: Clock) -> None:
    one, _two = promised(["a@b.example", "c@d.example"])
    hand_over(Sink(), wait=lambda _seconds: True)
    with transaction():
        promise.hold("test:1", at=clock.at)

    clock.tick(days=400)
    assert retired(clock) == 0
    with transaction():
        promise.withdraw("test:1", at=clock.at)
    clock.tick(days=30)
    assert retired(clock) == 1
    assert row(one).state == State.SENT


def test_what_was_given_up_is_kept_for_90_days_to_be_looked_into(
    context: Flask, promised: Promise, clock: Clock
) -> None:
    promised()
    hand_over(Sink(Rejected("refused with 550")))

    clock.tick(days=89)
    assert retired(clock) == 0
    clock.tick(days=1)
    assert retired(clock) == 1


def test_a_world_that_is_settled_sends_nothing_and_keeps_no_words(context: Flask, promised: Promise) -> None:
    [delivery] = promised()
    with transaction():
        promise.settle(START)

    found = row(delivery)
    assert (found.state, found.over_at, found.body.facts) == (State.SENT, START, None)
