"""Patient data that was sent all the same: taken out, it is in no file of ours, and nobody is told what it was."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from email.message import EmailMessage
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.asker import mailbox
from portal.audit import AuditEntry
from portal.backup import files, generations
from portal.db import db, transaction
from portal.desk import drafts, redaction
from portal.desk.models import Draft
from portal.intake import terms
from portal.intake.models import Message, Request
from portal.mail.models import Body, Delivery
from tests.conftest import Clock
from tests.staff.conftest import Colleague
from tests.staff.test_request import address, claimed, forged

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
    return page.press("Take patient data out", status=status)


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
    mask = redaction.MARK * len(PATIENT)
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
        assert db.session.scalar(select(Request.id).where(terms.has("ruiz"))) is not None
        sent = select(Body.content).join(Delivery).where(Delivery.cause == f"request:{reference}")
        assert db.session.scalars(sent).all() == [None, None]
        trail = db.session.scalars(select(AuditEntry.detail).where(AuditEntry.action == "request.redacted"))
        assert trail.all() == [f"patients_name:{len(PATIENT)}", f"patients_name:{len(PATIENT) + 3}"]
    files.make(config, files.folder_of(config), at=clock.tick(minutes=1))
    if config.is_sqlite:
        assert holding(config.INSTANCE_DIR, "Xanthia", "quill") == []
    shown = grace.open(f"/staff/requests/{reference}").sees(mask).sees("A patient's name, 13 characters")
    shown.sees("May say who a patient is a date of birth")


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
    assert PATIENT not in words and redaction.MARK * len(PATIENT) in words


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
    page.press("Take patient data out", status=409)

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
    for name, words in letters.items():
        (there / name).write_text(f"From: ana@clinic.example\nSubject: Re\n\n{words}.\n", encoding="ascii")

    redacted(signed_in("pharmacist"), reference)

    assert {name for name in letters if not (there / name).exists()} == {f"cur/3{mailbox.SEEN}"}
    shutil.rmtree(there)
