"""Keeping at a size: `python -m bench.keeping FOLDER` asks a portal that `python -m bench.sizes FOLDER` made.

The copying of a backup against `cp` and fsync of the same file, in turn; how long a small write waits meanwhile and
otherwise; the erasure of one person, by the time outside and inside the write lock; a restore up to the first page.
"""

from __future__ import annotations

import os
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from sqlalchemy import select

from bench.growth import portal
from bench.lock import watch_locks
from portal.backup import sqlite
from portal.cli_retention import places
from portal.clock import now
from portal.db import db
from portal.intake.models import OPEN, Request
from portal.retention import person
from portal.settings import settings
from tests.live import Live

ROUNDS = 3
PAUSE = 0.01  # seconds between two writes
PEOPLE = 5


def main(folder: Path) -> None:
    """Measure and print. It erases a few people of that portal and leaves a table of its own."""
    file = folder / "portal.db"
    print(f"database: {file.stat().st_size / 1e9:.2f} GB")
    copying(folder, file)
    erasing(folder)
    restoring(folder)


def copying(folder: Path, file: Path) -> None:
    """A backup's copy and `cp` with fsync, and the longest wait of a writer beside each and beside neither."""
    config = portal(folder).extensions["settings"]
    target = folder / "copied"

    def cp() -> None:
        subprocess.run(["cp", "--reflink=never", file, target], check=True)
        with target.open("rb") as copied:
            os.fsync(copied.fileno())

    took: dict[str, list[float]] = {"cp": [], "copy": []}
    for _ in range(ROUNDS):
        for name, copy in (("cp", cp), ("copy", lambda: sqlite.take(config, target))):
            target.unlink(missing_ok=True)
            os.sync()
            took[name].append(seconds(copy))
    target.unlink()
    ratio = statistics.median(took["copy"]) / statistics.median(took["cp"])
    print(f"copying ÷ cp with fsync: {ratio:.2f} {took}")
    with writing(file) as waits:
        sqlite.take(config, target)
    target.unlink()
    with writing(file) as alone:
        time.sleep(took["copy"][0])
    print(
        f"longest of {len(waits)} writes meanwhile: {max(waits) * 1000:.0f} ms; alone {max(alone) * 1000:.0f} ms"
    )


@contextmanager
def writing(file: Path) -> Iterator[list[float]]:
    """Small durable writes, one after the other, while the block runs: how long each took."""
    waits: list[float] = []
    is_over = threading.Event()
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE IF NOT EXISTS bench_written (at)")

    def write() -> None:
        with closing(sqlite3.connect(file, timeout=30, isolation_level=None)) as database:
            database.execute("PRAGMA synchronous=FULL")
            while not is_over.wait(PAUSE):
                waits.append(
                    seconds(lambda: database.execute("INSERT INTO bench_written VALUES (?)", (time.time(),)))
                )

    writer = threading.Thread(target=write)
    writer.start()
    try:
        yield waits
    finally:
        is_over.set()
        writer.join()


def erasing(folder: Path) -> None:
    """The erasure of people with requests of their own, none of them open."""
    with portal(folder).app_context():
        held = watch_locks(db.engine)
        is_open = select(Request.email).where(Request.status.in_(OPEN))
        asked = (
            select(Request.email)
            .where(Request.email != "", Request.email.not_in(is_open))
            .group_by(Request.email)
        )
        found = db.session.scalars(asked.limit(PEOPLE)).all()
        db.session.rollback()
        for address in found:
            held.clear()
            began = time.perf_counter()
            count = person.erase(
                address, withdraw=False, keys=settings().keys, places=places(settings()), at=now()
            )
            took = time.perf_counter() - began
            locks = f"median {statistics.median(held) * 1000:.0f}, longest {max(held) * 1000:.0f} ms"
            print(f"erase of {count} requests: {took:.2f} s in all, write lock {locks}")


def restoring(folder: Path) -> None:
    """From `flask backup restore` to the first page, on an instance of its own."""
    with tempfile.TemporaryDirectory(dir=folder) as room:
        live = Live(folder)
        made = seconds(lambda: live.flask("backup", "create", room))
        (backup,) = Path(room).glob("*.backup")
        fresh = Live(Path(room) / "fresh")
        fresh.folder.mkdir(mode=0o700)
        began = time.perf_counter()
        fresh.flask("backup", "restore", str(backup))
        restored = time.perf_counter() - began
        fresh.start_web()
        print(f"backup with its checks: {made:.0f} s; restore {restored:.0f} s, to the first page ", end="")
        print(f"{time.perf_counter() - began:.0f} s; control: reading the file {read(backup):.0f} s")
        fresh.kill("web")
        for one in (live, fresh):
            one.log.close()


def read(file: Path) -> float:
    """Seconds that it takes to copy the file, for the scale."""
    aside = file.with_suffix(".aside")
    took = seconds(lambda: shutil.copyfile(file, aside))
    aside.unlink()
    return took


def seconds(work: Callable[[], object]) -> float:
    """How long it takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("python -m bench.keeping FOLDER")
    main(Path(sys.argv[1]))
