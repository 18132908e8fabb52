"""Where words that were taken out of the database may still lie: its file and its log, and the mails in folders."""

from __future__ import annotations

import logging
import re
import sqlite3
from collections.abc import Collection, Iterable
from pathlib import Path

from sqlalchemy.exc import OperationalError

from portal.asker import mailbox
from portal.db import db
from portal.errors import Unavailable
from portal.mail import promise as mail

log = logging.getLogger(__name__)

LOG_IS_READ = "Erased, but the database's log still holds it: somebody reads. Run it again in a minute."
LOG_IS_LEFT = "Erased, but the database's log still holds it. Run it again when the database can be written."
ANEW_MOST = 100_000_000  # bytes: about a second, in which nobody else can write
FOLD = "PRAGMA wal_checkpoint(TRUNCATE)"
_NUMBERED = re.compile(r"-\d{1,18}$")


def sweep(
    folder: Path, mails: Iterable[int], senders: Collection[str], *, holding: re.Pattern[str] | None = None
) -> list[str]:
    """Delete these mails of ours in `folder`, and what came from these addresses (with these words).

    Returns the names of the files that could not be deleted.
    """
    return unlink(folder, mails) + [
        left for address in senders for left in mailbox.forget(address, holding=holding)
    ]


def unlink(folder: Path, mails: Iterable[int]) -> list[str]:
    """Delete the files of these mails; returns the names of those that could not be: a job tries them again."""
    left = []
    for number in mails:
        for path in folder.glob(f"*-{number}.*"):
            try:
                path.unlink(missing_ok=True)
            except OSError as error:
                log.error("a mail could not be deleted", extra={"reason": f"{path.name}: {error.strerror}"})
                left.append(path.name)
    return left


def unlink_forgotten(folder: Path) -> list[str]:
    """Delete the files of all mails of which nothing is kept any more, or only that they went."""
    numbers = {
        int(path.stem.rpartition("-")[2]) for path in folder.glob("*-*.eml") if _NUMBERED.search(path.stem)
    }
    return unlink(folder, sorted(numbers - mail.still_say(numbers)))


def is_large() -> bool:
    """Whether the database is one of SQLite's that is too large to be written anew while others wait."""
    path = db.engine.url.database or ""
    return (
        db.engine.dialect.name == "sqlite" and Path(path).exists() and Path(path).stat().st_size > ANEW_MOST
    )


def wipe() -> None:
    """On SQLite: write the database anew unless it is large, and its log into it, so that neither holds an old row.

    `secure_delete` overwrites a row where it stood; where a page was split before, a copy of the row stays in a gap
    of the other page, which no row of today has a part in. In memory, so that no other file holds it meanwhile.
    Raises Unavailable when somebody reads or writes all the time, or the disk is full: run it again.
    """
    if db.engine.dialect.name != "sqlite":
        return
    db.session.rollback()
    connection = db.engine.raw_connection()
    try:
        cursor = connection.cursor()
        if not is_large():
            cursor.execute("PRAGMA temp_store=MEMORY")
            cursor.execute("VACUUM")
            cursor.execute("PRAGMA temp_store=DEFAULT")
        busy = cursor.execute(FOLD).fetchone()[0]
    except sqlite3.Error as error:
        raise Unavailable(LOG_IS_LEFT) from OperationalError(FOLD, None, error)
    finally:
        connection.close()
    if busy:
        raise Unavailable(LOG_IS_READ)
