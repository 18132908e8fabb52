"""Where words that were taken out of the database may still lie: its log, and the mails in folders."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from pathlib import Path

from portal.asker import mailbox
from portal.db import db
from portal.errors import Unavailable

LOG_IS_READ = "Erased, but the database's log still holds it: somebody reads. Run it again in a minute."


def sweep(
    folder: Path, mails: Iterable[int], senders: Collection[str], *, holding: re.Pattern[str] | None = None
) -> None:
    """Delete these mails of ours in `folder` and what came from these addresses (with these words), and fold the log.

    Raises Unavailable when somebody reads all the time.
    """
    unlink(folder, mails)
    for address in senders:
        mailbox.forget(address, holding=holding)
    fold_log()


def unlink(folder: Path, mails: Iterable[int]) -> None:
    """Delete the files of these mails."""
    for number in mails:
        for path in folder.glob(f"*-{number}.*"):
            path.unlink(missing_ok=True)


def fold_log() -> None:
    """On SQLite: write the log into the database and cut it, so that it holds no old page.

    Raises Unavailable when somebody reads all the time: run it again.
    """
    if db.engine.dialect.name != "sqlite":
        return
    db.session.rollback()
    connection = db.engine.raw_connection()
    try:
        busy = connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    finally:
        connection.close()
    if busy:
        raise Unavailable(LOG_IS_READ)
