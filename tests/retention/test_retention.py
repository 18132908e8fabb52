"""What is over goes, whoever asks is erased from every file, and a restored backup is told."""

from __future__ import annotations

import errno
import os
import sqlite3
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from bs4 import BeautifulSoup
from flask import Flask
from sqlalchemy import delete, func, select, text, update
from sqlalchemy.exc import DBAPIError, OperationalError

from portal import audit, tokens
from portal.audit import AuditEntry
from portal.backup import files, generations
from portal.db import db, transaction
from portal.editions import service as editions
from portal.intake.models import Message, MessageKind, Request, Status
from portal.keeping import KEPT
from portal.mail import promise as mail
from portal.mail.models import Body, Delivery
from portal.newsletter import proof
from portal.newsletter.models import ConsentEvent, ConsentKind, Signup, Subscriber
from portal.people import invitations
from portal.retention import person, requests, sealed
from portal.settings import Settings
from portal.worker import Worker
from tests import world
from tests.conftest import Clock
from tests.intake import samples
from tests.intake.samples import how_many, submit
from tests.live import Live
from tests.newsletter import people
from tests.pages import Visitor

CANARY = "canary"
ADDRESS = f"{CANARY}@clinic.example"
THEIRS = {
    "name": f"{CANARY} Ruiz",
    "email": ADDRESS,
    "question": f"Is {CANARY} 3 mg the next step?",
    "practice": f"{CANARY} clinic",
}
EDITION = {
    "slug": "march-2026",
    "topics": ["news"],
    "only_english": True,
    "is_public": True,
    "paid": "no",
    "paid_by": "",
    "subject_en": "Later on Thursdays",
    "preview_en": "New opening hours",
    "source_en": "## Hours\n\nWe are open later on Thursdays.",
    "subject_es": "",
    "preview_es": "",
    "source_es": "",
}
Run = Callable[..., Any]


@pytest.fixture
def config(app: Flask) -> Settings:
    """The portal's settings."""
    found: Settings = app.extensions["settings"]
    return found


@pytest.fixture
def run(app: Flask) -> Run:
    """`flask …` with these words."""
    return lambda *words: app.test_cli_runner().invoke(args=[str(word) for word in words])


def close(app: Flask, clock: Clock) -> None:
    with app.app_context(), transaction():
        db.session.execute(
            update(Request).values(status=Status.CLOSED, closed_at=clock(), changed_at=clock())
        )


def files_with(folder: Path, word: str) -> list[str]:
    return [
        str(path)
        for path in sorted(folder.rglob("*"))
        if path.is_file() and word.encode() in path.read_bytes() and not path.name.endswith(".empty")
    ]


def a_whole_person(app: Flask, clock: Clock, visitor: Visitor) -> str:
    """Somebody who asked, was answered, signed up, and was mailed."""
    reference = submit(app, **THEIRS)
    author = samples.staff(app)
    with app.app_context(), transaction():
        request = db.session.scalars(select(Request)).one()
        request.delegate_name = CANARY
        db.session.add(
            Message(
                request_id=request.id,
                kind=MessageKind.NOTE,
                author_id=author.id,
                author_name=author.name,
                written_at=clock(),
                text=f"Dear {CANARY}",
                form_token="note-1",
            )
        )
        invitations.invite(email=ADDRESS, roles=("desk",), by=None, at=clock())
    people.sign_up(visitor, ADDRESS)
    people.make_subscriber(app, address=ADDRESS)
    send_an_edition(app, clock)
    with app.app_context():
        Worker().run_once()
        assert db.session.scalars(select(Subscriber.address)).all() == [ADDRESS]
    return reference


def send_an_edition(app: Flask, clock: Clock) -> None:
    """One that everybody gets who is subscribed; it is with them when the worker has run."""
    with app.app_context():
        app.extensions["settings"].ORG.__dict__["address"] = "1 Main Street, San Ramon"
        with transaction():
            by = world.employ("Mo Lane", "manager")
            made = editions.write(None, EDITION, version=0, by=by, at=clock())
            editions.send_test(made, to=by.email, by=by, at=clock())
            editions.schedule(made, due_at=None, version=made.version, by=by, at=clock())
        Worker().run_once()
        clock.tick(minutes=11)
        Worker().run_once()


def test_an_open_request_is_named_and_nothing_goes(app: Flask, run: Run) -> None:
    reference = submit(app, **THEIRS)

    done = run("person", "erase", ADDRESS)

    assert done.exit_code == 2
    assert done.stderr.strip().splitlines() == [
        f"Still open: {reference}. Answer and close first, or give --withdraw."
    ]
    with app.app_context():
        assert db.session.scalars(select(Request.email)).all() == [ADDRESS]


