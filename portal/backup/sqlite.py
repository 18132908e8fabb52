"""SQLite's own copy (https://www.sqlite.org/backup.html), all pages in one step: one snapshot, for which no writer
waits, and which none makes begin again."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from sqlalchemy import make_url

from portal import disk
from portal.backup.facts import Facts
from portal.errors import Refused
from portal.settings import Settings

MEMBER = "portal.db"
SIDE_BY_SIDE = 2


def database_of(config: Settings) -> Path:
    """Its file."""
    return Path(make_url(config.SQLALCHEMY_DATABASE_URI).database or "")


def take(config: Settings, target: Path) -> Facts:
    """Copy the database into a new file. Raises Refused when there is none."""
    source = database_of(config)
    if not source.is_file():
        raise Refused(f"There is no database at {source} to back up.")
    target.touch(0o600)
    with opened(source, "?mode=ro") as live, opened(target) as copy:
        live.execute("PRAGMA busy_timeout=5000")
        copy.execute("PRAGMA synchronous=OFF")  # what is made of it is read back whole, and synced
        live.backup(copy)
        copy.execute("PRAGMA journal_mode=DELETE")  # one file, without a log beside it
        revision = copy.execute("SELECT version_num FROM alembic_version").fetchone()
        counts = _counts(copy)
        return Facts(revision[0] if revision else "", counts, *_heads(copy, counts))


def fault_of(database: Path, facts: Facts) -> str:
    """What is wrong with a database file that nobody uses; empty when every page, key and count is right, and the
    trail ends where it ended."""
    with opened(database) as connection:
        connection.execute("PRAGMA cache_size=-65536")  # KiB: each key is looked up
        try:
            verdict = connection.execute("PRAGMA integrity_check(1)").fetchone()[0]
            orphan = connection.execute("PRAGMA foreign_key_check").fetchone()
        except sqlite3.DatabaseError as error:
            return str(error)
    if verdict != "ok":
        return f"its pages are not whole ({verdict})"
    if orphan:
        return f"a row of {orphan[0]} names one of {orphan[2]} that is not there"
    with opened(database) as connection:
        return _difference(connection, facts, lambda: _counts(connection))


def quick_fault_of(database: Path, facts: Facts) -> str:
    """The same without looking up keys: table by table, several at a time, while the disk keeps the file."""

    def look(table: str) -> tuple[str, int]:
        with opened(database) as one:
            return one.execute(f'PRAGMA quick_check("{table}")').fetchone()[0], _count(one, table)

    with opened(database) as connection, ThreadPoolExecutor(1 + SIDE_BY_SIDE) as beside:
        kept = beside.submit(disk.sync, database)
        try:
            largest_first = sorted(_tables(connection), key=lambda name: -facts.counts.get(name, 0))
            looks = dict(zip(largest_first, beside.map(look, largest_first), strict=True))
            verdicts = [look("sqlite_schema")[0], *(verdict for verdict, _ in looks.values())]
        except sqlite3.DatabaseError as error:
            return str(error)
        finally:
            kept.result()
        if wrong := next((verdict for verdict in verdicts if verdict != "ok"), ""):
            return f"its pages are not whole ({wrong})"
        return _difference(connection, facts, lambda: {name: count for name, (_, count) in looks.items()})


def _difference(connection: sqlite3.Connection, facts: Facts, count: Callable[[], dict[str, int]]) -> str:
    """What is not as was told of it; empty when every table has its rows and the trail ends where it ended."""
    try:
        found = count()
        head, seal = _heads(connection, found)
    except sqlite3.DatabaseError as error:
        return str(error)
    if found != facts.counts:
        return "it does not hold as many rows as it says"
    is_whole = head == facts.audit_head and seal == (facts.audit_seal or seal)
    return "" if is_whole else "its audit trail does not end where it says"


def _heads(connection: sqlite3.Connection, counts: dict[str, int]) -> tuple[int, str]:
    """The last entry's number; number and MAC of the last seal."""
    head = connection.execute("SELECT coalesce(max(id), 0) FROM audit_entry").fetchone()[0]
    last = "SELECT id || ':' || mac FROM audit_seal ORDER BY id DESC LIMIT 1"
    seal = connection.execute(last).fetchone() if counts.get("audit_seal") else None
    return head, seal[0] if seal else ""


def _counts(connection: sqlite3.Connection) -> dict[str, int]:
    return {name: _count(connection, name) for name in _tables(connection)}


def _tables(connection: sqlite3.Connection) -> list[str]:
    names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name")
    return [name for (name,) in names if not name.startswith("sqlite_")]


def _count(connection: sqlite3.Connection, table: str) -> int:
    return int(connection.execute(f'SELECT count(*) FROM "{table}"').fetchone()[0])  # noqa: S608 - its own names


@contextmanager
def opened(path: Path, how: str = "") -> Iterator[sqlite3.Connection]:
    """A connection that is closed again; `how` is the query of its URI."""
    connection = sqlite3.connect(f"file:{path}{how}", uri=True, isolation_level=None)
    try:
        yield connection
    finally:
        connection.close()
