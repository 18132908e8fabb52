"""What every test stands on: one portal, a fresh database for each test, a clock that stands still."""

from __future__ import annotations

import gc
import os
import shutil
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path

import pytest
import sqlalchemy
from flask import Flask
from flask_migrate import upgrade
from sqlalchemy import event, make_url, text

from config import Config
from portal import clock as portal_clock
from portal.app import create_app
from portal.blank import Blank
from portal.db import db
from portal.jobs import JOBS, Hand, Job
from tests import figures, leaving, promises, turns, world
from tests.pages import Visitor
from tests.rendering import nothing_is_rendered_in_a_transaction  # noqa: F401 - an autouse fixture

# To look through all that is imported and collected, again and again, is a sixth of the time which that takes.
gc.set_threshold(20_000, 20, 50)

START = datetime(2026, 1, 15, 18, 0, tzinfo=UTC)  # a Thursday, 10 am in San Ramon
SETTINGS = {
    **world.SETTINGS,
    "ORG_HOLIDAYS": "2026-01-19",
    "BASE_URL": "http://localhost:8000",
    "WEB_WORKERS": "1",
}
# The jobs of which no mail comes: half of what all take.
NO_MAIL = ("keeping.", "retention.", "audit.seal", "ops.", "backup.", "npi.again", "mail.retire")
READ_ONLY = {"sqlite": "PRAGMA query_only=ON", "postgresql": "SET TRANSACTION READ ONLY"}


class Clock:
    """The time, as the test has it."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at

    def tick(self, seconds: float = 0, **more: float) -> datetime:
        """Let time pass."""
        self.at += timedelta(seconds=seconds, **more)
        return self.at

    def set(self, at: datetime) -> None:
        """Go to a moment."""
        self.at = at


def pytest_addoption(pluginmanager: pytest.PytestPluginManager) -> None:
    """Let the suite's own plugins be asked, first for their options."""
    for each in (figures, leaving, turns):
        pluginmanager.register(each)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what holds a line of ASVS with its number: `pytest -m asvs` runs them."""
    for item in items:
        name = getattr(item, "originalname", item.name)
        for line in promises.marks(item.path.relative_to(promises.TESTS).as_posix(), name):
            item.add_marker(pytest.mark.asvs(line))


@pytest.fixture(scope="session")
def instance(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of this process's portal."""
    return tmp_path_factory.mktemp("instance")


@pytest.fixture(scope="session")
def settings(instance: Path, worker_id: str) -> dict[str, str]:
    """The settings of the tests; DATABASE_URL may name a PostgreSQL server to run the suite on."""
    found = {**SETTINGS, "INSTANCE_DIR": str(instance)}
    if url := os.environ.get("DATABASE_URL"):
        found["DATABASE_URL"] = own_postgres(url, worker_id)
    return found


