"""The one way to write: all or nothing, never by accident, never a quiet loss."""

from __future__ import annotations

import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from flask import Flask
from sqlalchemy import event, func, select, text
from sqlalchemy.exc import DBAPIError, OperationalError, StatementError

from portal import audit
from portal.audit import AuditEntry
from portal.db import BUSY_TIMEOUT_MS, MOST_PATIENT, Turns, db, transaction, why
from portal.errors import Unavailable
from tests.conftest import START, Clock, no_sync
from tests.pages import Visitor

ORDER = {
    "name": "Ana Ruiz",
    "email": "ana@clinic.example",
    "items": "prescriber-guide",
    "delivery": "email",
}


def entries() -> int:
    return db.session.scalar(select(func.count()).select_from(AuditEntry)) or 0


@pytest.fixture
def sqlite_only(app: Flask) -> Path:
    with app.app_context():
        if db.engine.dialect.name != "sqlite":
            pytest.skip("about SQLite")
        return Path(db.engine.url.database or "")


def test_leaving_commits_and_an_error_rolls_back(app: Flask) -> None:
    with app.app_context():
        with transaction():
            audit.record(None, "a", "s", at=START)
        with pytest.raises(KeyError), transaction():
            audit.record(None, "b", "s", at=START)
            db.session.flush()
            raise KeyError
        db.session.expire_all()

        assert [entry.action for entry in audit.trail("s")] == ["a"]


def test_transactions_do_not_nest(app: Flask) -> None:
    with app.app_context(), pytest.raises(RuntimeError, match="open already"), transaction(), transaction():
        pass


def test_a_write_outside_a_transaction_is_refused(app: Flask) -> None:
    with app.app_context():
        with pytest.raises(RuntimeError, match="outside"):
            audit.record(None, "a", "s", at=START)
        db.session.add(AuditEntry(actor_name="", action="a", subject="s", at=START))
        with pytest.raises(RuntimeError, match="outside"):
            db.session.flush()
        db.session.rollback()
        with pytest.raises(RuntimeError, match="outside"):
            db.session.execute(AuditEntry.__table__.delete())


def test_the_trail_is_append_only(app: Flask) -> None:
    with app.app_context():
        with transaction():
            audit.record(None, "a", "s", at=START)
        for statement in ("UPDATE audit_entry SET action = 'b'", "DELETE FROM audit_entry"):
            with pytest.raises(DBAPIError, match="append-only"), transaction():
                db.session.execute(text(statement))

        assert entries() == 1


def test_a_time_without_a_zone_is_refused(app: Flask) -> None:
    with app.app_context(), pytest.raises(StatementError, match="zone"), transaction():
        audit.record(None, "a", "s", at=datetime(2026, 1, 1))  # noqa: DTZ001 - the fault in question


def test_times_come_back_aware(app: Flask) -> None:
    with app.app_context():
        with transaction():
            audit.record(None, "a", "s", at=START)
        db.session.expire_all()

        assert audit.trail("s")[0].at == START
        assert audit.trail("s")[0].at.tzinfo is UTC


def test_every_connection_keeps_the_promises_of_sqlite(app: Flask, sqlite_only: Path) -> None:
    wanted = {
        "journal_mode": "wal",
        "synchronous": 2,
        "foreign_keys": 1,
        "busy_timeout": 5000,
        "trusted_schema": 0,
        "secure_delete": 1,
    }
    for face in (app, app.extensions["staff"]):
        with face.app_context(), without(no_sync):
            found = {name: db.session.scalar(text(f"PRAGMA {name}")) for name in wanted}
            assert found == wanted


@contextmanager
def without(listener: Callable[..., None]) -> Iterator[None]:
    """Connections as they are outside the tests."""
    event.remove(db.engine, "connect", listener)
    db.engine.dispose()
    try:
        yield
    finally:
        event.listen(db.engine, "connect", listener)


