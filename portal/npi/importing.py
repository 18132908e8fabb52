"""Takes files of the national registry into the index: built aside, checked, and put in the old one's place at once.

Whatever goes wrong, the old index stays and serves: a killed import leaves a file aside, which the next one removes.
"""

from __future__ import annotations

import fcntl
import hashlib
import re
import shutil
import sqlite3
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date, datetime
from pathlib import Path
from typing import IO

from portal import disk
from portal.errors import Conflict, Refused, Unavailable
from portal.npi import nppes
from portal.npi.cutting import Cut
from portal.npi.facts import dated, updated
from portal.npi.index import NAME, SCHEMA, Index, Source, count, find
from portal.npi.storing import Store
from portal.npi.workbook import deactivations

LEAST_SHARE = 0.95
WEEKLY_TOGETHER = 50_000

Progress = Callable[[int, int, int], None]
"""Told the bytes read, the bytes in all, and the rows so far."""

BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    NotImplementedError,
    RuntimeError,
    KeyError,
    UnicodeDecodeError,
)
REPORT_DAY = re.compile(r"_(\d{6})(?:_V2)?\.(?:zip|xlsx)$", re.IGNORECASE)


def take(path: Path, folder: Path, *, at: datetime, progress: Progress = lambda *_: None) -> Source | None:
    """Import one file into the index in the folder: returns its record, or None when it is in the index already.

    Raises Refused with the reason, and Conflict while another import runs; the index is then as it was.
    """
    target, aside = folder / NAME, folder / "registry.new.db"
    with _alone(folder):
        aside.unlink(missing_ok=True)
        try:
            sha256 = _digest(path)
            if any(source.sha256 == sha256 for source in _sources(target)):
                return None
            done = _build(path, sha256, target, aside, at, progress)
            disk.sync(aside)
            aside.replace(target)
            disk.sync(folder)
            return done
        except BROKEN as error:
            raise Refused(f"{path.name} is no whole zip or workbook ({error}): not imported.") from error
        except (OSError, sqlite3.Error) as error:
            raise Refused(f"{path.name} was not imported: {error}. The index is as it was.") from error
        finally:
            with suppress(OSError):
                aside.unlink(missing_ok=True)


def make(folder: Path, lines: Iterable[bytes], source: Source) -> None:
    """An index of these lines alone (`facts.line`), where there is none: for the demo."""
    target, aside = folder / NAME, folder / "registry.new.db"
    with _alone(folder):
        aside.unlink(missing_ok=True)
        with closing(_open(aside)) as new:
            new.executescript(SCHEMA)
            store = Store(new)
            store.add_lines(lines)
            store.finish()
            _record(new, source)
        disk.sync(aside)
        aside.replace(target)


def _build(path: Path, sha256: str, target: Path, aside: Path, at: datetime, progress: Progress) -> Source:
    with path.open("rb") as file, zipfile.ZipFile(file) as archive:
        # A workbook is a zip itself.
        if any(name.startswith("xl/") for name in archive.namelist()):
            return _deactivated(path, path, sha256, target, aside, at)
        if book := nppes.workbook(archive):
            return _deactivated(path, book, sha256, target, aside, at)
        data = nppes.DataFile(archive)
        before = _sources(target)
        old = _rows(target) if before else 0
        newest = max((source.as_of for source in before if source.kind != "deactivated"), default=None)
        if not old and not data.is_full:
            raise Refused("A weekly file needs a monthly one before it: import that first.")
        if newest and data.is_full and data.as_of < newest:
            raise Refused(f"The file tells of {data.as_of}, the index already of {newest}: not imported.")
        if not data.is_full:
            shutil.copyfile(target, aside)
        with closing(_open(aside)) as new:
            if data.is_full:
                new.executescript(SCHEMA)
                if before:
                    _keep_deactivated(new, target)
            since = max((source.as_of for source in before if source.kind == "full"), default=data.as_of)
            rows = _fill(new, data, since, progress)
            kept = count(new)
            if kept < old * LEAST_SHARE:
                raise Refused(
                    f"The file has {kept:,} providers, the index {old:,}: not imported (less than 95 %)."
                )
            kind = "full" if data.is_full else "weekly"
            return _record(
                new, Source(sha256, path.name, kind, data.as_of, rows, data.replaced, at.isoformat())
            )


