"""Where replies come in and what is left of them: a maildir of ours, or one that a mail server fills.

A message is on disk before it is judged, and leaves `new` only after what became of it is committed. What is in the
thread whole goes; everything else stays in `cur` for 30 days, for a person to read; flagged if no request was found.
"""

from __future__ import annotations

import logging
import re
import secrets
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import BinaryIO

from sqlalchemy.exc import SQLAlchemyError

from portal import disk
from portal.asker import inbound, reading
from portal.asker.inbound import Became, Heard
from portal.clock import now
from portal.db import transaction
from portal.errors import Conflict, Refused, Unavailable
from portal.jobs import NotNow, place
from portal.mail import maildir
from portal.settings import settings

log = logging.getLogger(__name__)

AT_ONCE = 200
MOST_BYTES = 32 * 1024 * 1024  # of a message that is taken at all; of more is kept so much
TRIES = 3
FOLDER = "replies"  # in INSTANCE_DIR, where no mailbox is set
UNMATCHED, SEEN = ":2,FS", ":2,S"
_CHUNK = _HEAD = 64 * 1024


def folder() -> Path:
    """The maildir."""
    return settings().INBOUND_MAILDIR or settings().INSTANCE_DIR / FOLDER


def receive(file: BinaryIO) -> Heard:
    """One message from a pipe: on disk first, then heard. Raises OSError or the database's own fault."""
    there = folder()
    for name in ("tmp", "new", "cur"):
        (there / name).mkdir(mode=0o700, parents=True, exist_ok=True)
    path = there / "new" / f"{int(time.time())}.{secrets.token_hex(8)}.portal"
    disk.keep(path, _bounded(file))
    try:
        return hear(path)
    except BaseException:
        path.unlink(missing_ok=True)  # its mail server keeps it, and tries again
        raise


def poll() -> bool:
    """Hear what is new; whether there may be more. Raises NotNow for a folder that cannot be read."""
    there = folder()
    if settings().INBOUND_MAILDIR is None and not there.exists():
        return False
    try:
        found = sorted(path for path in (there / "new").iterdir() if path.is_file())
        (there / "cur").mkdir(mode=0o700, exist_ok=True)  # who fills `new` may leave it to who reads
        for path in found[:AT_ONCE]:
            with suppress(FileNotFoundError):  # another worker was first
                hear(path)
        for path in _old(there / "cur"):
            path.unlink(missing_ok=True)
    except OSError as error:
        raise NotNow(f"INBOUND_MAILDIR cannot be read: {error.strerror}") from error
    return len(found) > AT_ONCE


def hear(path: Path) -> Heard:
    """Judge one file, commit what it means, then let it go or leave it for people."""
    with path.open("rb") as file:
        raw, digest = maildir.read(file)
    heard = inbound.UNMATCHED
    for _ in range(TRIES):
        try:
            with transaction():
                heard = inbound.hear(raw, digest=digest, at=now())
            break
        except (Conflict, Refused):
            continue  # somebody was at the request at this moment
        except (Unavailable, SQLAlchemyError):
            raise
        except Exception as error:  # one message that we cannot take may hold up no other
            log.error("a reply could not be judged", extra={"reason": place(error)})
            break
    if heard.is_whole:
        path.unlink(missing_ok=True)
    else:
        flags = UNMATCHED if heard.became == Became.UNMATCHED else SEEN
        path.rename(path.parent.parent / "cur" / f"{path.name.partition(':')[0]}{flags}")
    return heard


def left() -> int:
    """How many messages wait for a person, because no request was found for them."""
    with suppress(OSError):
        return sum(path.name.endswith(UNMATCHED) for path in (folder() / "cur").iterdir())
    return 0


def forget(address: str, *, holding: re.Pattern[str] | None = None) -> list[str]:
    """Delete what somebody sent that still lies there; returns the names of the files where that failed.

    With `holding` only what was heard and holds these words: what is new, and what waits for a person, stays.
    """
    left, sender = [], address.casefold()
    for name in ("cur",) if holding else ("new", "cur"):
        there = folder() / name
        try:
            for path in [path for path in there.iterdir() if path.is_file()]:
                if not (holding and path.name.endswith(UNMATCHED)):
                    left += _forget_one(path, sender, holding)
        except FileNotFoundError:
            continue  # nothing came yet
        except OSError as error:
            left += _not_deleted(there, error)
    return left


def _forget_one(path: Path, sender: str, holding: re.Pattern[str] | None) -> list[str]:
    try:
        with path.open("rb") as file:
            raw = file.read(MOST_BYTES if holding else _HEAD)
        if sender in reading.senders(raw[:_HEAD]) and (holding is None or holding.search(reading.words(raw))):
            path.unlink()
    except FileNotFoundError:
        return []  # its mail server, or another worker, was first
    except OSError as error:
        return _not_deleted(path, error)
    return []


def _not_deleted(path: Path, error: OSError) -> list[str]:
    log.error("a reply could not be deleted", extra={"reason": f"{path.name}: {error.strerror}"})
    return [f"{path.parent.name}/{path.name}"]


def _bounded(file: BinaryIO) -> bytes:
    """All of it, or so much; the rest is read, so that the pipe does not break."""
    kept = bytearray()
    while chunk := file.read(_CHUNK):
        kept += chunk[: max(0, MOST_BYTES - len(kept))]
    return bytes(kept)


def _old(seen: Path) -> Iterator[Path]:
    limit = time.time() - timedelta(days=30).total_seconds()
    return (path for path in seen.iterdir() if path.is_file() and path.stat().st_mtime < limit)
