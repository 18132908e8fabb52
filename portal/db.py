"""The database: one Base with named constraints, aware UTC times, and the one way to write.

Every write happens inside `with transaction():`, opened once per request at the edge. On SQLite it begins
IMMEDIATE: a deferred transaction that turns into a write fails at once with BUSY_SNAPSHOT, whatever the
timeout (https://www.sqlite.org/isolation.html). A fault of the storage becomes `Unavailable`, after a roll-back.
"""

from __future__ import annotations

import json
import logging
import sqlite3
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, datetime
from functools import lru_cache
from importlib import import_module
from pathlib import Path
from typing import Any

from flask_sqlalchemy import SQLAlchemy
from sqlalchemy import DateTime, MetaData, Table, TypeDecorator, event
from sqlalchemy.engine import Connection, Dialect, Engine
from sqlalchemy.exc import DBAPIError, InterfaceError, OperationalError
from sqlalchemy.orm import DeclarativeBase, ORMExecuteState, Session
from sqlalchemy.sql.dml import Insert, ReturningInsert

from portal.errors import N_, Unavailable

BUSY_TIMEOUT_MS = 5000
POSTGRESQL_LIMITS = (
    "SET LOCAL statement_timeout = 5000; SET LOCAL lock_timeout = 3000; "
    "SET LOCAL idle_in_transaction_session_timeout = 10000"
)
LOOK_SECONDS, STUCK_SECONDS = 0.05, 0.5  # a commit takes some thousandths of one
MOST_PATIENT = 3  # threads
log = logging.getLogger(__name__)

NOTHING_SAVED = N_("Nothing was saved. Try again in a minute.")

