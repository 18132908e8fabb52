"""Replies by mail: joined by a sealed address and a known sender, or left for people, and nothing is lost."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from email.message import EmailMessage
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import select, update
from sqlalchemy.exc import OperationalError

from portal.asker import inbound, mailbox, reading
from portal.db import db, transaction
from portal.desk import reply_address
from portal.desk.acts import CLAIM, CLOSE, SPAM
from portal.desk.contact import RESEND, WAIT
from portal.desk.models import Addition, AdditionKind
from portal.intake.models import Request, Status
from portal.mail.models import Delivery
from portal.ops import metrics
from portal.ops.tally import Tally
from portal.people.models import User
from portal.staff import thread
from portal.staff.lines import flags
from tests.conftest import Clock
from tests.desk.test_acts import put
from tests.intake.samples import how_many, submit, the_request

Take = Callable[..., dict[str, object]]
CORPUS = Path(__file__).parent.parent / "mail" / "returned"
WORDS = "Yes, in the morning.\n\nAna\n\nOn Thu, Jan 15, 2026 we wrote:\n> At what time? Call 925-555-0100.\n"


@pytest.fixture(autouse=True)
def folder(app: Flask, tmp_path: Path, change_settings: Callable[..., None]) -> Iterator[Path]:
    """A mailbox that is set."""
    for name in ("tmp", "new", "cur"):
        (tmp_path / name).mkdir()
    change_settings(INBOUND_MAILDIR=tmp_path, REPLY_TO="desk@pharmacy.example")
    return tmp_path


@pytest.fixture
def address(app: Flask, receipt: str) -> str:
    """Where replies about the one request go."""
    with app.app_context():
        return reply_address.of(the_request(app))


def mail(to: str, text: str = WORDS, **headers: str) -> EmailMessage:
    """A reply."""
    made = EmailMessage()
    given = {
        "From": "Ana Ruiz <ANA@clinic.example>",
        "To": to,
        "Subject": "Re: Answer",
        "Message-ID": "<1@clinic.example>",
    }
    for name, value in (given | {name.replace("_", "-"): value for name, value in headers.items()}).items():
        made[name] = value
    made.set_content(text)
    return made


@pytest.fixture
def take(app: Flask) -> Callable[[EmailMessage | bytes], dict[str, object]]:
    """Give a message to the command; what it prints."""

    def run(message: EmailMessage | bytes) -> dict[str, object]:
        raw = message if isinstance(message, bytes) else message.as_bytes()
        done = app.test_cli_runner().invoke(args=["requests", "receive"], input=raw)
        assert done.exit_code == 0, done.output
        found: dict[str, object] = json.loads(done.output)
        return found

    return run


def additions(app: Flask) -> list[Addition]:
    with app.app_context():
        return list(db.session.scalars(select(Addition).order_by(Addition.id)))


def test_the_answers_reply_to_names_the_request_and_nothing_else_does(
    app: Flask,
    address: str,
    answer: Callable[..., Request],
    outbox: Callable[[], list[EmailMessage]],
    clock: Clock,
) -> None:
    answer()
    clock.tick(60)
    found = {str(mail["Subject"]).partition(" (")[0]: mail["Reply-To"] for mail in outbox()}

    assert found["Answer to your LDN question"] == address
    assert found["We have your question"] == "desk@pharmacy.example"
    assert address.startswith("desk+q.")
    assert address == address.lower()
    assert len(address.partition("@")[0]) <= 64


def test_where_plus_addresses_are_not_taken_it_is_the_plain_one(
    app: Flask, receipt: str, change_settings: Callable[..., None]
) -> None:
    change_settings(REPLY_TO="desk@pharmacy.example", REPLY_TO_PLUS=False)
    with app.app_context():
        assert reply_address.of(the_request(app)) == "desk@pharmacy.example"


@pytest.mark.parametrize("header", ["To", "Cc", "Delivered_To", "X_Original_To"])
def test_a_reply_joins_with_what_it_quotes_and_is_work(
    app: Flask,
    address: str,
    take: Take,
    act: Callable[..., Request],
    header: str,
    folder: Path,
) -> None:
    act(CLAIM)
    to = {"To": address.upper()} if header == "To" else {"To": "desk@pharmacy.example", header: address}
    said = take(mail(to.pop("To"), **to))

    assert said == {"became": "joined", "request": the_request(app).reference}
    (only,) = additions(app)
    assert (only.kind, only.by_mail) == (AdditionKind.ADDED, True)
    assert "> At what time? Call 925-555-0100." in only.text
    assert the_request(app).heard_at is not None
    assert the_request(app).patient_data == [], "what it quotes is ours"
    assert not [*(folder / "new").iterdir(), *(folder / "cur").iterdir()]


def test_a_reply_resumes_what_waits_and_opens_what_was_answered(
    app: Flask,
    address: str,
    take: Take,
    act: Callable[..., Request],
    clock: Clock,
) -> None:
    act(CLAIM)
    act(WAIT, reason="they_send")
    take(mail(address))
    assert the_request(app).status == Status.IN_PROGRESS
    act(CLOSE, reason="no_reply")
    clock.tick(days=89)
    assert take(mail(address, Message_ID="<2@clinic.example>"))["became"] == "joined"
    assert (the_request(app).status, the_request(app).closed_at) == (Status.IN_PROGRESS, None)


def test_a_reply_long_after_is_a_new_request_linked_to_the_old(
    app: Flask,
    address: str,
    take: Take,
    act: Callable[..., Request],
    clock: Clock,
) -> None:
    act(CLAIM)
    act(CLOSE, reason="no_reply")
    old = the_request(app)
    clock.tick(days=91)

    said = take(mail(address, "May I ask one more thing?\n" + "x" * 3000))

    new = the_request(app, str(said["request"]))
    assert (said["became"], new.status, new.follows) == ("new_request", Status.NEW, old.id)
    assert new.question.startswith("May I ask one more thing?")
    assert len(new.question) == 2000
    assert (new.name, new.npi, new.answer_by > clock()) == (old.name, old.npi, True)
    assert the_request(app, old.reference).status == Status.CLOSED
    assert len(additions(app)[0].text) > 3000


def test_what_stands_in_a_new_request_whole_is_not_said_twice(
    app: Flask, address: str, take: Take, act: Callable[..., Request], clock: Clock
) -> None:
    act(CLAIM)
    act(CLOSE, reason="no_reply")
    clock.tick(days=91)

    new = the_request(app, str(take(mail(address, "May I ask one more thing?\n"))["request"]))

    assert (new.question.strip(), additions(app)) == ("May I ask one more thing?", [])


def test_long_after_a_new_request_is_of_who_wrote_and_not_of_who_was_answered(
    app: Flask, address: str, take: Take, act: Callable[..., Request], clock: Clock
) -> None:
    first = the_request(app)
    other = submit(app, "token-2", email="bob@clinic.example", name="Bob Diaz")
    with app.app_context(), transaction():
        target = db.session.scalars(select(Request).where(Request.reference == other)).one()
        target.status, target.closed_at, answered = Status.CLOSED, clock(), target.id
        gone = update(Request).where(Request.id == first.id)
        db.session.execute(gone.values(status=Status.DUPLICATE, duplicate_of=target.id))
    clock.tick(days=91)

    new = the_request(app, str(take(mail(address))["request"]))

    assert (new.name, new.email, new.follows) == (first.name, first.email, answered)


def test_the_same_message_counts_once_whichever_way_it_comes(
    app: Flask, address: str, take: Take, folder: Path
) -> None:
    assert take(mail(address))["became"] == "joined"
    assert take(mail(address))["became"] == "repeated"
    (folder / "new" / "1").write_bytes(mail(address).as_bytes())
    with app.app_context():
        assert mailbox.poll() is False
    assert (len(additions(app)), list((folder / "new").iterdir())) == (1, [])


AUTOMATIC: list[dict[str, str]] = [
    {"Auto_Submitted": "auto-replied (vacation)"},
    {"X_Autoreply": "yes"},
    {"Precedence": "bulk"},
    {"Return_Path": "<>"},
    {"Subject": "Automatic reply: Answer to your LDN question"},
    {"Subject": "=?utf-8?q?Respuesta_autom=C3=A1tica=3A_Answer?="},
    {"Subject": "Out of Office"},
]


@pytest.mark.parametrize("headers", AUTOMATIC, ids=lambda one: next(iter(one.values())))
def test_an_out_of_office_reply_is_shown_and_does_nothing_else(
    app: Flask,
    address: str,
    take: Take,
    act: Callable[..., Request],
    headers: dict[str, str],
) -> None:
    act(CLAIM)
    act(WAIT, reason="they_send")
    before, mails = the_request(app), how_many(app, Delivery)

    assert take(mail(address, "I am away. Call 925-555-0199.", **headers))["became"] == "away"

    after = the_request(app)
    assert (after.status, after.heard_at, after.version) == (Status.WAITING, None, before.version)
    assert after.answer_by == before.answer_by
    assert how_many(app, Delivery) == mails, "it is never answered"
    assert [one.kind for one in additions(app)] == [AdditionKind.AWAY]


@pytest.mark.parametrize("subject", ["Re: Answer", "Automatic dispensing: a question", "Out of curiosity"])
def test_a_persons_reply_is_not_taken_for_a_machines(address: str, take: Take, subject: str) -> None:
    assert take(mail(address, Subject=subject, Auto_Submitted="no"))["became"] == "joined"


def wrong(address: str) -> dict[str, EmailMessage | bytes]:
    """What must never join."""
    seal = "a" if address.partition("@")[0][-1] != "a" else "b"
    local = address.partition("@")[0]
    two = mail(address).as_bytes().replace(b"From: ", b"From: <mallory@evil.example>, ", 1)
    return {
        "another sender": mail(address, From="mallory@evil.example"),
        "two senders": two,
        "no sealed address": mail("desk@pharmacy.example", Subject="Re: LDN-BCDF-GHJK"),
        "a wrong seal": mail(f"{local[:-1]}{seal}@pharmacy.example"),
        "nobody's number": mail("desk+q.zzzzzz.aaaaaaaa@pharmacy.example"),
        "nothing": b"",
        "no mail": b"\x00\xff" * 400,
        "nested": nested(),
        "huge": b"From: ana@clinic.example\nTo: " + address.encode() + b"\n\n" + b"x" * 2_000_000,
    }


def nested() -> bytes:
    """Parts in parts in parts."""
    made = b"From: ana@clinic.example\n"
    for depth in range(200):
        made += b'Content-Type: multipart/mixed; boundary="%d"\n\n--%d\n' % (depth, depth)
    return made


@pytest.mark.parametrize("which", list(wrong("a@b")))
def test_what_is_not_surely_theirs_is_left_for_people_as_it_came(
    app: Flask, address: str, take: Take, folder: Path, clock: Clock, which: str
) -> None:
    sent = wrong(address)[which]
    raw = sent if isinstance(sent, bytes) else sent.as_bytes()

    assert take(sent) == {"became": "unmatched", "request": None}

    (left,) = (folder / "cur").iterdir()
    assert left.read_bytes() == raw
    with app.app_context():
        assert mailbox.left() == 1
        assert "portal_replies_unmatched 1" in metrics.text(Tally(), clock())
    assert additions(app) == []


def test_a_reply_about_spam_is_left_for_people(address: str, take: Take, act: Callable[..., Request]) -> None:
    act(SPAM, reason="robot")
    assert take(mail(address))["became"] == "unmatched"


def test_a_reply_to_a_duplicate_joins_the_one_that_is_answered(app: Flask, address: str, take: Take) -> None:
    first = the_request(app)
    other = submit(app, "token-2", email="bob@clinic.example")
    with app.app_context(), transaction():
        target = db.session.scalars(select(Request.id).where(Request.reference == other)).one()
        gone = update(Request).where(Request.id == first.id)
        db.session.execute(gone.values(status=Status.DUPLICATE, duplicate_of=target))

    assert take(mail(address)) == {"became": "joined", "request": other}


def test_who_got_the_answer_at_another_address_is_known_there(
    app: Flask, address: str, take: Take, answer: Callable[..., Request], act: Callable[..., Request]
) -> None:
    answer(close=False)
    act(RESEND, address="ana.new@clinic.example")

    for sender, number in (("ana.new@clinic.example", 1), ("ana@clinic.example", 2)):
        sent = mail(address, From=sender, Message_ID=f"<{number}@x>")
        assert take(sent)["became"] == "joined", sender


GMAIL = """Yes, she takes it at night.

