"""What is over goes, whoever asks is erased from every file, and a restored backup is told."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import func, select, update

from portal.backup import files, generations
from portal.db import db, transaction
from portal.intake.models import Message, MessageKind, Request, Status
from portal.mail.models import Body, Delivery
from portal.newsletter.models import Signup, Subscriber
from portal.people import invitations
from portal.retention import person, requests
from portal.settings import Settings
from portal.worker import Worker
from tests.conftest import Clock
from tests.intake import samples
from tests.intake.samples import submit
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
        invitations.invite(email=ADDRESS, role="desk", by=None, at=clock())
    people.sign_up(visitor, ADDRESS)
    people.make_subscriber(app, address=ADDRESS)
    with app.app_context():
        Worker().run_once()
        assert db.session.scalars(select(Subscriber.address)).all() == [ADDRESS]
    return reference


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