def test_no_byte_is_left_in_any_file(
    app: Flask, config: Settings, run: Run, clock: Clock, visitor: Visitor
) -> None:
    if not config.is_sqlite:
        pytest.skip("reads SQLite's files")
    for path in generations.listed(files.folder_of(config)):
        path.unlink()
    reference = a_whole_person(app, clock, visitor)
    other = submit(app, "token-2", email="other@clinic.example")
    assert files_with(config.INSTANCE_DIR, CANARY), "the canary was never there"
    with app.app_context():
        theirs = select(Delivery.cause).where(Delivery.recipient_key == ADDRESS)
        assert any(cause.startswith("edition:") for cause in db.session.scalars(theirs))
    older = files.make(config, files.folder_of(config), at=clock.tick(minutes=1))

    done = run("person", "erase", ADDRESS.upper(), "--withdraw")

    assert done.exit_code == 0, done.output
    assert older.name in done.stdout and f"{generations.ends_at(older):%Y-%m-%d}" in done.stdout
    for path in generations.listed(older.parent):
        path.unlink()
    assert files_with(config.INSTANCE_DIR, CANARY) == []
    clock.tick(minutes=1)
    assert run("backup", "create").exit_code == 0
    assert files_with(config.INSTANCE_DIR, CANARY) == []
    with app.app_context():
        left = {row.reference: row for row in db.session.scalars(select(Request))}
        assert left[reference].status == Status.CLOSED and left[reference].email == ""
        assert left[other].email == "other@clinic.example"
        assert db.session.scalars(select(Signup.address)).all() == []
        assert db.session.scalars(select(Subscriber.address)).all() == []
        assert db.session.scalars(select(Delivery).where(Delivery.recipient_key == ADDRESS)).all() == []
        lost = select(Body.id).where(~select(Delivery.id).where(Delivery.body_id == Body.id).exists())
        assert db.session.scalars(lost).all() == []
        for kept in KEPT:  # also of a room that comes later
            for name in kept.whose:
                column = db.metadata.tables[kept.table].c[name]
                assert ADDRESS not in {str(found).lower() for found in db.session.scalars(select(column))}
    assert run("person", "export", ADDRESS).stdout == "{}\n"
    assert run("person", "erase", ADDRESS).exit_code == 0  # and again does no harm


def test_a_restored_backup_is_told_who_was_erased_since(
    app: Flask, config: Settings, run: Run, clock: Clock
) -> None:
    submit(app, **THEIRS)
    ledger = files.folder_of(config) / person.LEDGER
    ledger.unlink(missing_ok=True)
    places = person.Places(mail=config.INSTANCE_DIR / "mail", ledger=ledger)
    made = clock()
    clock.tick(hours=1)
    assert run("person", "erase", ADDRESS, "--withdraw").exit_code == 0
    assert ADDRESS not in ledger.read_text()
    submit(app, "token-9", **THEIRS)  # as the backup has it

    with app.app_context():
        replayed = person.replay(since=clock(), keys=config.keys, places=places, at=clock())
        assert replayed == 0  # a backup that was made after it: they came back by themselves
        assert person.replay(since=made, keys=config.keys, places=places, at=clock()) == 1
        assert set(db.session.scalars(select(Request.email))) == {""}


def test_requests_lose_who_asked_after_24_months_and_counts_stay(app: Flask, run: Run, clock: Clock) -> None:
    submit(app, **THEIRS)
    close(app, clock)
    submit(app, "token-2", email="open@clinic.example")
    clock.tick(days=729)
    with app.app_context():
        assert requests.count_over(clock()) == 0
    clock.tick(days=1)

    dry = run("retention", "run", "--dry-run")

    assert dry.exit_code == 0 and "1  request (who asked" in dry.stdout
    with app.app_context():
        assert ADDRESS in db.session.scalars(select(Request.email)).all()
    done = run("retention", "run")
    assert done.exit_code == 0, done.output
    with app.app_context():
        assert sorted(db.session.scalars(select(Request.email))) == ["", "open@clinic.example"]
        assert db.session.scalar(select(func.count()).select_from(Request)) == 2
    assert "request (who" not in run("retention", "run").stdout


