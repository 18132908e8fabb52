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
from datetime import datetime
from pathlib import Path
from typing import IO

from portal import disk
from portal.errors import Conflict, Refused
from portal.npi import nppes
from portal.npi.index import INDEXED, NAME, SCHEMA, Index, Source

LEAST_SHARE = 0.95

Progress = Callable[[int, int, int], None]
"""Told the bytes read, the bytes in all, and the rows so far."""

UPSERT = "INSERT OR REPLACE INTO provider VALUES (?, ?)"
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
            if any(source.sha256 == sha256 for source in Index(target).sources()):
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


def make(folder: Path, rows: Iterable[nppes.Row], source: Source) -> None:
    """An index of these rows alone, where there is none: for the demo."""
    target, aside = folder / NAME, folder / "registry.new.db"
    with _alone(folder):
        aside.unlink(missing_ok=True)
        with closing(_open(aside)) as new:
            new.executescript(SCHEMA)
            new.executemany(UPSERT, rows)
            new.execute(INDEXED)
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
        old = _rows(target)
        newest = Index(target).as_of() if old else None
        if not old and not data.is_full:
            raise Refused("A weekly file needs a monthly one before it: import that first.")
        if newest and data.is_full and data.as_of < newest:
            raise Refused(f"The file tells of {data.as_of}, the index already of {newest}: not imported.")
        if not data.is_full:
            shutil.copyfile(target, aside)
        with closing(_open(aside)) as new:
            if data.is_full:
                new.executescript(SCHEMA)
                _keep_deactivated(new, target)
            rows = _fill(new, data, progress)
            kept = new.execute("SELECT count(*) FROM provider").fetchone()[0]
            if kept < old * LEAST_SHARE:
                raise Refused(
                    f"The file has {kept:,} providers, the index {old:,}: not imported (less than 95 %)."
                )
            kind = "full" if data.is_full else "weekly"
            return _record(
                new, Source(sha256, path.name, kind, data.as_of, rows, data.replaced, at.isoformat())
            )


def _fill(new: sqlite3.Connection, data: nppes.DataFile, progress: Progress) -> int:
    rows = 0
    for batch in data.rows():
        new.executemany(UPSERT, batch if data.is_full else _newer(new, batch))
        rows += len(batch)
        progress(data.done, data.info.file_size, rows)
    if data.is_full:
        try:
            new.execute(INDEXED)
        except sqlite3.IntegrityError as error:
            raise Refused("The data file has two rows of one NPI: not imported.") from error
    return rows


def _newer(new: sqlite3.Connection, batch: list[nppes.Row]) -> list[nppes.Row]:
    """Those that are not older than what is stored: weeks may come in whatever order."""
    newer = []
    for npi, facts in batch:
        found = new.execute("SELECT facts FROM provider WHERE npi = ?", (npi,)).fetchone()
        # What has no day of its own, a withdrawn number, comes after what has one.
        if found is None or not (day := nppes.updated(facts)) or day >= nppes.updated(found[0]):
            newer.append((npi, facts))
    return newer


def _deactivated(
    path: Path, book: Path | IO[bytes], sha256: str, target: Path, aside: Path, at: datetime
) -> Source:
    day = REPORT_DAY.search(path.name)
    try:
        as_of = datetime.strptime(day[1], "%m%d%y").date() if day else at.date()  # noqa: DTZ007
    except ValueError as error:
        raise Refused(f"The date in the name {path.name} is no date.") from error
    before = [source for source in Index(target).sources() if source.kind == "deactivated"]
    if before and as_of < before[0].as_of:
        raise Refused(f"The list tells of {as_of}, the index already of {before[0].as_of}: not imported.")
    if not target.exists():
        raise Refused("The list of deactivated numbers needs a monthly file before it: import that first.")
    shutil.copyfile(target, aside)
    with closing(_open(aside)) as new:
        old = new.execute("SELECT count(*) FROM deactivated").fetchone()[0]
        new.execute("DELETE FROM deactivated")
        new.executemany("INSERT OR REPLACE INTO deactivated VALUES (?, ?)", nppes.deactivations(book))
        rows = new.execute("SELECT count(*) FROM deactivated").fetchone()[0]
        if not rows or rows < old * LEAST_SHARE:
            raise Refused(f"The list has {rows:,} numbers, the index {old:,}: not imported (less than 95 %).")
        return _record(new, Source(sha256, path.name, "deactivated", as_of, rows, 0, at.isoformat()))


def _keep_deactivated(new: sqlite3.Connection, target: Path) -> None:
    if target.exists():
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
    new.executescript(
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA locking_mode = EXCLUSIVE;"
        "PRAGMA cache_size = -8000;"
    )
    return new


def _rows(target: Path) -> int:
    if not target.exists():
        return 0
    with closing(sqlite3.connect(f"{target.absolute().as_uri()}?mode=ro", uri=True)) as old:
        count: int = old.execute("SELECT count(*) FROM provider").fetchone()[0]
        return count


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