def test_every_write_begins_immediate(app: Flask, sqlite_only: Path, visitor: Visitor) -> None:
    begun: list[str] = []
    page = visitor.open("/requests/resources")
    with app.app_context():
        engine = db.engine

    def note(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        begun.append(statement.split("(")[0].strip())

    event.listen(engine, "before_cursor_execute", note)
    page.set(**ORDER).press("Continue").press("Send my request", status=303, follow=False)
    event.remove(engine, "before_cursor_execute", note)

    first_write = next(i for i, statement in enumerate(begun) if statement.startswith("INSERT"))
    opened = [statement for statement in begun[:first_write] if statement.startswith("BEGIN")]
    assert opened[-1] == "BEGIN IMMEDIATE"


def test_a_locked_database_is_waited_for_then_says_so(
    app: Flask, sqlite_only: Path, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = visitor.open("/requests/resources")
    with app.app_context():
        db.session.execute(text("PRAGMA busy_timeout=50"))
        db.session.remove()
    holder = sqlite3.connect(sqlite_only, isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")

    answer = page.set(**ORDER).press("Continue").press("Send my request", status=503)

    assert answer.response.headers["Retry-After"]
    assert 'value="Ana Ruiz"' in answer.response.text
    answer.sees("We could not save that", "Nothing was saved")
    holder.execute("ROLLBACK")
    holder.close()
    answer.press("Continue").press("Send my request", status=303, follow=False)


def test_a_short_lock_costs_only_time(app: Flask, sqlite_only: Path, visitor: Visitor) -> None:
    page = visitor.open("/requests/resources")
    holder = sqlite3.connect(sqlite_only, isolation_level=None, check_same_thread=False)
    holder.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: holder.execute("ROLLBACK"))
    timer.start()

    page.set(**ORDER).press("Continue").press("Send my request", status=303, follow=False)

    timer.join()
    holder.close()


@pytest.mark.parametrize("pragma", ["query_only=1", "max_page_count=1"])
def test_a_read_only_or_full_disk_loses_nothing_typed(
    app: Flask, sqlite_only: Path, visitor: Visitor, pragma: str
) -> None:
    with app.app_context():
        db.session.execute(text(f"PRAGMA {pragma}"))
        db.session.remove()

    for _ in range(25):  # the first few find room in the pages that are there
        page = visitor.open("/requests/resources").set(**ORDER)
        answer = page.press("Continue").press("Send my request", follow=False)
        if answer.response.status_code != 303:
            break

    assert answer.response.status_code == 503
    assert 'value="Ana Ruiz"' in answer.response.text
    with app.app_context():
        db.engine.dispose()


def test_a_storage_fault_is_unavailable(app: Flask, sqlite_only: Path) -> None:
    with app.app_context(), pytest.raises(Unavailable), transaction():
        db.session.execute(text("PRAGMA query_only=1"))
        audit.record(None, "a", "s", at=START)
    with app.app_context():
        db.engine.dispose()


def test_every_statement_may_fail_and_nothing_half_is_kept(
    app: Flask, clock: Clock, new_visitor: object
) -> None:
    """A request, its mails and its audit row: whichever statement fails, all or none is there."""
    with app.app_context():
        engine = db.engine
    failing = {"at": 0, "count": 0}

    def fail(_conn: object, _cursor: object, statement: str, *_rest: object) -> None:
        if statement.startswith(("INSERT", "UPDATE")):
            failing["count"] += 1
            if failing["count"] == failing["at"]:
                raise sqlite3.OperationalError("disk I/O error")

    event.listen(engine, "before_cursor_execute", fail)
    try:
        for at in range(1, 12):
            failing.update(at=at, count=0)
            visitor = new_visitor()  # type: ignore[operator]
            page = visitor.open("/requests/resources").set(**ORDER)
            answer = page.press("Continue").press("Send my request", follow=False)
            if answer.status == 303:
                break
            assert answer.status in (500, 503), answer.status
            with app.app_context():
                for table in ("request", "mail_delivery", "audit_entry"):
                    assert db.session.scalar(text(f"SELECT count(*) FROM {table}")) == 0, (at, table)
        assert answer.status == 303
        assert at >= 3
    finally:
        event.remove(engine, "before_cursor_execute", fail)


def test_while_one_writer_sticks_few_wait_and_the_others_are_told_at_once(
    app: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("portal.db.STUCK_SECONDS", 0.0)
    turns, told, waited = Turns(), threading.Semaphore(0), list[bool]()

    def wait() -> None:
        try:
            with turns.mine():
                waited.append(True)
        except Unavailable:
            told.release()

    threads = [threading.Thread(target=wait) for _ in range(10)]
    with turns.mine():
        for thread in threads:
            thread.start()
        for _ in range(10 - MOST_PATIENT):  # while the writer still has its turn
            assert told.acquire(timeout=BUSY_TIMEOUT_MS / 1000 - 1)
        assert not waited
    for thread in threads:
        thread.join()

    assert len(waited) == MOST_PATIENT


def test_while_turns_pass_everybody_gets_theirs(app: Flask) -> None:
    turns, served = Turns(), list[int]()

    def take(number: int) -> None:
        with turns.mine():
            served.append(number)

    threads = [threading.Thread(target=take, args=(number,)) for number in range(10 * MOST_PATIENT)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(served) == len(threads)


@pytest.mark.parametrize("how", ["replaced", "gone"])
def test_a_database_file_that_is_another_is_noticed_and_refused(
    app: Flask, sqlite_only: Path, visitor: Visitor, caplog: pytest.LogCaptureFixture, how: str
) -> None:
    visitor.get("/readyz")  # the file is open
    page = visitor.open("/requests/resources").set(**ORDER).press("Continue")
    aside = sqlite_only.with_suffix(".aside")
    sqlite_only.rename(aside)
    if how == "replaced":
        shutil.copy(aside, sqlite_only)
    try:
        answer = page.press("Send my request", status=503)
        assert 'value="Ana Ruiz"' in answer.response.text
        assert visitor.get("/readyz").status_code == 503
        assert visitor.get("/").status_code == 200
    finally:
        aside.rename(sqlite_only)

    page.press("Send my request", status=303, follow=False)


def test_a_form_that_was_opened_before_the_clock_was_set_back_is_new(
    app: Flask, clock: Clock, visitor: Visitor
) -> None:
    page = visitor.open("/requests/resources").set(**ORDER)
    clock.tick(hours=-1)

    page.press("Continue").press("Send my request", status=303, follow=False)


@pytest.mark.parametrize(
    ("name", "is_it"), [("SQLITE_FULL", True), ("SQLITE_IOERR_SHMSIZE", True), ("SQLITE_IOERR_READ", False)]
)
def test_a_full_disk_is_known_by_what_sqlite_names_it(name: str, is_it: bool) -> None:
    said = sqlite3.OperationalError("disk I/O error")
    said.sqlite_errorname = name

    assert ("Make room" in why(OperationalError("SELECT 1", {}, said))) is is_it