def test_a_run_killed_in_the_middle_is_finished_by_the_next(
    app: Flask, run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(3):
        submit(app, f"token-{number}", email=f"a{number}@clinic.example")
    close(app, clock)
    clock.tick(days=731)
    monkeypatch.setattr(requests, "over", lambda at, _over=requests.over: _over(at, 1))
    blank = requests.blank
    calls: list[int] = []

    def dies(ids: Any) -> list[int]:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return blank(ids)

    monkeypatch.setattr(requests, "blank", dies)
    run("retention", "run")
    with app.app_context():
        assert requests.count_over(clock()) == 2
    assert run("retention", "run").exit_code == 0
    with app.app_context():
        assert requests.count_over(clock()) == 0


def test_the_worker_does_it_by_itself(app: Flask, run: Run, clock: Clock) -> None:
    submit(app, **THEIRS)
    close(app, clock)
    clock.tick(days=0, seconds=timedelta(days=731).total_seconds())

    assert run("jobs", "run", "retention.requests").exit_code == 0
    with app.app_context():
        assert db.session.scalars(select(Request.email)).all() == [""]


def test_a_person_is_given_a_page_to_read(app: Flask, run: Run, tmp_path: Path) -> None:
    reference = submit(app, **THEIRS)
    page = tmp_path / "all.html"

    assert run("person", "export", ADDRESS, "--html", page).exit_code == 0

    soup = BeautifulSoup(page.read_text(), "html.parser")
    words = soup.get_text(" ", strip=True)
    assert reference in words and THEIRS["question"] in words
    assert "24 months after it was closed" in words and "is not given out here, and why" in words
    assert not soup.find_all(["script", "style", "link", "img"])
    assert page.stat().st_mode & 0o077 == 0
    again = run("person", "export", ADDRESS, "--html", page)
    assert again.exit_code == 2 and "there already" in again.stderr
    assert run("person", "export", "nobody@x.example", "--html", tmp_path / "none.html").exit_code == 0
    assert "Nothing." in (tmp_path / "none.html").read_text()


def test_a_full_disk_is_one_line_and_nothing_is_half_done(
    app: Flask, run: Run, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    submit(app, **THEIRS)
    close(app, clock)
    clock.tick(days=731)

    def full(*_args: object, **_more: object) -> None:
        raise OperationalError("UPDATE", {}, sqlite3.OperationalError("database or disk is full"))

    def no_space(_file: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(db.session, "commit", full)
        for words in (("retention", "run"), ("person", "erase", ADDRESS)):
            done = run(*words)
            assert done.exit_code == 2 and len(done.stderr.strip().splitlines()) == 1, done.output
            assert "disk is full. Make room" in done.stderr
    page = app.extensions["settings"].INSTANCE_DIR / "page.html"
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", no_space)
        done = run("person", "export", ADDRESS, "--html", page)
        assert done.exit_code == 2 and "No space left" in done.stderr
    assert not list(page.parent.glob("*page.html*")), "half a page"
    with app.app_context():
        assert db.session.scalars(select(Request.email)).all() == [ADDRESS]
    assert run("retention", "run").exit_code == 0


def test_the_trail_and_consent_end_by_an_act_that_is_sealed(
    app: Flask, run: Run, clock: Clock, visitor: Visitor
) -> None:
    """After seven and five years; who is still subscribed keeps the evidence, and the guard is back after it."""
    people.make_subscriber(app, address=ADDRESS)
    with app.app_context():
        leaver = people.make_subscriber(app, address="left@mail.example")
        with transaction():
            for address in (ADDRESS, "left@mail.example"):
                who = db.session.scalars(select(Subscriber).where(Subscriber.address == address)).one()
                proof.record_act(who, ConsentKind.TOPICS, network="", at=clock())
            db.session.execute(delete(Subscriber).where(Subscriber.address == "left@mail.example"))
            audit.record(None, "request.opened", "request:x", at=clock())
        old = db.session.execute(select(AuditEntry.__table__).order_by(AuditEntry.id)).all()
        told = sealed.digest(old)
        before = db.session.scalar(select(func.count()).select_from(ConsentEvent)) or 0
    del leaver
    assert run("retention", "run").exit_code == 0
    with app.app_context():
        assert db.session.scalar(select(func.count()).select_from(ConsentEvent)) == before
    clock.tick(days=7 * 365 + 3)

    dry = run("retention", "run", "--dry-run")
    assert f"{len(old)}  audit_entry (the oldest)" in dry.stdout
    assert run("jobs", "run", "retention.sealed").exit_code == 0

    with app.app_context():
        left = {row.action: row for row in db.session.scalars(select(AuditEntry))}
        assert set(left) == {"audit.ended", "consent.ended"}
        assert left["audit.ended"].detail == (f"{len(old)} rows, {old[0].id} to {old[-1].id}, SHA-256 {told}")
        here = db.session.scalars(select(ConsentEvent.subject).distinct()).all()
        subscribed = db.session.scalars(select(Subscriber.handle)).all()
        assert here == [tokens.digest(handle) for handle in subscribed]
        for table in ("audit_entry", "consent_event"):
            with pytest.raises(DBAPIError, match="append-only"), transaction():
                db.session.execute(text(f"DELETE FROM {table}"))
    clock.tick(days=8 * 365)
    assert run("jobs", "run", "retention.sealed").exit_code == 0
    with app.app_context():  # seals stay
        assert {row.action for row in db.session.scalars(select(AuditEntry))} == {
            "audit.ended",
            "consent.ended",
        }


def test_what_another_run_ended_meanwhile_is_not_ended_again(app: Flask, clock: Clock) -> None:
    with app.app_context():
        for ending in sealed.ENDINGS:
            late = replace(ending, over=lambda _at, _limit: [1, 2])
            assert sealed.end(late, at=clock()) == 0
        assert how_many(app, AuditEntry) == 0
        with transaction():
            audit.record(None, "request.opened", "request:x", at=clock())
        with pytest.raises(DBAPIError, match="append-only"), transaction():
            db.session.execute(text("DELETE FROM audit_entry"))


def test_old_mail_loses_to_whom_it_went_and_then_goes(app: Flask, run: Run, clock: Clock) -> None:
    people.make_subscriber(app, address=ADDRESS)
    send_an_edition(app, clock)
    query = select(Delivery.recipient_key).where(Delivery.cause.startswith("edition:"))
    clock.tick(days=731)
    assert run("retention", "run").exit_code == 0
    with app.app_context():
        keys = db.session.scalars(query).all()
        assert keys == [mail.hashed(ADDRESS, app.extensions["settings"].keys[0])]
        assert ADDRESS not in set(db.session.scalars(select(Delivery.recipient)))
    assert run("person", "erase", ADDRESS).exit_code == 0
    with app.app_context():
        assert db.session.scalars(query).all() == []  # an erasure finds the hash too
    clock.tick(days=5 * 365 + 2)
    assert run("retention", "run").exit_code == 0
    with app.app_context():
        assert db.session.scalars(select(Delivery.id)).all() == []
        assert db.session.scalars(select(Body.id).where(Body.forgotten_at.is_not(None))).all() == []


def test_the_privacy_pages_say_what_the_register_says(visitor: Visitor) -> None:
    told = [kept.told for kept in sorted(KEPT, key=lambda kept: not kept.whose) if kept.told]
    for address, language in (("/privacy", "en"), ("/es/privacidad", "es")):
        table = visitor.open(address).soup.find("caption", id="kept-table").find_parent("table")
        rows = [
            tuple(cell.get_text(strip=True).translate({0xA0: " ", 0x2019: "'"}) for cell in (row.th, row.td))
            for row in table.tbody.find_all("tr")
        ]
        assert rows[:-1] == [words[language] for words in told]
        assert any(word in rows[-1][1] for word in ("13 months", "13 meses"))
    for kept in KEPT:  # and the numbers that are told are those that rule
        if kept.told and kept.after in (timedelta(days=30), timedelta(days=730)):
            number = {30: "30", 730: "24"}[kept.after.days]
            assert all(number in words[1] or kept.only for words in kept.told.values()), kept.table


@pytest.mark.slow
@pytest.mark.skipif(os.geteuid() != 0, reason="mounts a small disk")
def test_on_a_disk_without_room_every_command_is_one_line(tmp_path: Path) -> None:
    """A real one, filled to its last byte; with room again all goes on."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("nothing can be mounted here")
    live = Live(disk / "instance")
    live.log.close()
    verbs = (("retention", "run"), ("person", "erase", ADDRESS), ("backup", "create"))

    def ended(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "flask", *words]
        return subprocess.run(
            command, cwd=live.root, env=live.env, capture_output=True, text=True, check=False
        )

    try:
        live.migrate()
        fill = disk / "fill"
        with suppress(OSError), fill.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(4096))
        for words in verbs:
            done = ended(*words)
            assert done.returncode == 2 and len(done.stderr.splitlines()) == 1, done.stderr
        told = ended("doctor")
        assert told.returncode == 1 and "FAULT   disk" in told.stdout
        assert ".py" not in told.stderr, told.stderr
        fill.unlink()
        for words in verbs:
            assert ended(*words).returncode == 0, words
    finally:
        subprocess.run(["umount", "--lazy", str(disk)], check=False)