@pytest.fixture(scope="session")
def the_app(settings: dict[str, str]) -> Flask:
    """One migrated portal for the whole session."""
    app = create_app(Config.from_env(settings))
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            if _sqlite_file(app):
                event.listen(db.engine, "connect", no_sync)
    with app.app_context():
        upgrade()
        if _sqlite_file(app):
            _dispose(app)
            shutil.copy(_sqlite_file(app), _sqlite_file(app).with_suffix(".empty"))
    # What was imported and built lives until the end: looking through it again and again is a third of a run.
    gc.collect()
    gc.freeze()
    leaving.begin(app)
    return app


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock that stands at START until it is told otherwise."""
    fixed = Clock()
    monkeypatch.setattr(portal_clock, "source", fixed)
    return fixed


@pytest.fixture
def app(the_app: Flask, clock: Clock, instance: Path, request: pytest.FixtureRequest) -> Iterator[Flask]:
    """The portal with an empty database, empty counters and no mail."""
    if not the_app.extensions["settings"].is_sqlite:
        request.node.user_properties.append(promises.ON_POSTGRES)
    _reset_database(the_app)
    if the_app.extensions["office"].number:
        the_app.extensions["office"].hold(0, {})  # as a new process would: no test saved anything yet
        the_app.extensions["ready"].drop()
        the_app.extensions["ready"]._seen = None
    the_app.extensions["throttle"].clear()
    pages = the_app.extensions["ready"]._pages
    for path in [path for path, page in pages.items() if isinstance(page, Blank)]:
        del pages[path]  # it promises what the last test's people keep
    the_app.extensions["ready"].frames.clear()  # the same
    shutil.rmtree(instance / "mail", ignore_errors=True)
    (instance / "audit.head").unlink(missing_ok=True)
    yield the_app
    _dispose(the_app)


@pytest.fixture
def change_settings(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """Let the portal have other settings for the rest of the test."""

    def change(**settings: object) -> None:
        changed = replace(app.extensions["settings"], **settings)
        for face in (app, app.extensions["staff"]):
            monkeypatch.setitem(face.extensions, "settings", changed)
            monkeypatch.setitem(face.jinja_env.globals, "org", changed.ORG)

    return change


@pytest.fixture
def staff_app(app: Flask) -> Flask:
    """The staff face (the public app's client reaches it too, by path)."""
    return app.extensions["staff"]


@pytest.fixture
def visit(app: Flask, clock: Clock) -> Callable[[str], object]:
    """Open an address as a new visitor would; see `tests/pages.py`."""
    return Visitor(app, clock).open


@pytest.fixture
def visitor(app: Flask, clock: Clock) -> Visitor:
    """Somebody with a browser of their own."""
    return Visitor(app, clock)


@pytest.fixture
def new_visitor(app: Flask, clock: Clock) -> Callable[[], Visitor]:
    """Makes more people."""
    return lambda: Visitor(app, clock)


@pytest.fixture
def work(app: Flask) -> Callable[[], int]:
    """Let every job do all it has to do, without the leases between workers that `tests/test_worker.py` looks at."""
    return lambda: run_jobs(app, JOBS)


@pytest.fixture
def outbox(app: Flask, instance: Path) -> Callable[[], list[EmailMessage]]:
    """Let the jobs work that mail may come of, then read every mail that went out, oldest first."""

    def read() -> list[EmailMessage]:
        run_jobs(app, [job for job in JOBS if not job.name.startswith(NO_MAIL)])
        files = sorted((instance / "mail").glob("*.eml"), key=lambda path: int(path.stem.rpartition("-")[2]))
        return [message_from_bytes(path.read_bytes(), policy=policy.default) for path in files]

    return read


def run_jobs(app: Flask, some: Iterable[Job]) -> int:
    """Let these do all they have to do; how many mails they handed over."""
    hand = Hand("tests", lambda _seconds: False)
    with app.app_context():
        for job in some:
            while job.step(hand):
                pass
            hand.close()
    return hand.handled


@pytest.fixture
def read_only(app: Flask) -> Iterator[Callable[[], None]]:
    """From then on the portal can read its database and write nothing."""
    engines = []
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            engines.append(db.engine)

    def refuse(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql(READ_ONLY[connection.dialect.name])

    def begin() -> None:
        for engine in engines:
            event.listen(engine, "begin", refuse)

    yield begin
    for engine in engines:
        if event.contains(engine, "begin", refuse):
            event.remove(engine, "begin", refuse)
        engine.dispose()


def _sqlite_file(app: Flask) -> Path | None:
    url = make_url(app.config["SQLALCHEMY_DATABASE_URI"])
    return Path(url.database) if url.get_backend_name() == "sqlite" else None


def no_sync(connection: sqlite3.Connection, _record: object) -> None:
    """No test cuts the power: half a run would be spent waiting for the disk."""
    connection.execute("PRAGMA synchronous=OFF")


def _dispose(app: Flask) -> None:
    """Let go of the database file; PostgreSQL's connections are worth keeping."""
    for face in (app, app.extensions["staff"]):
        with face.app_context():
            db.session.remove()
            if _sqlite_file(app):
                db.engine.dispose()


def _reset_database(app: Flask) -> None:
    _dispose(app)
    file = _sqlite_file(app)
    if file:
        for suffix in ("-wal", "-shm"):
            Path(f"{file}{suffix}").unlink(missing_ok=True)
        shutil.copy(file.with_suffix(".empty"), file)
        return
    # Sooner done than TRUNCATE, and no reader that a test left behind can hold it up.
    tables = [f'"{table}"' for table in db.metadata.tables]
    numbered = [f'"{name}"' for name, table in db.metadata.tables.items() if "id" in table.columns]
    sequences = [f"setval(pg_get_serial_sequence('{table}', 'id'), 1, false)" for table in numbered]
    with app.app_context(), db.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))  # the append-only tables too
        connection.exec_driver_sql("".join(f"DELETE FROM {table};" for table in tables))
        connection.execute(text(f"SELECT {', '.join(sequences)}"))


def own_postgres(url: str, worker_id: str) -> str:
    """A database of its own for each process of the suite."""
    base = make_url(url)
    name = f"{base.database}_{worker_id}"
    engine = sqlalchemy.create_engine(base, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f'DROP DATABASE IF EXISTS "{name}" WITH (FORCE)'))
        connection.execute(text(f'CREATE DATABASE "{name}"'))
    engine.dispose()
    return base.set(database=name).render_as_string(hide_password=False)


@pytest.fixture(scope="session")
def worker_id(request: pytest.FixtureRequest) -> str:
    """Which process of the suite this is (pytest-xdist), or `main`."""
    return getattr(request.config, "workerinput", {}).get("workerid", "main")
