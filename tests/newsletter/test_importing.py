"""People of a file: read right from each program, asked once, and nobody brought back who left (N41, N58)."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import select

from portal.audit import AuditEntry
from portal.db import db, transaction
from portal.errors import Refused
from portal.newsletter import erasure, importing, proof, roster, service, subscriptions
from portal.newsletter.importing import (
    ADDED,
    LEFT_THERE,
    MAIL,
    NEVER_BACK,
    NONE,
    THERE,
    TWICE,
    WAITING,
    Terms,
)
from portal.newsletter.models import Language, Signup, State, Subscriber
from tests.conftest import START, Clock
from tests.newsletter.people import Outbox, make_subscriber

TERMS = Terms(
    words="Yes, send me news.", source="our counter", topics=["news"], language="en", reason="moved"
)
OURS = "email,language,topics,consent_at,confirmed_at,consent_words,consent_source\n"
LISTMONK = "uuid,email,name,attributes,status,created_at,updated_at\n"
GHOST = (
    "id,email,name,note,subscribed_to_emails,complimentary_plan,stripe_customer_id,created_at,deleted_at,"
    "labels,tiers\n"
)
MAILCHIMP = (
    '"Email Address","First Name","Last Name",MEMBER_RATING,OPTIN_TIME,OPTIN_IP,CONFIRM_TIME,CONFIRM_IP,LATITUDE,'
    "LONGITUDE,GMTOFF,DSTOFF,TIMEZONE,CC,REGION,LAST_CHANGED,LEID,EUID,NOTES,TAGS\n"
)


def rows(text: str) -> list[tuple[str, bool]]:
    return [(row.email, row.has_left) for row in importing.read(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("email\na@b.example\n", [("a@b.example", False)]),
        ("\ufeffEmail;Language\r\n a@b.example ; es \r\n".lstrip("\ufeff"), [("a@b.example", False)]),
        ("name\temail\nAna\ta@b.example\n", [("a@b.example", False)]),
        ('"email" , "name"\n"a@b.example" , "Ruiz, Ana"\n\n,\n', [("a@b.example", False)]),
        (LISTMONK + 'u,a@b.example,Ana,"{""city"": ""x""}",enabled,2025,2025\n', [("a@b.example", False)]),
        (LISTMONK + "u,a@b.example,Ana,{},blocklisted,2025,2025\n", [("a@b.example", True)]),
        (LISTMONK + "u,a@b.example,Ana,{},disabled,2025,2025\n", [("a@b.example", True)]),
        (GHOST + "1,a@b.example,Ana,,true,false,,2025-01-01T00:00:00.000Z,,,\n", [("a@b.example", False)]),
        (GHOST + "1,a@b.example,Ana,,false,false,,2025-01-01T00:00:00.000Z,,,\n", [("a@b.example", True)]),
        (MAILCHIMP + 'a@b.example,Ana,Ruiz,2,"2025-01-01 10:00:00",,"2025-01-01 10:01:00",1.2.3.4\n',
         [("a@b.example", False)]),
        ("Email Address,UNSUB_TIME\na@b.example,2025-01-02 10:00:00\n", [("a@b.example", True)]),
        ('email,name\n"a@b.example" , "Ana ""Bo""" \n', [("a@b.example", False)]),
        ('email,name\na@b.example,5" Ana\n', [("a@b.example", False)]),
        ('sep=;\r\nEmail;Name\r\na@b.example;Ana\r\n', [("a@b.example", False)]),
        ('"Email Address";"Name, first";"Name, last"\n"a@b.example";"Ana";"Ruiz"\n', [("a@b.example", False)]),
        ("email\ra@b.example\rb@b.example\r", [("a@b.example", False), ("b@b.example", False)]),
        ("Email Address,UNSUB_TIME,CLEAN_TIME\na@b.example,,2025-01-02 10:00:00\n", [("a@b.example", True)]),
        ("Status,E-Mail,State\n,a@b.example,unsubscribed\n", [("a@b.example", True)]),
        ("name,tags,EMAIL\nAna,\"a,b\",\u00a0a@b.example\u00a0\n", [("a@b.example", False)]),
        ("email\nnobody\n", [("", False)]),
        ("email\n", []),
    ],
)  # fmt: skip
def test_each_programs_file_is_read_right(text: str, expected: list[tuple[str, bool]]) -> None:
    assert rows(text) == expected


@pytest.mark.parametrize(
    ("raw", "words"),
    [
        ("email\na@b.example\n".encode("utf-16"), importing.NO_TEXT),
        (b"email\n\xff\xfe\n", importing.NO_TEXT),
        (b"name,phone\nAna,1\n", importing.NO_ADDRESS),
        (b"", importing.NO_ADDRESS),
        (b"reference,kind,email,npi\nLDN-1,consultation,a@b.example,1\n", importing.NOT_SUBSCRIBERS),
        (b"email\n" + b"a@b.example\n" * 50_001, importing.TOO_MANY),
        (b'email,name\na@b.example,"Ana\nb@b.example,Bo\n', importing.UNCLOSED.format(2)),
    ],
)
def test_what_is_no_list_is_refused_in_one_sentence(raw: bytes, words: str) -> None:
    with pytest.raises(Refused) as refusal:
        importing.read(importing.decode(raw))

    assert refusal.value.message == words


def run(app: Flask, text: str, terms: Terms = TERMS, **more: Any) -> importing.Report:
    keys = app.extensions["settings"].keys
    with app.app_context(), transaction():
        return importing.apply(importing.read(text), terms, keys=keys, by=None, at=START, **more)


