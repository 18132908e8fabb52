"""A prescriber as the desk knows one: all that was asked with one NPI, and what staff keep about whoever asks.

Without an NPI the address and the telephone number tell who it is. Two who share a practice's address and have an
NPI each stay two: the card of each only names the other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, select

from portal import audit
from portal.db import db
from portal.desk.acts import Staff
from portal.desk.models import CardKind, CardNote
from portal.errors import Conflict, NotFound, Refused
from portal.intake import terms
from portal.intake.models import Request
from portal.intake.reference import normalise
from portal.npi import number

LIMIT = 50  # requests on one card
LOOKED_AT = 200  # of those that share an address or a number
NOBODY = "There is no such prescriber."
STALE = "This card changed while you were looking at it. Look at what is new, then press again."
WRITE_NOTE = "Write the note"
WRITE_WHY = "Write what they asked for, and when"
KIND_LABELS: Mapping[str, str] = {
    CardKind.NOTE: "A note",
    CardKind.NO_CONTACT: "Do not contact",
    CardKind.CONTACT: "They may be contacted again",
}
MISSING = {CardKind.NOTE: WRITE_NOTE, CardKind.NO_CONTACT: WRITE_WHY}


@dataclass(frozen=True)
class Card:
    """One prescriber: their requests, newest first, and what staff wrote, oldest first."""

    key: str  # their NPI; without one, the reference that was asked for
    requests: Sequence[Request]
    has_more: bool
    notes: Sequence[CardNote]
    kin: Sequence[Request]  # the newest of each other card with the same address or telephone number

    @property
    def newest(self) -> Request:
        """Their latest request."""
        return self.requests[0]

    @property
    def version(self) -> int:
        """Another one with each note."""
        return self.notes[-1].id if self.notes else 0

    @property
    def no_contact(self) -> CardNote | None:
        """The mark that they want to hear nothing but answers, while it holds."""
        marks = [note for note in self.notes if note.kind != CardKind.NOTE]
        return marks[-1] if marks and marks[-1].kind == CardKind.NO_CONTACT else None


def key_of(request: Request) -> str:
    """Under which key the card of whoever asked is found."""
    return request.npi if number.is_valid(request.npi) else request.reference


def get(key: str) -> Card:
    """The card with this key, an NPI or the reference of a request; raises NotFound."""
    if number.is_valid(key):
        found, kin = _of_npi(key), None
    else:
        asked = _asked(key)
        if number.is_valid(asked.npi):
            return get(asked.npi)
        key = asked.reference
        found, kin = _alike(asked)
    if not found:
        raise NotFound(NOBODY)
    if kin is None:
        mine, others = _alike(found[0])
        kin = [*[one for one in others if one.npi != key], *mine[:1]]
    return Card(key, found[:LIMIT], len(found) > LIMIT, db.session.scalars(_notes(found)).all(), kin)


def no_contact(request: Request) -> CardNote | None:
    """The mark that holds for whoever asked this."""
    if not request.email:
        return None
    found = [request] if number.is_valid(request.npi) else _alike(request)[0]
    marks = _notes(found).where(CardNote.kind != CardKind.NOTE).order_by(None)
    latest = db.session.scalar(marks.order_by(CardNote.id.desc()).limit(1))
    return latest if latest is not None and latest.kind == CardKind.NO_CONTACT else None


def notes_of(request: Request) -> Sequence[CardNote]:
    """What stands on the card of whoever asked this, on whichever of their requests it hangs."""
    alike = [] if number.is_valid(request.npi) or not request.email else _alike(request)[0]
    return db.session.scalars(_notes([request, *alike])).all()


def write(
    card: Card, kind: CardKind, text: str, *, form_token: str, version: int, by: Staff, at: datetime
) -> CardNote | None:
    """Put a note or a mark on a card; nothing where it is there already. Raises Refused where words are missing, and
    Conflict where `version` is not that of the card: its writer did not see what stands there now."""
    if kind in MISSING and not text:
        raise Refused(MISSING[kind], field="text")
    if db.session.scalar(select(CardNote.id).where(CardNote.form_token == form_token)):
        return None
    db.session.scalar(select(Request.id).where(Request.id == card.newest.id).with_for_update())
    card = get(card.key)
    if version != card.version:
        raise Conflict(STALE)
    if kind != CardKind.NOTE and bool(card.no_contact) == (kind == CardKind.NO_CONTACT):
        return None
    note = CardNote(
        request_id=card.newest.id,
        kind=kind,
        text=text,
        author_id=by.id,
        author_name=by.name,
        written_at=at,
        form_token=form_token,
    )
    db.session.add(note)
    audit.record(by, "request.card_written", card.newest.subject, at=at, detail=kind.value)
    return note


def others_of(request: Request, *, limit: int = 10) -> Sequence[Request]:
    """The other requests with the same NPI, newest first: one person's history, whatever address was used."""
    if not request.npi:
        return []
    query = select(Request).where(Request.npi == request.npi, Request.id != request.id)
    return db.session.scalars(
        query.order_by(Request.received_at.desc(), Request.id.desc()).limit(limit)
    ).all()


def repeats_of(request: Request) -> Sequence[Request]:
    """The requests that may repeat this one: the same NPI, within a day."""
    query = select(Request).where(Request.npi == request.npi, Request.possible_duplicate_of == request.id)
    return db.session.scalars(query.order_by(Request.id)).all() if request.npi else []


def _asked(reference: str) -> Request:
    known = normalise(reference)
    found = db.session.scalar(select(Request).where(Request.reference == known)) if known else None
    if found is None or not found.email:  # nobody is known any more
        raise NotFound(NOBODY)
    return found


def _of_npi(npi: str) -> list[Request]:
    return _newest(Request.npi == npi, limit=LIMIT + 1)


def _alike(asked: Request) -> tuple[list[Request], list[Request]]:
    """Who has the same address or number: those without an NPI, itself too, and the newest of each who has one."""
    address, numbers = asked.reply_email.casefold(), terms.numbers_of(asked.phone)
    same = [
        one
        for one in _newest(terms.holds(asked.reply_email, asked.phone), limit=LOOKED_AT)
        if one.reply_email.casefold() == address or numbers & terms.numbers_of(one.phone)
    ]
    known: dict[str, Request] = {}
    for one in same:
        if number.is_valid(one.npi):
            known.setdefault(one.npi, one)
    without = [one for one in same if not number.is_valid(one.npi)]
    if asked not in same and not number.is_valid(asked.npi):  # no word of it is in the index
        without.insert(0, asked)
    return without, list(known.values())


def _newest(*which: Any, limit: int) -> list[Request]:
    query = select(Request).where(*which).order_by(Request.received_at.desc(), Request.id.desc())
    return list(db.session.scalars(query.limit(limit)))


def _notes(requests: Sequence[Request]) -> Select[CardNote]:
    """What stands on the card of whoever sent these, oldest first: with an NPI, also what hangs on older ones."""
    notes = select(CardNote).join(Request, Request.id == CardNote.request_id).order_by(CardNote.id)
    npi = requests[0].npi
    if number.is_valid(npi):
        return notes.where(Request.npi == npi)
    return notes.where(Request.id.in_([one.id for one in requests]))
