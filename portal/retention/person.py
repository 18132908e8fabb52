"""Erasing one person, whatever they were to us, so that no file of ours holds a word of theirs.

What stays: the audit trail, which holds no word of theirs, consent by its hash, and a keyed hash of the address with
the moment, outside the database too (`erasures`), so that a backup that is restored can be told.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from sqlalchemy import delete, func, or_, select, update

from portal import audit, disk, keeping, tokens
from portal.db import db, transaction
from portal.errors import Refused, Unavailable
from portal.intake.models import OPEN, Request, Status
from portal.mail import promise as mail
from portal.newsletter import erasure
from portal.people.models import Invite
from portal.retention import requests, traces

LEDGER = "erasures"
FILES_LEFT = "Erased, but these files could not be deleted: {names}. See whose they are, then run it again."


@dataclass(frozen=True)
class Places:
    """Where words of a person may lie beside the database."""

    mail: Path  # the folder of mails
    ledger: Path  # the list of keyed hashes


def erase(address: str, *, withdraw: bool, keys: Sequence[str], places: Places, at: datetime) -> int:
    """Erase whoever has this address; returns how many requests lost their person. Opens its own, short transactions.

    Raises Refused, naming them, while a request of theirs is open and not to be withdrawn.
    """
    # Looked for outside the lock: at a million rows that takes a while.
    found = db.session.execute(
        select(Request.id, Request.reference, Request.status).where(
            or_(
                func.lower(Request.email) == address.lower(),
                func.lower(Request.delegate_email) == address.lower(),
                func.lower(Request.answer_email) == address.lower(),
            )
        )
    ).all()
    waiting = [row.reference for row in found if row.status in OPEN]
    if waiting and not withdraw:
        raise Refused(f"Still open: {', '.join(waiting)}. Answer and close first, or give --withdraw.")
    _note(places.ledger, address, keys, at)  # first: what is noted too early harms nobody
    if waiting:
        with transaction():
            _withdraw(waiting, at)
    left: list[str] = []
    # One by one, for the search terms of each lie all over the file; who is cut off goes on the next time.
    for row in found:
        with transaction():
            gone = requests.blank([row.id])
        left += traces.unlink(places.mail, gone)
    with transaction():
        gone = mail.forget(address)
        mail.forget_hashed(address, keys)
        erasure.forget_address(address, keys=keys, at=at)
        db.session.execute(delete(Invite).where(func.lower(Invite.email) == address.lower()))
        audit.record(None, "person.erased", "person", at=at, detail=str(len(found)))
    left += traces.sweep(places.mail, gone, {address})
    traces.wipe()
    if left:
        raise Unavailable(FILES_LEFT.format(names=", ".join(left)))
    return len(found)


def replay(*, since: datetime, keys: Sequence[str], places: Places, at: datetime) -> int:
    """In a restored database: erase again whoever was erased since the backup was made; returns how many."""
    hashes = {
        line.split()[0] for line in _lines(places.ledger) if datetime.fromisoformat(line.split()[1]) > since
    }
    everybody = keeping.addresses() if hashes else ()
    theirs = [address for address in everybody if hashes.intersection(_hashes(address, keys))]
    for address in theirs:
        erase(address, withdraw=True, keys=keys, places=places, at=at)
    return len(theirs)


def _withdraw(references: Sequence[str], at: datetime) -> None:
    closed = update(Request).where(Request.reference.in_(references), Request.status.in_(OPEN))
    db.session.execute(closed.values(status=Status.CLOSED, closed_at=at, changed_at=at))
    for reference in references:
        audit.record(None, "request.closed", f"request:{reference}", at=at, detail="withdrawn")


def _note(ledger: Path, address: str, keys: Sequence[str], at: datetime) -> None:
    """Append `hash moment`, synced. Raises Refused when it cannot be kept."""
    line = f"{_hashes(address, keys)[0]} {at.astimezone(UTC).isoformat(timespec='seconds')}\n"
    try:
        ledger.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with os.fdopen(os.open(ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600), "w") as file:
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
        disk.sync(ledger.parent)
    except OSError as error:
        raise Refused(f"{ledger} cannot be written: {error.strerror}. Nothing was erased.") from error


def _lines(ledger: Path) -> list[str]:
    return [line for line in ledger.read_text().splitlines() if line.strip()] if ledger.exists() else []


def _hashes(address: str, keys: Sequence[str]) -> list[str]:
    return [tokens.derive(key, "retention/erased", address.casefold()) for key in keys]
