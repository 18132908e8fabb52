"""What comes back, and what it does: return addresses, marks, complaints, stops by mail (N9, N25, N28-N32, N55)."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from email import message_from_bytes
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.clock import now
from portal.db import db, transaction
from portal.editions import proof, service
from portal.editions.models import Edition
from portal.editions.models import State as EditionState
from portal.editions.progress import progress
from portal.jobs import Hand, NotNow
from portal.mail import jobs as mail_jobs
from portal.mail import maildir, promise, returns, verp
from portal.mail.dsn import MOST_BYTES, Kind
from portal.mail.models import Delivery, Lane, State
from portal.mail.transport import Rejected
from portal.newsletter import bounces, subscriptions, tombstones
from portal.newsletter.models import Reason, Subscriber
from portal.newsletter.models import State as Person
from tests import world
from tests.conftest import START, Clock
from tests.editions.conftest import make_edition, send, step
from tests.mail.conftest import FACTS, Sink, hand_over
from tests.mail.test_dsn import failed, report
from tests.newsletter.people import ADDRESS, make_subscriber

HARD, SOFT, FULL = failed("550 5.1.1 unknown"), failed("550 5.3.0 odd"), failed("552 5.2.2 full")
POLICY, DELAYED = failed("550 5.7.1 spam"), failed("451 4.4.1 busy", "4.4.1", "delayed")
NOBODYS = b"b+q.abcdefgh@back.example"


@pytest.fixture(autouse=True)
def _bounce_domain(change_settings: Callable[..., None]) -> None:
    change_settings(BOUNCE_DOMAIN="back.example")


@pytest.fixture
def sent(context: Flask, clock: Clock) -> Callable[..., tuple[Edition, Sink]]:
    """An edition, sent to everybody who is there."""

    def run(slug: str = "march-2026", *outcomes: Exception) -> tuple[Edition, Sink]:
        made, sink = make_edition(slug=slug), Sink(*outcomes)
        clock.tick(minutes=10)
        step()
        send(sink)
        return made, sink

    return run


def hear(raw: bytes, to: str = "", salt: str = "") -> returns.Heard:
    """Let a message come to an address."""
    whole = f"Delivered-To: {to}\nX-Salt: {salt}\n".encode() + raw.replace(NOBODYS, b"x@y.example")
    with transaction():
        return returns.hear(whole if to else raw, at=now())


def person(address: str = ADDRESS) -> Subscriber:
    db.session.expire_all()
    found = subscriptions.find(address)
    assert found is not None
    return found


def test_each_mail_has_a_return_address_of_its_own_that_nobody_else_can_make(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]]
) -> None:
    make_subscriber(app)
    made, sink = sent()
    sender = sink.senders[0]

    assert sender.endswith("@back.example")
    assert len(sender.partition("@")[0]) <= 64
    assert sender == sender.lower()
    assert [found for _id, found in proof.verify(made)] == ["same"]
    heard = hear(DELAYED, sender.upper())
    assert heard.whose == f"delivery:{db.session.scalar(select(Delivery.id).where(Delivery.lane == 'bulk'))}"
    forged = sender[:-14] + ("a" if sender[-14] != "a" else "b") + sender[-13:]
    assert hear(HARD, forged) == returns.Heard(Kind.HARD, "5.1.1", None)
    assert person().state == Person.ACTIVE


@pytest.mark.parametrize(
    ("raws", "state"),
    [
        ([HARD], Person.BOUNCED),
        ([SOFT], Person.ACTIVE),
        ([SOFT, SOFT], Person.BOUNCED),
        ([FULL, FULL], Person.ACTIVE),
        ([FULL, FULL, FULL], Person.BOUNCED),
        ([DELAYED] * 9, Person.ACTIVE),
        ([POLICY] * 9, Person.ACTIVE),
        ([b"From: a@b.example\nSubject: I am away\n\nUntil Monday.\n"] * 9, Person.ACTIVE),
        ([report("Feedback-Type: abuse", "feedback-report")], Person.COMPLAINED),
        ([report("Feedback-Type: not-spam", "feedback-report")], Person.ACTIVE),
        ([b"From: a@b.example\nSubject: unsubscribe\n\n\n"], Person.UNSUBSCRIBED),
    ],
)
def test_the_score_stops_and_nothing_else_does(
    app: Flask,
    sent: Callable[..., tuple[Edition, Sink]],
    clock: Clock,
    raws: list[bytes],
    state: Person,
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    for n, raw in enumerate(raws):
        hear(raw, sink.senders[0], str(n))
        hear(raw, sink.senders[0], f"{n} again, on the same day")
        clock.tick(days=1)

    assert person().state == state


def test_one_message_is_heard_once(app: Flask, sent: Callable[..., tuple[Edition, Sink]]) -> None:
    make_subscriber(app)
    made, sink = sent()

    assert hear(FULL, sink.senders[0]).whose == hear(FULL, sink.senders[0]).whose
    assert progress(made).back == {Kind.SOFT: 1}


D = [datetime(2026, 1, day, tzinfo=UTC) for day in range(1, 31)]


@pytest.mark.parametrize(
    ("marks", "taken", "expected"),
    [
        ([], [], 0),
        ([(D[0], "soft", "5.2.2"), (D[0], "soft", "5.3.0")], [], 0.5),
        ([(D[0], "soft", "4.4.7"), (D[1], "soft", "")], [], 0.68),
        ([(D[0], "soft", "5.2.2"), (D[20], "soft", "5.2.2")], [D[5]], 0.34),
        ([(D[0], "soft", "5.2.2"), (D[10], "soft", "5.2.2")], [D[5]], 0.68),
        ([(D[0], "policy", "5.7.1"), (D[1], "delayed", "4.4.1")], [], 0),
    ],
)
def test_the_score_can_be_counted_by_hand(marks: Any, taken: Any, expected: float) -> None:
    assert bounces.score(marks, taken) == pytest.approx(expected)


def test_staff_or_a_new_confirmation_clear_it(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]], clock: Clock
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    hear(HARD, sink.senders[0])
    assert person().state == Person.BOUNCED
    with transaction():
        bounces.undo(person(), at=clock.at)

    assert person().state == Person.ACTIVE
    clock.tick(days=1)
    hear(FULL, sink.senders[0])
    assert bounces.score_of(person(), clock.at) == pytest.approx(0.34)
    with transaction():
        person().confirmed_at = clock.at
    assert bounces.score_of(person(), clock.at) == 0


def test_a_complaint_reaches_who_is_not_on_the_list(app: Flask, context: Flask) -> None:
    with transaction():
        promise.promise(
            "newsletter/confirm", to="ann@b.example", facts={"confirm_path": "/x"}, cause="signup:1", at=START
        )
    row = db.session.scalars(select(Delivery)).one()
    original = f"\n--b\nContent-Type: message/rfc822\n\nMessage-ID: {row.message_id}\n\nx"
    raw = report(f"Feedback-Type: abuse\n{original}", "feedback-report")

    assert hear(raw, "abuse@pharmacy.example").whose == f"delivery:{row.id}"
    keys = app.extensions["settings"].keys
    assert Reason.COMPLAINED in tombstones.reasons("ann@b.example", keys=keys, at=START)


def test_a_complaint_names_a_mail_of_many_and_nobody_makes_up_its_name(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]]
) -> None:
    make_subscriber(app)
    make_subscriber(app, address="bob@b.example")
    _made, sink = sent()
    names = [message_from_bytes(mail)["Message-ID"] for mail in sink.sent]
    of_other = f"<{names[0][1:].partition('.')[0]}.{names[1].partition('.')[2]}"

    def complain(name: str) -> str | None:
        original = f"\n--b\nContent-Type: message/rfc822\n\nMessage-ID: {name}\n\nx"
        return hear(
            report(f"Feedback-Type: abuse\n{original}", "feedback-report"), "abuse@pharmacy.example"
        ).whose

    for made_up in (of_other, "<1.0@localhost>", "<99999999.000000000000000000000000@localhost>"):
        assert complain(made_up) is None
    assert person().state == Person.ACTIVE
    assert len(set(names)) == 2
    hers = names[sink.recipients.index(ADDRESS)]
    assert complain(hers) == f"delivery:{hers[1:].partition('.')[0]}"
    assert person().state == Person.COMPLAINED


def test_a_complaint_names_the_return_address_inside(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]]
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    raw = report(f"Feedback-Type: abuse\nOriginal-Mail-From: <{sink.senders[0]}>", "feedback-report")

    hear(raw, "abuse@pharmacy.example")

    assert person().state == Person.COMPLAINED


def test_a_mail_to_the_stop_address_stops_and_a_made_up_one_does_not(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]]
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    header = next(
        line for line in sink.sent[0].split(b"\r\n") if line.startswith(b"List-Unsubscribe:")
    ).decode()
    address = header.partition("mailto:")[2].partition("?")[0]
    raw = b"From: anna@mail.example\nSubject: unsubscribe\n\nAutomatically sent.\n"

    forged = verp.make("u", person().id, "another key", domain="back.example")
    assert hear(raw, forged) == returns.Heard(Kind.UNSUBSCRIBE, "", None)
    assert person().state == Person.ACTIVE
    assert hear(raw, address.upper()).whose == f"subscriber:{person().id}"
    assert person().state == Person.UNSUBSCRIBED


def test_a_refusal_at_the_door_is_a_bounce_too(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]], clock: Clock
) -> None:
    make_subscriber(app)
    made, _sink = sent("march-2026", Rejected("refused: 550 5.1.1 … no such user"))
    with transaction():
        assert returns.hear_refusals(clock.at) == 1
    with transaction():
        assert returns.hear_refusals(clock.at) == 0

    assert person().state == Person.BOUNCED
    assert progress(made).back == {Kind.HARD: 1}


def test_policy_pauses_the_edition_and_blames_nobody(app: Flask, context: Flask) -> None:
    for n in range(30):
        make_subscriber(app, address=f"reader{n}@mail.example")
    made, sink = make_edition(slug="policy"), Sink()
    contents, version = service.written(made, now()), made.version
    with transaction():
        service.begin(made, contents, version=version, at=now())
    hand_over(sink, Lane.BULK, wait=lambda _seconds: len(sink.sent) >= 25)
    for sender in sink.senders[:5]:
        hear(POLICY, sender)
    step()

    assert made.state == EditionState.PAUSED
    assert "a rule of their servers" in made.reason
    assert {row.state for row in db.session.scalars(select(Subscriber))} == {Person.ACTIVE}
    with transaction():
        service.resume(made, by=world.employ("Lou Reed", "manager"), at=now())
    step()
    assert made.state == EditionState.SENDING


def test_when_a_whole_domain_says_so_nobody_is_stopped(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]], clock: Clock
) -> None:
    for n in range(6):
        make_subscriber(app, address=f"reader{n}@gone.example")
    make_subscriber(app, address="other@mail.example")
    made, sink = sent()
    back = dict(zip(sink.recipients, sink.senders, strict=True))
    for n in range(4):
        hear(HARD, back[f"reader{n}@gone.example"])
    assert person("reader0@gone.example").state == Person.BOUNCED
    for n in (4, 5):
        hear(HARD, back[f"reader{n}@gone.example"])
    hear(HARD, back["other@mail.example"])

    assert {person(f"reader{n}@gone.example").state for n in range(6)} == {Person.ACTIVE}
    assert person("other@mail.example").state == Person.BOUNCED
    assert progress(made).back == {Kind.POLICY: 6, Kind.HARD: 1}


def test_an_answer_that_came_back_is_given_up_where_its_author_sees_it(context: Flask) -> None:
    with transaction():
        promise.promise("intake/notice", to="ana@clinic.example", cause="request:1", facts=FACTS, at=START)
    sink = Sink()
    hand_over(sink)
    hear(failed("550 5.1.1 <ana@clinic.example>: nobody at clinic.example"), sink.senders[0])

    row = db.session.scalars(select(Delivery)).one()
    assert (row.state, row.last_error) == (State.DEAD, "came back: 550 5.1.1 …: nobody at …")


def test_the_command_says_what_it_is_and_never_fails(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]]
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    to = f"Delivered-To: {sink.senders[0]}\n".encode()
    deep = to + HARD
    for n in range(10):
        deep = b'From: a@b\nContent-Type: multipart/mixed; boundary="%d"\n\n--%d\n%s\n--%d--\n' % (
            n,
            n,
            deep,
            n,
        )

    def bounce(raw: bytes) -> Any:
        return app.test_cli_runner().invoke(args=["newsletter", "bounce"], input=raw)

    for raw in (to + b"x" * (20 * MOST_BYTES), to + deep, b""):
        result = bounce(raw)
        assert (result.exit_code, json.loads(result.stdout)["kind"]) == (0, "unknown")
        assert len(result.stderr.splitlines()) == 1
    assert person().state == Person.ACTIVE
    result = bounce(to + HARD.replace(NOBODYS, b"x@y.example"))
    assert result.exit_code == 0
    assert json.loads(result.stdout)["kind"] == "hard"
    assert json.loads(result.stdout)["whose"]
    assert json.loads(bounce(HARD).stdout) == {"kind": "hard", "whose": None, "code": "5.1.1"}
    assert person().state == Person.BOUNCED


def test_when_nothing_can_be_saved_the_mail_server_keeps_it(
    app: Flask, context: Flask, read_only: Callable[[], None]
) -> None:
    read_only()

    result = app.test_cli_runner().invoke(args=["newsletter", "bounce"], input=HARD)

    assert result.exit_code == 75


def test_a_maildir_is_emptied_and_what_nobody_understands_stays_a_month(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]], tmp_path: Path
) -> None:
    make_subscriber(app)
    _made, sink = sent()
    (tmp_path / "cur").mkdir()
    (tmp_path / "new").mkdir()
    back = f"Delivered-To: {sink.senders[0]}\n".encode() + HARD.replace(NOBODYS, b"x@y.example")
    (tmp_path / "new" / "1.host").write_bytes(back)
    (tmp_path / "new" / "2.host").write_bytes(b"\xff")
    (tmp_path / "cur" / "0.host:2,S").write_bytes(b"old")
    os.utime(tmp_path / "cur" / "0.host:2,S", (time.time() - 31 * 86400,) * 2)

    assert not maildir.poll(tmp_path)

    assert [path.name for path in sorted(tmp_path.rglob("*")) if path.is_file()] == ["2.host:2,S"]
    assert person().state == Person.BOUNCED
    (tmp_path / "new" / "3.host").write_bytes(back)  # what a kill before the end would read again
    maildir.poll(tmp_path)
    assert (
        len(db.session.scalars(select(returns.Returned).where(returns.Returned.kind == Kind.HARD)).all()) == 1
    )


def test_a_policy_refusal_of_a_mail_that_was_given_up_is_nobodys_fault(
    app: Flask, sent: Callable[..., tuple[Edition, Sink]], clock: Clock
) -> None:
    make_subscriber(app)
    sent("march-2026", Rejected("refused: 554 5.7.1 … blocked"))
    with transaction():
        returns.hear_refusals(clock.at + timedelta(minutes=1))

    assert person().state == Person.ACTIVE


def test_refusals_are_heard_whatever_the_mailbox_and_one_without_cur_is_read(
    app: Flask,
    sent: Callable[..., tuple[Edition, Sink]],
    change_settings: Callable[..., None],
    tmp_path: Path,
) -> None:
    make_subscriber(app)
    sent("march-2026", Rejected("refused: 550 5.1.1 no such user"))
    change_settings(BOUNCE_MAILDIR=tmp_path)
    reading = next(job for job in mail_jobs.JOBS if job.name == "mail.returns")

    with pytest.raises(NotNow, match="No such file or directory"):
        reading.step(Hand("w1", lambda _seconds: False))
    assert person().state == Person.BOUNCED

    (tmp_path / "new").mkdir()
    (tmp_path / "new" / "1.host").write_bytes(b"\xff")
    assert not reading.step(Hand("w1", lambda _seconds: False))
    assert [path.name for path in (tmp_path / "cur").iterdir()] == ["1.host:2,S"]