On Thu, Jan 15, 2026 at 10:31 AM LDN Prescriber Portal <
desk+q.b.abcdefgh@pharmacy.example> wrote:

> Does she take it at night?
"""
OUTLOOK = """Yes, she takes it at night.

________________________________
From: LDN Prescriber Portal <portal@pharmacy.example>
Sent: Thursday, January 15, 2026 10:31 AM
To: Ana Ruiz <ana@clinic.example>
Subject: Our answer

Does she take it at night?
"""
APPLE = """Yes, she takes it at night.

> On Jan 15, 2026, at 10:31 AM, LDN Prescriber Portal <portal@pharmacy.example> wrote:
>
> Does she take it at night?
"""


@pytest.mark.parametrize("text", [GMAIL, OUTLOOK, APPLE, f"On Monday I saw her.\n\n{GMAIL}"])
def test_what_is_quoted_is_told_from_what_is_written(address: str, text: str) -> None:
    found = reading.read(mail(address, text).as_bytes())

    assert found is not None
    assert found.own_words == text.partition("night.")[0] + "night."
    assert "Does she take it" in found.text


@pytest.mark.parametrize("path", sorted(CORPUS.glob("*.eml")), ids=lambda path: path.stem)
def test_nothing_of_the_corpus_is_a_persons_reply(path: Path) -> None:
    found = reading.read(path.read_bytes())

    assert found is None or found.is_automatic


def test_attachments_stay_in_the_mailbox_and_the_thread_says_so(
    app: Flask, address: str, take: Take, folder: Path
) -> None:
    sent = mail(address)
    sent.add_attachment(b"%PDF", maintype="application", subtype="pdf", filename="chart.pdf")

    assert take(sent)["became"] == "joined"

    assert additions(app)[0].text.endswith(inbound.REST)
    assert "chart" not in additions(app)[0].text
    assert len(list((folder / "cur").iterdir())) == 1
    with app.app_context():
        assert mailbox.left() == 0, "its request was found"


def test_a_page_is_read_as_its_words_and_other_charsets_too(app: Flask, address: str, take: Take) -> None:
    page = mail(address)
    page.set_content(
        "<html><style>p{}</style><p>Señora &amp; more</p><div>Second</div>", subtype="html", charset="latin-1"
    )

    take(page)

    assert additions(app)[0].text == "Señora & more\n\nSecond"


def test_what_they_wrote_about_a_patient_is_marked(app: Flask, address: str, take: Take) -> None:
    take(mail(address, "My patient Jane Roe, born 3/14/1961, takes it.\n"))

    assert the_request(app).patient_data == ["patients_name", "birth_date"]


def test_when_nothing_can_be_saved_its_server_keeps_it(
    app: Flask, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise OperationalError("", {}, Exception("disk I/O error"))

    monkeypatch.setattr(inbound, "hear", fail)
    done = app.test_cli_runner().invoke(args=["requests", "receive"], input=mail(address).as_bytes())

    assert done.exit_code == 75
    assert "Yes, in the morning" not in done.output
    assert list((folder / "new").iterdir()) == []


def test_one_message_that_cannot_be_taken_holds_up_no_other(
    app: Flask, address: str, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    judge = inbound.hear

    def trip(raw: bytes, **more: object) -> inbound.Heard:
        if b"trip" in raw:
            raise ValueError("trip")
        return judge(raw, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(inbound, "hear", trip)
    (folder / "new" / "1").write_bytes(mail(address, "trip").as_bytes())
    (folder / "new" / "2").write_bytes(mail(address).as_bytes())
    with app.app_context():
        mailbox.poll()
        assert mailbox.left() == 1
    assert len(additions(app)) == 1


def test_a_mailbox_forgets_after_thirty_days_and_says_when_it_is_not_there(
    app: Flask, folder: Path, change_settings: Callable[..., None]
) -> None:
    for name, days in (("old:2,FS", 31), ("new:2,FS", 29)):
        (folder / "cur" / name).write_text("x")
        os.utime(folder / "cur" / name, (time.time() - timedelta(days=days).total_seconds(),) * 2)
    with app.app_context():
        mailbox.poll()
        assert [path.name for path in (folder / "cur").iterdir()] == ["new:2,FS"]
        change_settings(INBOUND_MAILDIR=folder / "nowhere")
        with pytest.raises(Exception, match="INBOUND_MAILDIR cannot be read"):
            mailbox.poll()


def test_without_a_mailbox_the_pipe_has_one_of_its_own(
    app: Flask,
    address: str,
    take: Take,
    change_settings: Callable[..., None],
    instance: Path,
) -> None:
    change_settings(INBOUND_MAILDIR=None)
    take(b"nothing we know")

    left = list((instance / "replies" / "cur").iterdir())
    assert len(left) == 1
    left[0].unlink()
    put(app, status=Status.NEW)


def test_what_an_erased_person_sent_leaves_the_mailbox_too(app: Flask, folder: Path, take: Take) -> None:
    take(mail("desk@pharmacy.example"))
    take(mail("desk@pharmacy.example", From="bob@clinic.example", Message_ID="<2@clinic.example>"))
    with app.app_context():
        assert mailbox.forget("ana@Clinic.example") == []
        assert mailbox.left() == 1


def test_staff_read_it_in_the_thread_as_what_it_is(
    app: Flask, address: str, take: Take, act: Callable[..., Request]
) -> None:
    ada = act(CLAIM).owner_id
    take(mail(address))
    take(mail(address, "I am away.", Auto_Submitted="auto-replied", Message_ID="<2@clinic.example>"))
    with app.app_context():
        request, by = the_request(app), db.session.get_one(User, ada)
        said = thread.of(request, by, may_read=True, is_recorded=True)
        assert [(one.kind, one.who, one.tag) for one in said] == [
            ("in", "Ana Ruiz", "Added by email"),
            ("in", "Ana Ruiz", "Out-of-office reply, sent by a machine"),
        ]
        assert said[1].text == "I am away."
        hidden = thread.of(request, by, may_read=False, is_recorded=True)
        assert {(one.text, one.hidden) for one in hidden} == {("", True)}
        assert "They wrote more" in flags(request)
