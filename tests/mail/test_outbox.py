"""The outbox: promised with its cause, sent at least once, always with the same name and bytes."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from email import message_from_bytes, policy

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import select

from portal.db import db, transaction
from portal.mail import service
from portal.mail.models import Outbox, State
from portal.mail.transport import Deferred, Rejected, RelayDown
from tests.conftest import START, Clock

CONTEXT = {"reference": "LDN-BCDF-GHJK", "kind": "resource", "kind_label": "Materials", "answer_by": START}


class Fake:
    """A transport that fails as it is told."""

    def __init__(self, *outcomes: Exception | None) -> None:
        self.outcomes = list(outcomes)
        self.sent: list[bytes] = []

    def send(
        self, *, outbox_id: int, created_at: datetime, sender: str, recipient: str, content: bytes
    ) -> None:
        outcome = self.outcomes.pop(0) if self.outcomes else None
        self.sent.append(content)
        if outcome:
            raise outcome

    def close(self) -> None:
        pass


def promise(to: str = "ana@clinic.example", **more: object) -> int:
    with transaction():
        row = service.queue(
            "intake/notice",
            to=to,
            context={**CONTEXT, "desk_path": "/staff/requests/X"},
            cause="test:1",
            at=START,
        )
        db.session.flush()
        return row.id


def deliver(transport: Fake, worker: str = "w1") -> bool:
    return service.deliver_one(transport, worker=worker, sender="portal@pharmacy.example")


def row(outbox_id: int) -> Outbox:
    db.session.expire_all()
    return db.session.get_one(Outbox, outbox_id)


def test_a_mail_promised_in_a_failed_transaction_was_never_promised(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(KeyError), transaction():
            service.queue(
                "intake/notice",
                to="a@b.example",
                context={**CONTEXT, "desk_path": "/x"},
                cause="t:1",
                at=START,
            )
            raise KeyError

        assert db.session.scalars(select(Outbox)).all() == []


def test_a_mail_is_sent_once(app: Flask) -> None:
    transport = Fake()
    with app.app_context():
        outbox_id = promise()

        assert deliver(transport) is True
        assert deliver(transport) is False

        found = row(outbox_id)
        assert (found.state, found.attempts, found.lease_by) == (State.SENT, 1, None)
    assert len(transport.sent) == 1


def test_a_deferred_mail_comes_again_later_with_the_same_bytes(app: Flask, clock: Clock) -> None:
    transport = Fake(Deferred("put off with 450"), None)
    with app.app_context():
        outbox_id = promise()
        deliver(transport)

        assert row(outbox_id).state == State.QUEUED
        assert row(outbox_id).last_error == "put off with 450"
        assert deliver(transport) is False
        clock.tick(90)
        assert deliver(transport) is True

        assert row(outbox_id).state == State.SENT
    assert transport.sent[0] == transport.sent[1]


def test_a_mail_is_given_up_after_its_last_try(app: Flask, clock: Clock) -> None:
    tries = len(service.BACK_OFF) + 1
    transport = Fake(*[Deferred("put off with 450")] * tries)
    with app.app_context():
        outbox_id = promise()
        for rest in service.BACK_OFF:
            assert deliver(transport)
            due = row(outbox_id).due_at
            assert 0.8 * rest <= due - clock.at <= 1.2 * rest
            clock.set(due - timedelta(seconds=1))
            assert not deliver(transport)
            clock.set(due)
        assert deliver(transport)

        assert row(outbox_id).state == State.DEAD
        assert row(outbox_id).attempts == tries
        assert service.counts() == {"queued": 0, "sent": 0, "dead": 1}


def test_a_refused_mail_is_dead_at_once(app: Flask) -> None:
    with app.app_context():
        outbox_id = promise()
        deliver(Fake(Rejected("refused with 550")))

        assert row(outbox_id).state == State.DEAD


def test_a_relay_that_is_down_costs_no_mail_a_try(app: Flask, clock: Clock) -> None:
    with app.app_context():
        outbox_id = promise()
        for _ in range(20):
            with pytest.raises(RelayDown):
                deliver(Fake(RelayDown("closed")))
            clock.tick(60)

        assert row(outbox_id).attempts == 0
        assert deliver(Fake()) is True


def test_a_leased_mail_is_left_alone_until_its_worker_is_given_up(app: Flask, clock: Clock) -> None:
    with app.app_context():
        promise()
        with transaction():
            assert service._lease_next("dead", clock.at) is not None

        assert deliver(Fake()) is False
        clock.set(clock.at + service.LEASE + timedelta(seconds=1))
        assert deliver(Fake()) is True


def test_a_late_outcome_of_a_lost_lease_is_dropped(app: Flask, clock: Clock) -> None:
    with app.app_context():
        outbox_id = promise()
        with transaction():
            service._lease_next("slow", clock.at)
        clock.set(clock.at + service.LEASE + timedelta(seconds=1))
        deliver(Fake(), worker="quick")
        service._finish(outbox_id, "slow", state=State.DEAD)

        assert row(outbox_id).state == State.SENT


def test_many_workers_send_each_mail_once(app: Flask) -> None:
    transport = Fake()
    with app.app_context():
        for number in range(40):
            promise(f"reader{number}@mail.example")

    def work(name: str) -> None:
        with app.app_context():
            while deliver(transport, name):
                pass

    threads = [threading.Thread(target=work, args=(f"w{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(transport.sent) == 40
    assert len(set(transport.sent)) == 40


def test_text_and_html_carry_the_same_links_and_the_headers_are_right(app: Flask) -> None:
    with app.app_context():
        content = row(promise()).content

    mail = message_from_bytes(content, policy=policy.default)
    text = mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    html = BeautifulSoup(mail.get_body(("html",)).get_content(), "html.parser")  # type: ignore[union-attr]
    links = {a["href"] for a in html.find_all("a", href=True)}
    assert "http://localhost:8000/staff/requests/X" in text
    assert all(str(link) in text for link in links)
    assert mail["From"] == "Linden Test Pharmacy <portal@pharmacy.example>"
    assert mail["To"] == "ana@clinic.example"
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Message-ID"].endswith("@pharmacy.example>")
    assert not html.find_all(["img", "script", "link"])
    assert content.isascii()
    assert max(map(len, content.split(b"\r\n"))) <= 998
    assert set(map(str.lower, mail.keys())) & {"bcc", "cc", "x-mailer", "list-unsubscribe"} == set()


@pytest.mark.parametrize("evil", ["a@b.example\r\nBcc: c@d.example", "a@b.example\nX: y"])
def test_an_address_cannot_bring_a_header(evil: str, app: Flask) -> None:
    with app.app_context(), pytest.raises(ValueError, match="(?i)header|linefeed|newline"):
        promise(evil)
