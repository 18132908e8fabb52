"""What monitors ask, and what `flask doctor` tells a person: one list of checks, each with its remedy."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import create_engine, event, text
from sqlalchemy.exc import OperationalError
from werkzeug.test import EnvironBuilder, run_wsgi_app

from portal import addresses
from portal.clock import now
from portal.db import db, transaction
from portal.faces import Probes
from portal.jobs import JobRow
from portal.mail import promise as mail
from portal.mail.models import Delivery, State
from portal.ops import checks, host
from portal.ops.finding import Finding
from portal.people import invitations
from portal.seals import jobs as seals
from portal.throttle import Throttle
from tests import world
from tests.conftest import START, Clock
from tests.pages import Visitor

Check = Callable[[], Finding]


@pytest.fixture
def context(app: Flask) -> Iterator[Flask]:
    """A check asks the app it runs in."""
    with app.app_context():
        yield app


@pytest.fixture
def doctor(app: Flask) -> Callable[[], Any]:
    """Ask `flask doctor`."""
    return lambda: app.test_cli_runner().invoke(args=["doctor"])


@pytest.fixture
def revision(app: Flask) -> Iterator[Callable[[str | None], None]]:
    """Pretend that the tables are those of another version, or of none; mended afterwards."""

    def write(value: str | None) -> None:
        with app.app_context(), db.engine.begin() as connection:
            connection.execute(text("DELETE FROM alembic_version"))
            if value is not None:
                connection.execute(text("INSERT INTO alembic_version VALUES (:value)"), {"value": value})

    with app.app_context(), db.engine.connect() as connection:
        right = connection.execute(text("SELECT version_num FROM alembic_version")).scalar_one()
    yield write
    write(right)


def fail(*_args: object, **_kwargs: object) -> None:
    raise OperationalError("SELECT", {}, Exception("gone"))


def promise(state: State = State.QUEUED, **values: Any) -> None:
    with transaction():
        mail.promise("people/notice", to="a@b.example", facts={"what": "A thing."}, cause="user:1", at=START)
        db.session.flush()
        db.session.execute(db.update(Delivery).values(state=state, **values))


def employ(role: str = "manager") -> None:
    with transaction():
        world.employ(role=role, created_at=START)


# ---- For monitors


def test_the_process_lives_whatever_its_database_does(
    visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(db.session, "scalar", fail)
    monkeypatch.setattr(db.session, "execute", fail)

    answer = visitor.get("/healthz")

    assert (answer.status_code, answer.text) == (200, "ok\n")
    assert answer.headers["Cache-Control"] == "no-store"


def test_a_portal_that_can_work_is_ready(visitor: Visitor) -> None:
    answer = visitor.get("/readyz")

    assert answer.status_code == 200
    assert answer.get_json() == {
        "status": "ok",
        "checks": {"database": True, "schema": True, "disk": True, "limits": True},
    }
    assert answer.headers["Cache-Control"] == "no-store"


@pytest.mark.parametrize("found", [None, "0000"])
def test_tables_of_another_version_are_not_ready(
    found: str | None, visitor: Visitor, revision: Callable[[str | None], None]
) -> None:
    revision(found)

    answer = visitor.get("/readyz")

    assert answer.status_code == 503
    assert answer.get_json() == {
        "status": "failing",
        "checks": {"database": True, "schema": False, "disk": True, "limits": True},
    }


def test_a_database_that_is_gone_is_not_ready(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(db.session, "execute", fail)

    answer = visitor.get("/readyz")

    assert answer.status_code == 503
    assert answer.get_json()["checks"]["database"] is False
    assert "gone" not in answer.text


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="about SQLite: its one writer")
def test_a_database_that_nothing_can_be_written_to_is_not_ready(
    context: Flask, visitor: Visitor, settings: dict[str, str]
) -> None:
    """Somebody else holds the write lock and does not let go."""
    impatient = lambda connection, _record: connection.execute("PRAGMA busy_timeout=1")  # noqa: E731
    other = sqlite3.connect(Path(settings["INSTANCE_DIR"]) / "portal.db", isolation_level=None)
    event.listen(db.engine, "connect", impatient)
    try:
        db.engine.dispose()
        other.execute("BEGIN IMMEDIATE")
        assert visitor.get("/readyz").get_json()["checks"]["database"] is False
        other.execute("ROLLBACK")
        assert visitor.get("/readyz").get_json()["checks"]["database"] is True
    finally:
        event.remove(db.engine, "connect", impatient)
        other.close()
        db.engine.dispose()


def test_no_stranger_makes_the_portal_read_its_whole_database(app: Flask, visitor: Visitor) -> None:
    """What `/readyz` asks costs the same however much there is."""
    asked: list[str] = []
    with app.app_context():
        engine = db.engine
    note = lambda _c, _cursor, statement, *_more: asked.append(statement)  # noqa: E731
    event.listen(engine, "before_cursor_execute", note)
    try:
        visitor.get("/readyz")
    finally:
        event.remove(engine, "before_cursor_execute", note)

    assert any(statement.startswith("UPDATE job") for statement in asked)
    assert [statement for statement in asked if "check" in statement] == []


@pytest.mark.skipif("DATABASE_URL" in os.environ, reason="about SQLite: its file")
def test_the_doctor_finds_a_broken_file(context: Flask, settings: dict[str, str]) -> None:
    file = Path(settings["INSTANCE_DIR"]) / "portal.db"
    assert check("integrity").ok
    db.session.remove()
    db.engine.dispose()
    pages = bytearray(file.read_bytes())
    pages[8 * 4096 :] = b"\xff" * (len(pages) - 8 * 4096)
    file.write_bytes(pages)

    assert not check("integrity").ok
    assert "backup" in check("integrity").remedy


def test_a_full_disk_is_not_ready(visitor: Visitor, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks.shutil, "disk_usage", lambda _path: SimpleNamespace(free=1 << 20))

    assert visitor.get("/readyz").status_code == 503


def test_where_to_report_a_weakness(visitor: Visitor, clock: Clock) -> None:
    answer = visitor.get("/.well-known/security.txt")

    lines = dict(line.split(": ", 1) for line in answer.text.splitlines())
    assert set(lines) == {"Contact", "Expires", "Canonical", "Preferred-Languages"}
    assert f"{clock():%Y-%m-%d}" < lines["Expires"] < f"{clock() + timedelta(days=365):%Y-%m-%d}"


# ---- For a person


def well(monkeypatch: pytest.MonkeyPatch, app: Flask, change_settings: Callable[..., None]) -> None:
    """Everything a person has to set is set."""
    org = replace(
        app.config["ORG"],
        fax="925-555-0101",
        license="PHY 1",
        pic="G. Hall",
        holidays=frozenset({date(2026, 12, 25)}),
    )
    change_settings(ORG=org, BACKUP_AGE_RECIPIENT="age1…")
    monkeypatch.setattr(host, "backup_age", lambda: timedelta(hours=3))
    with transaction():
        for name in (seals.SEAL, seals.CHECK):
            db.session.merge(JobRow(name=name, due_at=START, ran_at=START, failures=0, last_error=""))
    seals.look(START, {})
    library = SimpleNamespace(unsigned=list, overdue=lambda today: [])
    monkeypatch.setitem(app.extensions, "library", library)
    monkeypatch.setitem(app.extensions, "shelf", SimpleNamespace(look=lambda: library, standings=list))
    monkeypatch.setitem(
        app.extensions, "guide", SimpleNamespace(printed=lambda library, wait: SimpleNamespace(facts="PDF"))
    )
    app.config["INSTANCE_DIR"].chmod(0o700)


def test_the_doctor_is_content_when_all_is_well(
    context: Flask,
    doctor: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Callable[..., None],
) -> None:
    well(monkeypatch, context, change_settings)
    employ("pharmacist manager")

    result = doctor()

    assert result.exit_code == 0, result.output
    assert len(result.output.splitlines()) == len((*checks.ALL, *host.ALL))
    assert all(line.startswith("ok ") for line in result.output.splitlines())


def test_the_doctor_says_what_to_do_and_fails(
    context: Flask,
    doctor: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Callable[..., None],
) -> None:
    well(monkeypatch, context, change_settings)

    result = doctor()

    assert result.exit_code == 1
    [fault] = [line for line in result.output.splitlines() if line.startswith("FAULT")]
    assert "nobody can sign in" in fault
    assert "→ Run `flask staff invite EMAIL --role manager`." in result.output


def test_the_doctor_speaks_even_when_the_database_is_gone(
    app: Flask, doctor: Callable[[], Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for verb in ("scalar", "execute", "scalars"):
        monkeypatch.setattr(db.session, verb, fail)

    result = doctor()

    assert result.exit_code == 1
    assert result.exception is None or isinstance(result.exception, SystemExit)
    assert result.output.count("FAULT") >= 3


def test_advice_is_no_alarm(
    context: Flask,
    doctor: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Callable[..., None],
) -> None:
    """Facts, texts and holidays that are not there yet, a job of a newer version after going back."""
    well(monkeypatch, context, change_settings)
    employ()
    with transaction():
        db.session.add(JobRow(name="registry.import", due_at=START, failures=0, last_error=""))
    org = replace(context.extensions["settings"].ORG, holidays=frozenset(), fax="")
    change_settings(ORG=org, WEB_WORKERS=2)

    result = doctor()

    advice = {line.split()[1] for line in result.output.splitlines() if line.startswith("advice")}
    assert result.exit_code == 0, result.output
    assert advice == {"jobs", "holidays", "facts", "limits", "staff"}
    assert "jobs run" not in result.output


@pytest.mark.parametrize(
    ("age", "word", "said"),
    [
        (None, "advice", "there is none yet"),
        (timedelta(hours=47), "ok", "47 hours old"),
        (timedelta(hours=49), "FAULT", "49 hours old"),
    ],
)
def test_a_backup_that_is_missing_or_old_is_told(
    context: Flask,
    doctor: Callable[[], Any],
    monkeypatch: pytest.MonkeyPatch,
    change_settings: Callable[..., None],
    age: timedelta | None,
    word: str,
    said: str,
) -> None:
    well(monkeypatch, context, change_settings)
    employ()
    monkeypatch.setattr(host, "backup_age", lambda: age)

    result = doctor()

    [line] = [line for line in result.output.splitlines() if line.split()[1] == "backup"]
    assert line.startswith(word) and said in line
    assert result.exit_code == (1 if word == "FAULT" else 0)


@pytest.mark.parametrize("path", addresses.PROBES)
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:80", "10.0.0.5:8000", "Portal-1", ""])
def test_a_monitor_asks_by_address(app: Flask, monkeypatch: pytest.MonkeyPatch, path: str, host: str) -> None:
    """And nobody opens another page by it, and no other name is taken."""
    production = replace(
        app.extensions["settings"], APP_ENV="production", PROBE_HOSTS=("10.0.0.5", "portal-1")
    )
    faces = Probes(app.extensions["ready"], production)

    def status(path: str, host: str) -> str:
        environ = EnvironBuilder(path).get_environ() | {"HTTP_HOST": host, "REMOTE_ADDR": "127.0.0.1"}
        return str(run_wsgi_app(faces, environ)[1]).split()[0]

    assert status(path, host) == "200"
    assert status(path, "evil.example") == "400"
    if host in ("10.0.0.5:8000", "Portal-1"):
        assert status("/newsletter", host) == "400"


def test_what_is_written_is_ours_alone_whatever_its_folder_is(app: Flask, instance: Path) -> None:
    assert app.test_cli_runner().invoke(args=["worker", "--once"]).exit_code == 0
    kept = [path for path in instance.glob("*") if path.is_file() and path.suffix != ".empty"]

    is_sqlite = app.extensions["settings"].is_sqlite
    assert {path.name for path in kept} >= ({"portal.db", "worker.lock"} if is_sqlite else {"audit.key"})
    assert [path.name for path in kept if path.stat().st_mode & 0o077] == []


def check(name: str) -> Finding:
    return next(found for ask in checks.ALL if (found := ask()).name == name)


def test_each_fault_has_a_remedy_and_each_check_a_name_of_its_own(
    context: Flask, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = [ask() for ask in checks.ALL]
    assert len({each.name for each in found}) == len(found)
    assert all(bool(each.remedy) is not each.ok for each in found)
    assert all(ask in checks.ALL for ask in checks.SERVING)


def test_tables_of_another_version_are_named(context: Flask, revision: Callable[[str | None], None]) -> None:
    revision("0000")

    found = check("schema")

    assert not found.ok
    assert found.detail == "at 0000"
    assert "newer version" in found.remedy and "db upgrade" not in found.remedy, "which cannot work"
    revision("0001")
    assert check("schema").remedy == "Run `flask db upgrade`."


def test_a_folder_that_others_can_read_is_named(context: Flask) -> None:
    folder = context.config["INSTANCE_DIR"]
    (folder / "mail").mkdir(exist_ok=True)
    (folder / "mail").chmod(0o755)
    folder.chmod(0o700)

    found = check("instance")

    assert (found.ok, found.detail) == (False, "others can read mail")
    (folder / "mail").chmod(0o700)
    assert check("instance").ok


def test_a_folder_that_cannot_be_written_is_named(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid() == 0:  # the superuser may write everywhere: answer as for the owner
        real = os.access
        monkeypatch.setattr(
            os,
            "access",
            lambda path, mode: (
                bool(Path(path).stat().st_mode & 0o200) if mode == os.W_OK else real(path, mode)
            ),
        )
    assert check("instance").ok
    context.config["INSTANCE_DIR"].chmod(0o500)
    try:
        assert check("instance").detail == "not writable"
    finally:
        context.config["INSTANCE_DIR"].chmod(0o700)


def test_mail_that_waits_too_long_is_named(context: Flask, clock: Clock) -> None:
    promise()
    assert check("mail").ok

    clock.tick(minutes=16)

    found = check("mail")
    assert not found.ok
    assert "1 queued" in found.detail
    assert "2026-01-15 18:00 UTC" in found.detail


def test_mail_that_was_given_up_is_named(context: Flask) -> None:
    promise(State.DEAD, last_error="refused with 550")

    found = check("mail")
    assert not found.ok
    assert "1 dead" in found.detail


def test_a_role_that_nobody_has_is_named(context: Flask) -> None:
    assert check("staff").is_fault  # nobody at all

    employ("desk")
    with transaction():
        world.employ("Mo Lane", "pharmacist manager", created_at=START, active=False)
    alone = check("staff")
    with transaction():
        world.employ("Ada King", "desk pharmacist", created_at=START)
    led_by_nobody = check("staff")
    with transaction():
        world.employ("Olu Ade", "pharmacist manager", created_at=START)

    assert (alone.ok, alone.is_fault) == (False, False)
    assert "nobody is a pharmacist: consultations stay unanswered; nobody is a manager" in alone.detail
    assert "--role pharmacist --role manager" in alone.remedy
    assert led_by_nobody.detail == "nobody is a manager: nobody can be let in on a page"
    assert check("staff").ok


def test_a_year_without_holidays_is_doubted(context: Flask, clock: Clock) -> None:
    assert check("holidays").ok
    clock.set(START + timedelta(days=5))  # the one holiday we know is past

    assert "none in the next 12 months" in check("holidays").detail


def test_facts_that_pages_leave_out_are_named(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check("facts").detail == "ORG_FAX, ORG_LICENSE, ORG_PIC not set"


def test_processes_that_count_apart_are_named(context: Flask, change_settings: Callable[..., None]) -> None:
    change_settings(WEB_WORKERS=4)
    assert check("limits").detail == "4 processes count apart"

    change_settings(REDIS_URL="redis://localhost")
    assert check("limits").ok


def test_texts_that_nobody_signed_are_named(context: Flask, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [SimpleNamespace(path=path, waits_for="pending") for path in ("/a", "/b")]
    late = [SimpleNamespace(path="/c")]
    library = SimpleNamespace(unsigned=lambda: texts, overdue=lambda today: late)
    standings = [SimpleNamespace(page=texts[0], said="3 of 4 statements signed")]
    monkeypatch.setitem(context.extensions, "library", library)
    monkeypatch.setitem(
        context.extensions, "shelf", SimpleNamespace(look=lambda: library, standings=lambda: standings)
    )

    assert not check("content").ok
    assert check("content").detail == "past its next review: /c; pending: /a (3 of 4 statements signed), /b"


def test_the_first_manager_counts_as_nobody_until_the_link_is_used(context: Flask) -> None:
    with transaction():
        invitations.invite_first_manager(at=now())

    assert not check("staff").ok


@pytest.mark.parametrize(
    ("made", "said", "remedy"),
    [
        (None, "is not there", "restore its last backup"),
        (b"", "is empty", "restore its last backup"),
        (b"no database at all, but long enough to be taken for one" * 20, "is no database", "restore"),
        ("CREATE TABLE recipe (id INTEGER)", "another program's", "DATABASE_URL"),
        (
            "CREATE TABLE alembic_version (version_num TEXT); INSERT INTO alembic_version VALUES ('9999')",
            "at 9999",
            "of a newer version",
        ),
        (
            "PRAGMA user_version = 1; CREATE TABLE a (b); DROP TABLE a",
            "has no tables",
            "restore its last backup",
        ),
    ],
    ids=["missing", "empty", "none", "foreign", "newer", "without tables"],
)
def test_a_database_that_is_not_ours_gets_one_right_sentence(
    context: Flask,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    made: str | bytes | None,
    said: str,
    remedy: str,
) -> None:
    file = tmp_path / "portal.db"
    if isinstance(made, bytes):
        file.write_bytes(made)
    elif made:
        with closing(sqlite3.connect(file)) as connection:
            connection.executescript(made)
    engine = create_engine(f"sqlite:///{file}")
    monkeypatch.setattr(checks, "db", SimpleNamespace(engine=engine, metadata=db.metadata))

    found = checks.schema()

    engine.dispose()
    assert not found.ok
    assert said in found.detail
    assert remedy in found.remedy
    assert "db upgrade" not in found.remedy
    assert file.exists() is (made is not None)  # looking makes none


def test_a_database_that_can_only_be_read_is_said_to_be(
    context: Flask, read_only: Callable[[], None]
) -> None:
    read_only()

    found = check("database")

    assert not found.ok
    assert "read-only" in found.detail


def test_redis_that_does_not_answer_is_told_while_the_portal_serves(
    context: Flask, visitor: Visitor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Throttle, "is_whole", lambda self: False)

    answer = visitor.get("/readyz")

    assert (answer.status_code, answer.get_json()["checks"]["limits"]) == (200, False)
    assert check("limits").is_fault
