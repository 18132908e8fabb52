"""Patient data that was sent all the same: taken out, it is in no file of ours, and nobody is told what it was."""

from __future__ import annotations

import random
import re
import shutil
import time
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import JSON, LargeBinary, select, update

from portal.asker import mailbox
from portal.audit import AuditEntry
from portal.backup import files, generations
from portal.db import db, transaction
from portal.desk import drafts, passages, redaction
from portal.desk.models import Addition, Draft
from portal.intake import checks, terms, words
from portal.intake.checks import NpiCheck
from portal.intake.models import Message, Request
from portal.intake.words import RequestWord
from portal.jobs import Hand, NotNow
from portal.keeping import KEPT
from portal.mail.models import Body, Delivery
from portal.npi.verdicts import NOBODY_ASKED
from portal.people import wishes
from portal.people.models import When
from portal.retention import traces
from portal.retention.jobs import _files
from tests.conftest import Clock
from tests.intake.samples import submit
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, claimed, forged
from tests.staff.test_wishes import wish

Ask = Callable[..., str]
SignedIn = Callable[..., Colleague]
Stored = Callable[[str], Request]
PATIENT = "Xanthia Quill"
QUESTION = (
    f"My patient {PATIENT}, born 03/04/1971, sleeps badly on 3 mg. How slowly should I raise\n the dose for XANTHIA\n"
    f"quill? {PATIENT}'s sister and Mr. {PATIENT}son take it too."
)


def redacted(colleague: Colleague, reference: str, words: str = PATIENT, *, status: int = 303) -> Any:
    """The page after the form was sent."""
    page = colleague.open(f"/staff/requests/{reference}")
    page = page.fill("Words to take out", words).set(**{"redact-reason": "patients_name"})
    if status != 303:
        return page.press("Show what would go", status=status)
    shown = page.press("Show what would go", status=200).sees("Nothing is changed yet", words)
    return shown.press("Take them out for good", status=303)


def holding(folder: Path, *words: str) -> list[str]:
    """The files in which one of the words stands, whatever its case."""
    return [
        path.name
        for path in sorted(folder.rglob("*"))
        if path.is_file() and any(word.lower().encode() in path.read_bytes().lower() for word in words)
    ]


def test_the_words_are_in_no_file_of_ours(
    app: Flask,
    clock: Clock,
    ask: Ask,
    signed_in: SignedIn,
    stored: Stored,
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    config = app.extensions["settings"]
    reference = ask(question=QUESTION, practice=f"Clinic of {PATIENT}")
    with app.app_context(), transaction():
        db.session.scalars(select(Request)).one().patient_data = ["patients_name", "birth_date"]
    grace = signed_in("pharmacist")
    page = claimed(grace, reference)
    page = page.fill("Note", f"Called about {PATIENT}.").press("Save note", status=303)
    page = grace.open(f"/staff/requests/{reference}")
    page.fill("Answer", f"For {PATIENT}: two weeks each.").press(
        "Send answer to ana@clinic.example", status=303
    )
    outbox()
    page = grace.open(f"/staff/requests/{reference}").fill("Answer", f"And for {PATIENT} later")
    page.press("Save draft", status=303)
    for made in generations.listed(files.folder_of(config)):
        made.unlink()  # the worker's own
    older = files.make(config, files.folder_of(config), at=clock.tick(minutes=1))
    if config.is_sqlite:
        assert "portal.db" in "".join(holding(config.INSTANCE_DIR, "Xanthia", "quill"))

    shown = redacted(grace, reference)

    shown.sees("The words are gone").sees("One backup made before may still hold them")
    shown.sees(f"{generations.ends_at(older):%B}")
    mask = passages.MARK * len(PATIENT)
    assert stored(reference).question == QUESTION.replace(f"{PATIENT},", f"{mask},").replace(
        "XANTHIA\nquill", mask
    ).replace(f"{PATIENT}'s", f"{mask}'s")
    assert f"{PATIENT}son" in stored(reference).question, "another word is left alone"
    redacted(grace, reference, f"{PATIENT}son")
    older.unlink()
    with app.app_context():
        assert all(PATIENT not in text for text in db.session.scalars(select(Message.text)))
        assert [draft.text for draft in db.session.scalars(select(Draft))] == [f"And for {mask} later"]
        assert db.session.scalar(select(Request.id).where(terms.has("xanthia"))) is None
        assert "xanthia" not in db.session.scalars(select(RequestWord.term)).all()
        assert "sleeps" in db.session.scalars(select(RequestWord.term)).all()
        assert db.session.scalar(select(Request.id).where(terms.has("ruiz"))) is not None
        sent = select(Body.content).join(Delivery).where(Delivery.cause == f"request:{reference}")
        assert db.session.scalars(sent).all() == [None, None]
        trail = db.session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "request.redacted"))
        assert trail.all() == [f"patients_name:{len(PATIENT)}", f"patients_name:{len(PATIENT) + 3}"]
    files.make(config, files.folder_of(config), at=clock.tick(minutes=1))
    if config.is_sqlite:
        assert holding(config.INSTANCE_DIR, "Xanthia", "quill") == []
    shown = grace.open(f"/staff/requests/{reference}").sees(mask).sees("A patient's name, 13 characters")
    shown.sees("May say who a patient is: a date of birth")