def test_nobody_is_brought_back_and_the_rest_are_asked_slowly(
    app: Flask, clock: Clock, outbox: Outbox
) -> None:
    keys = app.extensions["settings"].keys
    for state in (State.ACTIVE, State.UNSUBSCRIBED, State.COMPLAINED, State.BOUNCED):
        make_subscriber(app, state, address=f"{state}@mail.example")
    make_subscriber(app, address="erased@mail.example")
    with app.app_context(), transaction():
        erasure.forget_address("erased@mail.example", keys=keys, at=START)
    people = ["active", "unsubscribed", "complained", "bounced", "erased", "New", "new", "other"]
    text = "email,language\n" + "".join(f"{name}@mail.example,es\n" for name in people) + "none,\n"

    dry = run(app, text, dry_run=True)
    assert outbox() == []
    report = run(app, text)

    expected = Counter({NEVER_BACK: 4, MAIL: 2, THERE: 1, TWICE: 1, NONE: 1})
    assert dry.counts == report.counts == expected
    assert [number for number, _why in report.refused] == [2, 3, 4, 5, 6, 8, 10]
    assert [mail["To"] for mail in outbox()] == ["New@mail.example"]
    clock.tick(seconds=40)
    mails = outbox()
    assert [mail["To"] for mail in mails] == ["New@mail.example", "other@mail.example"]
    body = mails[0].get_body(("plain",))
    assert body is not None
    assert "lista anterior" in body.get_content()
    with app.app_context():
        assert {one.state for one in db.session.scalars(select(Subscriber))} == {
            State.ACTIVE, State.UNSUBSCRIBED, State.COMPLAINED, State.BOUNCED,
        }  # fmt: skip
    assert run(app, text).counts[WAITING] == 2


def test_a_reminder_and_a_clock_that_ran_ahead_leave_them_alone(
    app: Flask, clock: Clock, outbox: Outbox
) -> None:
    run(app, "email\n" + "".join(f"p{n}@mail.example\n" for n in range(3000)))
    with app.app_context():
        service.set_right(at=START)
        waiting = select(Signup.due_at).order_by(Signup.due_at.desc()).limit(1)
        assert db.session.scalar(waiting) > START + timedelta(days=1)
    with app.app_context(), transaction():
        for signup in db.session.scalars(select(Signup).where(Signup.id > 1)):
            db.session.delete(signup)
    assert len(outbox()) == 1
    clock.tick(days=3)
    assert len(outbox()) == 1


def test_only_full_proof_and_somebodys_word_put_people_on_the_list_at_once(
    app: Flask, outbox: Outbox
) -> None:
    text = (
        OURS
        + "a@b.example,es,research,2024-05-01T10:00:00Z,2024-05-01 10:05:00,I agree.,fair 2024\n"
        + "b@b.example,,,2024-05-01T10:00:00Z,,I agree.,\n"
    )
    assert run(app, text, dry_run=True).counts == Counter({MAIL: 2})
    terms = Terms(words="", source="old list", topics=["news"], language="en", reason="moved", has_proof=True)
    assert run(app, text, terms).counts == Counter({ADDED: 1, MAIL: 1})

    with app.app_context():
        one = subscriptions.find("a@b.example")
        assert one is not None
        assert (one.state, one.language, one.topics) == (State.ACTIVE, Language.ES, ["research"])
        event = proof.agreement(one)
        assert event is not None
        assert event.foreign_text == "I agree.\n[fair 2024, 2024-05-01T10:00:00+00:00]"
        exported = list(roster.export(roster.Filters()))
        assert exported[0]["consent_words"].startswith("I agree.")
    assert [mail["To"] for mail in outbox()] == ["b@b.example"]


def test_without_words_nobody_is_taken_in(app: Flask) -> None:
    with pytest.raises(Refused):
        run(
            app,
            "email\na@b.example\n",
            Terms(words=" ", source="x", topics=["news"], language="en", reason="moved"),
        )


def test_the_commands_take_in_and_give_out(app: Flask, tmp_path: Path) -> None:
    make_subscriber(app, address="=cmd@mail.example")
    file = tmp_path / "list.csv"
    file.write_text("email\n=cmd@mail.example\nnew@mail.example\nleft@mail.example\n", encoding="utf-8-sig")
    runner = app.test_cli_runner()
    options = [
        "newsletter",
        "import",
        str(file),
        "--words",
        "Yes.",
        "--reason",
        "paper",
        "--source",
        "counter",
    ]

    dry = runner.invoke(args=[*options, "--dry-run"])
    done = runner.invoke(args=options)
    assert dry.stdout == done.stdout == f"2: {MAIL}\n1: {THERE}\n"
    assert done.stderr == f"line 2: {THERE}\n"
    assert LEFT_THERE not in done.stdout
    out = runner.invoke(args=["newsletter", "export"])
    assert "'=cmd@mail.example,active,en,news," in out.stdout
    file.write_bytes("email\nx@y.example\n".encode("utf-16"))
    refused = runner.invoke(args=options)
    assert (refused.exit_code, refused.stderr) == (2, f"{importing.NO_TEXT}\n")


def test_it_is_kept_why_people_were_taken_in(app: Flask) -> None:
    with pytest.raises(Refused, match="Say why these people are taken in"):
        run(app, "email\na@b.example\n", replace(TERMS, reason=""))

    run(app, "email\na@b.example\n", replace(TERMS, reason="event"))

    with app.app_context():
        [detail] = db.session.scalars(
            select(AuditEntry.detail).where(AuditEntry.action == "newsletter.imported")
        )
    assert detail == "event: 1 to ask, 0 at once"