def _fill(new: sqlite3.Connection, data: nppes.DataFile, since: date, progress: Progress) -> int:
    rows, store, newer = 0, Store(new), dict[int, bytes]()
    for cut in data.rows():
        rows += len(cut)
        if data.is_full:
            store.add(cut)
        else:
            _take_newer(new, cut, newer, data.as_of, since)
            if len(newer) >= WEEKLY_TOGETHER:
                store.add_lines(newer.values())
                store.finish()
                newer.clear()
        progress(data.done, data.info.file_size, rows)
    store.add_lines(newer.values())
    store.finish()
    return rows


def _take_newer(new: sqlite3.Connection, cut: Cut, newer: dict[int, bytes], as_of: date, since: date) -> None:
    """Add those that are not older than what is stored: weeks may come in whatever order.

    A withdrawn number has no day of its own but that of the file which says so; `since` is the monthly one's.
    """
    for number, line in zip(cut.numbers.tolist(), cut.lines.split(b"\n")[1:], strict=True):
        found = newer.get(number) or find(new, str(number))[0]
        line = line if updated(line) else dated(line, as_of)
        if found is None or updated(line) >= (updated(found) or f"{since:%Y%m/%d}".encode()):
            newer[number] = line


def _deactivated(
    path: Path, book: Path | IO[bytes], sha256: str, target: Path, aside: Path, at: datetime
) -> Source:
    day = REPORT_DAY.search(path.name)
    try:
        as_of = datetime.strptime(day[1], "%m%d%y").date() if day else at.date()  # noqa: DTZ007
    except ValueError as error:
        raise Refused(f"The date in the name {path.name} is no date.") from error
    sources = _sources(target)
    before = [source for source in sources if source.kind == "deactivated"]
    if before and as_of < before[0].as_of:
        raise Refused(f"The list tells of {as_of}, the index already of {before[0].as_of}: not imported.")
    if not sources:
        raise Refused("The list of deactivated numbers needs a monthly file before it: import that first.")
    shutil.copyfile(target, aside)
    with closing(_open(aside)) as new:
        old = new.execute("SELECT count(*) FROM deactivated").fetchone()[0]
        new.execute("DELETE FROM deactivated")
        new.executemany("INSERT OR REPLACE INTO deactivated VALUES (?, ?)", deactivations(book))
        rows = new.execute("SELECT count(*) FROM deactivated").fetchone()[0]
        if not rows or rows < old * LEAST_SHARE:
            raise Refused(f"The list has {rows:,} numbers, the index {old:,}: not imported (less than 95 %).")
        return _record(new, Source(sha256, path.name, "deactivated", as_of, rows, 0, at.isoformat()))


def _keep_deactivated(new: sqlite3.Connection, target: Path) -> None:
    new.execute("ATTACH ? AS old", (str(target),))
    new.execute("INSERT INTO deactivated SELECT * FROM old.deactivated")
    new.execute("INSERT INTO source SELECT * FROM old.source WHERE kind = 'deactivated'")
    new.commit()
    new.execute("DETACH old")


def _record(new: sqlite3.Connection, source: Source) -> Source:
    new.execute(
        "INSERT INTO source VALUES (?, ?, ?, ?, ?, ?, ?)",
        (source.sha256, source.name, source.kind, source.as_of.isoformat(), source.rows, source.replaced,
         source.imported),
    )  # fmt: skip
    new.commit()
    return source


def _open(path: Path) -> sqlite3.Connection:
    # Built aside and thrown away at any fault: no journal is needed, and nothing waits for the disk before the end.
    new = sqlite3.connect(path)
    # First the size of a page (some fifty pieces): the cache's bound in pages is worked out by the size it has then.
    new.executescript(
        "PRAGMA page_size = 65536; PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;"
        "PRAGMA locking_mode = EXCLUSIVE; PRAGMA cache_size = -8000;"
    )
    return new


def _sources(target: Path) -> list[Source]:
    """The files of the index that is there; none where it cannot be read, so that a monthly file mends it."""
    try:
        _rows(target)
        return Index(target).sources()
    except (sqlite3.Error, Unavailable):
        return []


def _rows(target: Path) -> int:
    if not target.exists():
        return 0
    with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as old:
        return count(old)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with (folder / "registry.lock").open("a") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Conflict("Another import is running: nothing was done.") from error
        yield