def test_no_copy_of_a_row_is_left_in_a_gap_of_a_page(app: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    """A page that is split keeps a copy of what moved to the other one, where `secure_delete` does not come."""
    folder, lot = app.extensions["settings"].INSTANCE_DIR, random.Random(7)
    if not app.extensions["settings"].is_sqlite:
        pytest.skip("of SQLite's file")
    monkeypatch.setattr(traces, "ANEW_MOST", 0)
    with app.app_context():
        for n in range(200):
            reference = submit(app, f"t-{n}", question="Would it do?")
            parts = [
                " ".join("".join(lot.choices("abcdefghijklm", k=5)) for _ in range(12)) for _ in range(2)
            ]
            with transaction():
                asked = db.session.scalars(select(Request).where(Request.reference == reference)).one()
                for part in parts:
                    words.index(asked.id, asked.kind, f"{part} {PATIENT}")
            with transaction():
                words.index_anew(asked, *parts)
            traces.wipe()
            if holding(folder, "xanthia", "quill"):
                break
        else:
            pytest.fail("no page was split so that this shows anything")
        monkeypatch.undo()

        traces.wipe()

        assert holding(folder, "xanthia", "quill") == []


def test_of_a_large_database_it_is_said_that_its_file_may_hold_them(
    ask: Ask, signed_in: SignedIn, app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(traces, "ANEW_MOST", 0)
    reference = ask(question=QUESTION)
    with app.app_context(), transaction():
        db.session.execute(update(Request).values(patient_data=["patients_name"]))
    grace = signed_in("pharmacist")
    said = "unused parts of its file may hold them"

    shown = redacted(grace, reference)

    (shown.sees if app.extensions["settings"].is_sqlite else shown.lacks)(said)


# Columns of people that hold none of a request's words, and why. Every other one of the register is reached.
NOT_ITS = {
    "audit_entry.actor_name": "who acted",
    "mail_body.facts": "no word that anybody typed; forgotten with the body all the same",
    "mail_delivery.recipient": "an address; it goes with the person",
    "mail_delivery.recipient_key": "an address",
    "user.email": "an account's",
    "user.name": "an account's",
    "passkey.name": "an account's",
    "invite.email": "an account's",
    "invite.name": "an account's",
    "staff_session.browser": "an account's",
    "request.npi": "a number, or none",
    "request.email": "an address; it goes with the person",
    "request.delegate_email": "an address",
    "request.answer_email": "an address",
    "request_message.author_name": "who wrote it",
    "request_contact.author_name": "who wrote it",
    "prescriber_note.author_name": "who wrote it",
    "redaction.by_name": "who took words out",
    "npi_check.npi": "a number",
    "npi_check.provider": "what the public registry says",
    "stored_reply.text": "the pharmacy's own words, for every request",
    "stored_reply.changed_by": "who wrote it",
    "stored_reply_version.text": "as the stored reply",
    "stored_reply_version.changed_by": "who wrote it",
    "signup.address": "the newsletter's: nothing of a request leads there",
    "signup.address_key": "the newsletter's",
    "signup.network": "the newsletter's",
    "subscriber.address": "the newsletter's",
    "subscriber.address_key": "the newsletter's",
    "subscriber.handle": "the newsletter's",
    "subscriber.leave_digest": "the newsletter's",
    "subscriber.preferences_digest": "the newsletter's",
    "consent_event.subject": "the newsletter's",
    "consent_event.network": "the newsletter's",
    "tombstone.address_hash": "the newsletter's",
    "newsletter_leave_request.address": "the newsletter's",
    "newsletter_leave_request.address_key": "the newsletter's",
    "text_verdict.note": "on the pharmacy's own texts",
    "text_verdict.by_name": "who signed",
    "text_verdict.translator": "who translated",
    "office_version.by_name": "who saved",
}


def test_every_personal_column_is_reached_or_named_with_the_reason(
    app: Flask,
    clock: Clock,
    ask: Ask,
    signed_in: SignedIn,
    stored: Stored,
    outbox: Callable[[], list[EmailMessage]],
) -> None:
    """The words are put into each, by the register: a new one that nobody thought of fails here."""
    config = app.extensions["settings"]
    for made in generations.listed(files.folder_of(config)):
        made.unlink()
    reference, grace = ask(), signed_in("pharmacist")
    answered_there(grace, reference)
    outbox()
    grace.open(f"/staff/requests/{reference}").fill("Note", "Half").press("Save draft", status=303)
    rows = everything_about(app, stored(reference).id, grace.user_id)
    reached = [f"{kept.table}.{name}" for kept in KEPT for name in kept.personal]
    assert set(NOT_ITS) <= set(reached), "each reason is about a column that is there"
    planted = set()
    with app.app_context(), transaction():
        for name in [name for name in reached if name not in NOT_ITS]:
            table, _, column = name.partition(".")
            assert table in rows, f"{name}: no row is made here, and no reason given"
            place = db.metadata.tables[table]
            changed = place.update().where(*rows[table](place))
            words = f"{PATIENT} {column}" if column != "term" else "xanthia"
            if isinstance(place.c[column].type, JSON):
                words = {"name": words}  # type: ignore[assignment]
            elif isinstance(place.c[column].type, LargeBinary):
                words = words.encode()  # type: ignore[assignment]
            assert db.session.execute(changed.values({column: words})).rowcount, name  # type: ignore[attr-defined]
            planted.add(name)
    assert len(planted) >= 18

    redacted(grace, reference)

    with app.app_context():
        for table in db.metadata.sorted_tables:
            for row in db.session.execute(table.select()):
                assert not re.search("xanthia|quill", repr(tuple(row)), re.IGNORECASE), table.name
    files.make(config, files.folder_of(config), at=clock.tick(minutes=1))
    if config.is_sqlite:
        assert holding(config.INSTANCE_DIR, "Xanthia", "quill") == []


def answered_there(grace: Colleague, reference: str) -> None:
    """A request with something in every table that is about one."""
    page = claimed(grace, reference)
    page = page.set(**{"call-reason": "reached"}).fill("What was said", "Yes.")
    page = page.press("Log the call", status=303)
    page.fill("Answer", "Two weeks each.").press("Send answer to ana@clinic.example", status=303)
    grace.open("/staff/prescribers/1234567893").fill("Note", "Prefers mail.").press("Save note", status=303)
    page = grace.open("/staff/requests?q=ruiz").fill("Name of the view", "Hers")
    page.press("Save the view", status=303)


def everything_about(app: Flask, request_id: int, user_id: int) -> dict[str, Callable[[Any], Any]]:
    """How the rows about the request are found, by table; what no page makes is put there."""
    with app.app_context(), transaction():
        asked = db.session.get_one(Request, request_id)
        since = {"kind": "added", "text": "More.", "written_at": asked.received_at, "form_token": "x"}
        db.session.add(Addition(request_id=request_id, **since))
        checked = {"npi": asked.npi, "at": asked.received_at, "verdict": "unchecked", "typed": {}}
        db.session.add(
            NpiCheck(request_id=request_id, reasons=[], close="", as_of="", provider={}, **checked)
        )
        subject = asked.subject
    mine = select(Delivery.body_id).where(Delivery.cause == subject)
    named = ("request_message", "request_contact", "request_addition", "request_draft")
    return {
        "request": lambda table: [table.c.id == request_id],
        "mail_body": lambda table: [table.c.id.in_(mine)],
        "mail_delivery": lambda table: [table.c.cause == subject],
        "saved_view": lambda table: [table.c.user_id == user_id],
        "request_term": lambda table: [table.c.request_id == request_id, table.c.term == "ruiz"],
        "request_word": lambda table: [table.c.request_id == request_id, table.c.term == "slowly"],
    } | {
        name: lambda table: [table.c.request_id == request_id]
        for name in (*named, "npi_check", "prescriber_note")
    }


def test_a_mail_that_waits_is_written_without_them(
    app: Flask, ask: Ask, signed_in: SignedIn, outbox: Callable[[], list[EmailMessage]]
) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    claimed(grace, reference).fill("Answer", f"For {PATIENT}: two weeks.").press(
        "Send answer to ana@clinic.example", status=303
    )

    redacted(grace, reference)

    words = outbox()[-1].get_body(("plain",)).get_content()
    assert PATIENT not in words and passages.MARK * len(PATIENT) in words


@pytest.mark.parametrize(
    ("words", "text", "left"),
    [
        ("O'Brien", "O’Brien, OʼBrien, O´Brien, O`Brien", "▇▇▇▇▇▇▇, ▇▇▇▇▇▇▇, ▇▇▇▇▇▇▇, ▇▇▇▇▇▇▇"),
        ("O’Brien", "o'brien's OBrien", "▇▇▇▇▇▇▇'s OBrien"),
        ("Diaz-Ruiz", "Diaz–Ruiz Diaz‑Ruiz Diaz Ruiz", "▇▇▇▇▇▇▇▇▇ ▇▇▇▇▇▇▇▇▇ Diaz Ruiz"),
        ("José", "Jose\u0301 JOSÉ Jose Josefa", "▇▇▇▇▇ ▇▇▇▇ Jose Josefa"),
        ("Jose\u0301", "José", "▇▇▇▇"),
        ("Jose", "Jose\u0301 José", "Jose\u0301 José"),
        ("Ann", "_Ann_ __ann Anna Mary\u0301Ann", "_▇▇▇_ __▇▇▇ Anna Mary\u0301Ann"),
        ("Xanthia Quill", "Xan\u00adthia\u00a0Qu\u200bill", "▇" * 15),
        ("Xanthia Quill", "> for Xanthia\n> Quill.", f"> for {'▇' * 15}."),
        ("(Quill)", "x(Quill)y", "x▇▇▇▇▇▇▇y"),
        ("4.5", "4.5 mg, 4.50, 14.5, 4x5", "▇▇▇ mg, 4.50, 14.5, 4x5"),
    ],
)
def test_words_are_found_however_they_are_typed(words: str, text: str, left: str) -> None:
    assert passages.masked(passages.pattern_of(words), text) == left


def test_what_nobody_sees_costs_no_time() -> None:
    wanted = passages.pattern_of(PATIENT)
    began = time.monotonic()
    for text in ("Xanthia" + "\u200b " * 20_000, "X\u200b" * 20_000, "Xanthia " * 5_000):
        assert passages.masked(wanted, text) == text
    assert time.monotonic() - began < 2


def test_the_mail_of_a_joined_request_greets_nobody_by_them(
    app: Flask, ask: Ask, signed_in: SignedIn, outbox: Callable[[], list[EmailMessage]], instance: Path
) -> None:
    """The answer that went to both was promised by the other one."""
    first, second = ask(), ask(name=PATIENT, email="quill@other.example")
    grace = signed_in("pharmacist")
    page = grace.open(f"/staff/requests/{second}").fill("Reference of the other request", first)
    page.press("Join as a duplicate", status=303)
    page = claimed(grace, first).fill("Answer", "Slowly.")
    page.press("Send answer to ana@clinic.example", status=303)
    assert sum(PATIENT in mail.get_body(("plain",)).get_content() for mail in outbox()) == 1

    redacted(grace, second)

    assert holding(instance / "mail", PATIENT) == []
    with app.app_context():
        kept = db.session.scalars(
            select(Body.content).join(Delivery).where(Delivery.cause == f"request:{first}")
        )
        assert PATIENT.encode() not in b"".join(content or b"" for content in kept)
        to_ana = select(Body.content).join(Delivery).where(Delivery.recipient == "ana@clinic.example")
        assert None not in db.session.scalars(to_ana).all(), "the other one's mails stay as they are"


def test_a_check_that_ran_meanwhile_brings_no_name_back(app: Flask, clock: Clock, ask: Ask) -> None:
    reference = ask(name=PATIENT)

    def asking(_npi: str, _anew: bool) -> Any:
        """Words are taken out while the registry is asked."""
        with transaction():
            db.session.scalars(select(Request)).one().name = "▇"
        return NOBODY_ASKED

    with app.app_context():
        checks.check_new(asking, clock())
        assert db.session.scalar(select(NpiCheck.id)) is None
        checks.check_new(lambda _npi, _anew: NOBODY_ASKED, clock())
        assert [check.typed["name"] for check in db.session.scalars(select(NpiCheck))] == ["▇"]
    assert reference


def test_a_mail_that_cannot_be_deleted_is_told_and_tried_again(
    app: Flask,
    ask: Ask,
    signed_in: SignedIn,
    outbox: Callable[[], list[EmailMessage]],
    work: Callable[[], int],
    instance: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reference = ask()
    grace = signed_in("pharmacist")
    page = claimed(grace, reference).fill("Answer", f"For {PATIENT}.")
    page.press("Send answer to ana@clinic.example", status=303)
    outbox()
    with monkeypatch.context() as broken:
        broken.setattr(Path, "unlink", _refuse)
        redacted(grace, reference).sees("2 files could not be deleted", "tries again")
        with app.app_context(), pytest.raises(NotNow, match="2 files of mails cannot be deleted"):
            _files(Hand("tests", lambda _seconds: False))

    assert holding(instance / "mail", PATIENT) != []
    work()
    assert holding(instance / "mail", PATIENT) == []


def _refuse(self: Path, missing_ok: bool = False) -> None:
    raise PermissionError(13, "Permission denied")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("", redaction.WRITE_WORDS),
        (" -\u200b ", redaction.TOO_SHORT),
        ("x", redaction.TOO_SHORT),
        ("Xanth", redaction.NOT_HERE),
        ("Somebody Else", redaction.NOT_HERE),
        ("y" * 201, "200"),
    ],
)
def test_what_cannot_be_taken_out_is_said_and_nothing_is_changed(
    ask: Ask, signed_in: SignedIn, stored: Stored, words: str, said: str
) -> None:
    reference = ask(question=QUESTION)
    grace = signed_in("pharmacist")

    page = redacted(grace, reference, words, status=422)

    page.sees(said)
    assert stored(reference).question == QUESTION
    assert stored(reference).version == 1


def test_a_stale_page_takes_nothing_out(app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask(question=QUESTION)
    grace = signed_in("pharmacist")
    page = grace.open(f"/staff/requests/{reference}")
    claimed(signed_in("pharmacist"), reference)

    page = page.fill("Words to take out", PATIENT).set(**{"redact-reason": "patients_name"})
    page.press("Show what would go", status=409)

    assert stored(reference).question == QUESTION


def test_a_mail_in_a_workers_hand_is_waited_for(
    app: Flask, clock: Clock, ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask(question=QUESTION)
    grace = signed_in("pharmacist")
    with app.app_context(), transaction():
        delivery = db.session.scalars(
            select(Delivery).where(Delivery.cause == f"request:{reference}")
        ).first()
        assert delivery is not None
        delivery.lease_by, delivery.lease_until = "worker", clock.tick(minutes=2)
    clock.tick(minutes=-2)

    redacted(grace, reference, status=409).sees("on its way at this moment")

    assert stored(reference).question == QUESTION
    clock.tick(minutes=3)
    redacted(grace, reference)
    assert PATIENT not in stored(reference).question.replace(f"{PATIENT}son", "")


def test_the_password_is_asked_again_and_what_was_typed_is_kept(
    app: Flask, clock: Clock, ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask(question=QUESTION)
    grace = signed_in("pharmacist")
    fresh = grace.open(f"/staff/requests/{reference}").fill("Words to take out", PATIENT)
    fresh = fresh.set(**{"redact-reason": "patients_name"}).press("Show what would go", status=200)
    clock.tick(minutes=11)

    late = grace.open(f"/staff/requests/{reference}").lacks("Words to take out")
    asked = late.fill("Note", "Call them.").press("Give your password first", status=303)
    assert asked.title == "Enter your password again"
    fresh.press("Take them out for good", status=303).sees("more than 10 minutes ago")

    assert stored(reference).question == QUESTION
    assert asked.address.endswith(f"next=/staff/requests/{reference}")
    assert (
        grace.open(f"/staff/requests/{reference}").soup.find(id="note-text").get_text().strip()
        == "Call them."
    )


def test_what_would_go_is_shown_place_by_place_and_nothing_is_changed(
    app: Flask, clock: Clock, ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask(question=QUESTION, practice=f"Clinic of {PATIENT}")
    grace, ada = signed_in("pharmacist"), signed_in("manager")
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request)).one()
        drafts.keep(request, ada.user_id, {"note": f"A secret about {PATIENT}"}, at=clock())
    page = grace.open(f"/staff/requests/{reference}").fill("Words to take out", PATIENT)

    shown = page.set(**{"redact-reason": "patients_name"}).press("Show what would go", status=200)

    shown.sees(
        "Question 3 times",
        "My patient Xanthia Quill , born",
        "Practice 1 time",
        "Drafts of colleagues 1 time",
    )
    shown.lacks("A secret")
    assert (stored(reference).question, stored(reference).version) == (QUESTION, 1)


@pytest.mark.parametrize("button", ["Save draft", "Save note", "Send answer to ana@clinic.example"])
def test_a_page_from_before_saves_no_words_again(
    app: Flask, ask: Ask, signed_in: SignedIn, button: str
) -> None:
    """A colleague's boxes may hold the words; what they wrote stays on their page, and the next press is theirs."""
    reference = ask(question=QUESTION)
    grace, ada = signed_in("pharmacist"), signed_in("manager")
    page = (
        claimed(grace, reference).fill("Answer", f"For {PATIENT}: go slowly.").fill("Note", f"On {PATIENT}.")
    )
    redacted(ada, reference)

    refused = page.press(button, status=409)

    refused.sees("Nothing was saved", "Patient data taken out", ada.name, f"For {PATIENT}: go slowly.")
    with app.app_context():
        assert db.session.scalars(select(Draft.text)).all() == []
        assert db.session.scalars(select(Message.text)).all() == []
    refused.fill("Answer", "Go slowly.").fill("Note", "").press(
        button, status=422 if "note" in button else 303
    )


def test_a_session_that_ended_keeps_no_draft_from_before(
    app: Flask, clock: Clock, ask: Ask, signed_in: SignedIn
) -> None:
    reference = ask(question=QUESTION)
    grace = signed_in("pharmacist")
    page = grace.open(f"/staff/requests/{reference}").fill("Note", f"On {PATIENT}.")
    redacted(signed_in("manager"), reference)
    grace.client.delete_cookie("session", domain="localhost")
    for cookie in list(grace.client._cookies):
        grace.client._cookies.pop(cookie)

    page.press("Save draft", status=401).sees(f"On {PATIENT}.")

    with app.app_context():
        assert db.session.scalars(select(Draft.text)).all() == []


def test_where_words_stood_it_says_who_took_them_out(ask: Ask, signed_in: SignedIn) -> None:
    reference = ask(question=QUESTION, practice=f"Clinic of {PATIENT}")
    grace = signed_in("pharmacist", "Grace Hall")
    claimed(grace, reference).fill("Note", "Nothing of it here.").press("Save note", status=303)

    page = redacted(grace, reference)

    said = [" ".join(one.get_text(" ").split()) for one in page.soup.select(".fate")]
    assert len(said) == 2, "under the question, and under who asks; not under the note"
    assert said[0].startswith("▇ taken out by Grace Hall, Thu Jan 15") and said[0].endswith(
        ": a patient's name"
    )


def test_the_desk_reports_it_to_those_who_may(
    app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored, outbox: Callable[[], list[EmailMessage]]
) -> None:
    reference = ask()
    dee, grace = signed_in("desk", "Dee Low"), signed_in("pharmacist", "Grace Hall")
    with app.app_context():  # whatever they wish for other mails
        wish(grace, **dict.fromkeys(wishes.KINDS, When.MORNING))
    page = claimed(dee, reference).set(**{"report-patient-data-reason": "other_patient_data"})

    page = page.press("Report patient data", status=303)

    page.sees(
        "May say who a patient is: something else about a patient", "a pharmacist or a manager takes it out"
    )
    assert stored(reference).patient_data == ["other_patient_data"]
    told = [mail for mail in outbox() if mail["Subject"] == f"Patient data: {reference}"]
    assert [mail["To"] for mail in told] == ["grace.hall@pharmacy.example"]
    page = grace.open(f"/staff/requests/{reference}").sees("Take it out").lacks("Report patient data")
    assert page.soup.find(id="redact").has_attr("open")
    page = page.fill("Words to take out", "sleeps badly").set(**{"redact-reason": "other_patient_data"})
    page.press("Show what would go").press("Take them out for good", status=303)
    assert stored(reference).patient_data == []


def test_it_is_not_the_desks_to_do(app: Flask, ask: Ask, signed_in: SignedIn, stored: Stored) -> None:
    reference = ask("resource", note=f"For {PATIENT}")
    desk = signed_in("desk")
    page = desk.open(f"/staff/requests/{reference}").lacks("Take patient data out")
    typed = {"redact-words": PATIENT, "redact-reason": "patients_name"}

    refused = desk.post(address(reference, "redact"), data=forged(page, "redact", 1) | typed)

    assert refused.status_code == 403

    assert PATIENT in stored(reference).note


def test_drafts_of_colleagues_lose_them_too(app: Flask, clock: Clock, ask: Ask, signed_in: SignedIn) -> None:
    reference = ask()
    grace, ada = signed_in("pharmacist"), signed_in("manager")
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request)).one()
        drafts.keep(request, ada.user_id, {"note": f"Ask {PATIENT.upper()} again"}, at=clock())

    redacted(grace, reference)

    with app.app_context():
        assert PATIENT.upper() not in db.session.scalars(select(Draft.text)).one()


def test_of_the_mailbox_only_what_was_heard_and_holds_them_goes(
    app: Flask, ask: Ask, signed_in: SignedIn
) -> None:
    reference = ask(question=QUESTION)
    with app.app_context():
        there = mailbox.folder()
    for name in ("new", "cur"):
        (there / name).mkdir(parents=True, exist_ok=True)
    letters = {
        "new/1": PATIENT,
        f"cur/2{mailbox.UNMATCHED}": PATIENT,
        f"cur/3{mailbox.SEEN}": f"About {PATIENT.upper()}",
        f"cur/4{mailbox.SEEN}": "About something else",
    }
    for name, said in letters.items():
        (there / name).write_text(f"From: ana@clinic.example\nSubject: Re\n\n{said}.\n", encoding="ascii")

    redacted(signed_in("pharmacist"), reference)

    assert {name for name in letters if not (there / name).exists()} == {f"cur/3{mailbox.SEEN}"}
    shutil.rmtree(there)


def test_a_false_alarm_is_said_to_be_one_until_something_new_is_reported(
    ask: Ask, signed_in: SignedIn, stored: Stored
) -> None:
    reference = ask(patient_data=["birth_date"])
    dee, grace = signed_in("desk"), signed_in("pharmacist", "Grace Hall")
    assert "It names no patient" not in claimed(dee, reference).sees("May say who a patient is").text

    page = grace.open(f"/staff/requests/{reference}").press("It names no patient", status=303)

    page.sees("The warning is gone.", "Marked as naming no patient").lacks("May say who a patient is")
    assert stored(reference).patient_data == []
    page = dee.open(f"/staff/requests/{reference}").set(**{"report-patient-data-reason": "birth_date"})
    page.press("Report patient data", status=303).sees("May say who a patient is")
    grace.open(f"/staff/requests/{reference}").sees("May say who a patient is", "It names no patient")