NAMING = {
    "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    "uq": "uq_%(table_name)s_%(column_0_N_name)s",
    "ck": "ck_%(table_name)s_%(constraint_name)s",
    "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}


class Base(DeclarativeBase):
    """The parent of every model."""

    metadata = MetaData(naming_convention=NAMING)


db = SQLAlchemy(model_class=Base, disable_autonaming=True)


class UTCDateTime(TypeDecorator[datetime]):
    """An aware moment: refuses a naive one, and gives back UTC on every database."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store UTC."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError("a time without a zone cannot be stored")
        return value.astimezone(UTC)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """SQLite keeps no zone; what was stored is UTC."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def from_json(text: str) -> Any:
    """A stored value of JSON; most are lists without anything in them."""
    return [] if text == "[]" else json.loads(text)


FULL = ("SQLITE_FULL", "SQLITE_IOERR_SHMSIZE", "53100")  # 53100 is PostgreSQL's

_writing: ContextVar[bool] = ContextVar("writing", default=False)
_limited: ContextVar[bool] = ContextVar("limited", default=True)


@contextmanager
def transaction() -> Iterator[None]:
    """Commit on leaving, roll back on any error; refuses to nest.

    Raises Unavailable when the storage is locked, full, read-only or broken: nothing was saved then.
    """
    if _writing.get():
        raise RuntimeError("a transaction is open already: services never open one")
    session = db.session
    # A read before this may hold a deferred transaction open; the write begins its own. And whoever waits for a turn
    # must hold no connection: the one whose turn it is may need the last of the pool.
    if session().in_transaction():
        session.rollback()
    with writes_allowed(), _turn():
        try:
            yield
            session.commit()
        except BaseException as error:
            session.rollback()
            if isinstance(error, DBAPIError) and is_storage_fault(error):
                raise Unavailable(NOTHING_SAVED) from error
            raise


class Turns:
    """A lock that threads take in turn. While turns pass, all wait for theirs; on a holder that sticks, few may wait.

    Each who waits holds a thread, and those who only read want one too.
    """

    _patient = threading.BoundedSemaphore(MOST_PATIENT)

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._since = 0.0

    @contextmanager
    def mine(self) -> Iterator[None]:
        """Hold it. Raises Unavailable: enough wait already, or the wait was too long."""
        end = time.monotonic() + BUSY_TIMEOUT_MS / 1000
        taken = self._lock.acquire(timeout=LOOK_SECONDS)
        while not taken and time.monotonic() - self._since < STUCK_SECONDS and time.monotonic() < end:
            taken = self._lock.acquire(timeout=LOOK_SECONDS)
        if not taken and self._patient.acquire(blocking=False):
            try:
                taken = self._lock.acquire(timeout=max(0.0, end - time.monotonic()))
            finally:
                self._patient.release()
        if not taken:
            raise Unavailable(NOTHING_SAVED)
        self._since = time.monotonic()
        try:
            yield
        finally:
            self._lock.release()


_writer = Turns()


@contextmanager
def _turn() -> Iterator[None]:
    """On SQLite, one writing thread at a time, in turn: its own busy handler sleeps and lets others starve."""
    if db.engine.dialect.name != "sqlite":
        yield
        return
    with _writer.mine():
        yield


@contextmanager
def writes_allowed(*, limited: bool = True) -> Iterator[None]:
    """Let code that commits by itself write, its transactions beginning IMMEDIATE too; a migration takes its time."""
    tokens = _writing.set(True), _limited.set(limited)
    try:
        yield
    finally:
        _writing.reset(tokens[0])
        _limited.reset(tokens[1])


@event.listens_for(Session, "before_flush")
def _refuse_stray_flush(*_args: object) -> None:
    if not _writing.get():
        raise RuntimeError("a write outside `with transaction()`")


@event.listens_for(Session, "do_orm_execute")
def _refuse_stray_statement(state: ORMExecuteState) -> None:
    if (state.is_insert or state.is_update or state.is_delete) and not _writing.get():
        raise RuntimeError("a write outside `with transaction()`")


def insert_new(table: Table) -> ReturningInsert[Any]:
    """An INSERT that returns the new row's id, or nothing where a unique index has the row already.

    One statement, where a savepoint and its end would be two more, under the lock that all share.
    """
    return _insert_new(table, db.session.get_bind().dialect.name)


def insert_missing(table: Table) -> Insert:
    """An INSERT that leaves out the rows that a unique index has already."""
    return _insert_missing(table, db.session.get_bind().dialect.name)


@lru_cache
def _insert_new(table: Table, dialect: str) -> ReturningInsert[Any]:
    return _insert_missing(table, dialect).returning(table.c.id)


@lru_cache
def _insert_missing(table: Table, dialect: str) -> Insert:
    insert = import_module(f"sqlalchemy.dialects.{dialect}").insert  # PostgreSQL's is much to load for no use
    statement: Insert = insert(table).on_conflict_do_nothing()
    return statement


def is_storage_fault(error: DBAPIError) -> bool:
    """Whether the database could not do its work (locked, full, read-only, gone), rather than refused a row."""
    if isinstance(error, (OperationalError, InterfaceError)) or error.connection_invalidated:
        return True
    # SQLITE_CORRUPT and SQLITE_NOTADB come as the bare DatabaseError; PostgreSQL's stand-by says 25006 (read only).
    return type(error.orig) is sqlite3.DatabaseError or getattr(error.orig, "sqlstate", None) == "25006"


def why(error: BaseException) -> str:
    """What a database fault is, for whoever runs a command: one line, without statement or values."""
    fault = error if isinstance(error, DBAPIError) else error.__cause__
    if not isinstance(fault, DBAPIError):
        return str(error)
    if is_full(fault):
        return "The database cannot be used: its disk is full. Make room there, then do it again."
    reason = next(iter(str(fault.orig).splitlines()), type(fault.orig).__name__)
    advice = "`flask db upgrade` makes the tables of this version, `flask doctor` says more."
    return f"The database cannot be used: {reason}. {advice}"


def is_full(error: BaseException) -> bool:
    """Whether the database had no room on its disk. SQLite calls it an I/O error where a read lacks it."""
    orig = getattr(error if isinstance(error, DBAPIError) else error.__cause__, "orig", None)
    name = getattr(orig, "sqlite_errorname", getattr(orig, "sqlstate", ""))
    return name in FULL or str(orig) == "database or disk is full"


def prepare_engine(engine: Engine) -> None:
    """Set what every connection must promise: for SQLite when it is made, for PostgreSQL as each transaction begins.

    A pooler (PgBouncer) hands one connection from hand to hand, and refuses limits given when it is made.
    """
    if engine.dialect.name != "sqlite":
        event.listen(engine, "begin", _limit)
        return
    opened = list[tuple[int, int]]()

    @event.listens_for(engine, "connect")
    def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
        connection.isolation_level = None  # the driver must not begin for us
        for pragma in (
            f"busy_timeout={BUSY_TIMEOUT_MS}",
            "journal_mode=WAL",
            "synchronous=FULL",
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "cell_size_check=ON",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")
        opened.extend(identity(engine) if not opened else [])

    @event.listens_for(engine, "engine_disposed")
    def _on_dispose(_engine: Engine) -> None:
        opened.clear()  # on purpose, as after a restore

    @event.listens_for(engine, "begin")
    def _on_begin(connection: Connection) -> None:
        if identity(engine) != opened:
            log.error("the database file was moved or replaced while the portal ran: restart it")
            raise OperationalError("BEGIN", None, sqlite3.OperationalError("another database file"))
        connection.exec_driver_sql("BEGIN IMMEDIATE" if _writing.get() else "BEGIN")


def identity(engine: Engine) -> list[tuple[int, int]]:
    """Which file stands at the database's path: what is written into one that lost its name is gone."""
    path = engine.url.database
    if not path or path == ":memory:":
        return []
    try:
        found = Path(path).stat()
    except OSError:
        return [(0, 0)]
    return [(found.st_dev, found.st_ino)]


def _limit(connection: Connection) -> None:
    if _limited.get():
        connection.exec_driver_sql(POSTGRESQL_LIMITS)
