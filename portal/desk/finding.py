"""Which requests hold the words of a search: of who asked, and of what was written, for whoever may read that.

What may be read is part of each question to the database, never taken off its answer: no total, no cut and no time
tells of a word in what somebody may not read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, and_, or_, select, union_all

from portal.db import db
from portal.desk.models import Addition, Contact
from portal.intake import kinds, terms, words
from portal.intake.models import Message, Request
from portal.intake.reference import normalise
from portal.people.rights import Right, Role

THEIRS = (
    1000  # of what somebody reads as its owner alone: so many of their latest requests are looked through
)
CALLED = {
    "note": "Internal note",
    "answer": "Answer",
    "call": "Call",
    "fax": "Fax",
    "post": "Posted",
    "added": "They added",
    "again": "They asked again",
    "away": "Out-of-office reply",
}


@dataclass(frozen=True)
class Reads:
    """Of which requests somebody may read the text: all of these kinds, and of the others what is `owner`'s."""

    kinds: frozenset[str] = frozenset()
    owner: int | None = None

    @property
    def condition(self) -> ColumnElement[bool]:
        """The same of one row."""
        of_kind = Request.kind.in_(sorted(self.kinds))
        return of_kind if self.owner is None else or_(of_kind, Request.owner_id + 0 == self.owner)


NOTHING = Reads()


def reads(by: Any) -> Reads:
    """What that member of staff may read."""
    if by.may(Right.LEAD):
        return Reads(frozenset(kind.word for kind in kinds.KINDS))
    if Role.DESK not in by.roles:
        return NOTHING
    return Reads(frozenset(kind.word for kind in kinds.KINDS if Role.DESK in kind.answered_by), by.id)


def may_read(by: Any, request: Request) -> bool:
    """Whether what was typed freely is shown: at the desk only of what is asked of the desk, or one's own."""
    if by.may(Right.LEAD):
        return True
    may = reads(by)
    return request.kind in may.kinds or (may.owner is not None and request.owner_id == may.owner)


def reference_in(typed: str) -> str | None:
    """The reference that was typed, in any spelling, if that is all."""
    return normalise(typed.strip("#()[]<>.,;: "))


def wanted(typed: str) -> list[str]:
    """The words to look for; none where a reference was typed."""
    return [] if reference_in(typed) else terms.wanted(typed)


def has(word: str, may: Reads) -> ColumnElement[bool]:
    """Whether a request holds this word, perhaps unfinished, where it may be read."""
    if may == NOTHING:
        return terms.has(word)
    return or_(terms.has(word), and_(may.condition, words.among(word, Request.id)))


def rare(typed: Sequence[str], may: Reads) -> tuple[str, frozenset[int]] | None:
    """One of these words that no more than FEW requests hold, and which these are; the longest is asked first."""
    for word in sorted(typed, key=len, reverse=True):
        found = db.session.scalars(_with(word, may).limit(terms.FEW + 1)).all()
        if len(found) <= terms.FEW:
            return word, frozenset(found)
    return None


def texts_of(requests: Sequence[Request]) -> Iterator[tuple[Request, str, str]]:
    """Each text by whose words these are found: of which, what it is, and its words; what was asked comes first."""
    known = {request.id: request for request in requests}
    if not known:
        return  # most lists are searched by nobody
    for request in requests:
        facts = (fact for fact in kinds.of(request).facts if fact.private)
        yield from ((request, fact.label, getattr(request, fact.field)) for fact in facts)
    written: tuple[Any, ...] = (Message, Contact, Addition)
    for kind in written:
        for row in db.session.scalars(select(kind).where(kind.request_id.in_(known)).order_by(kind.id)):
            said = f"{row.number} {row.text}" if isinstance(row, Contact) else row.text
            yield known[row.request_id], CALLED.get(row.kind, ""), said


def index_anew(request: Request) -> None:
    """The words of what is written about it now, and no other, in the caller's transaction."""
    words.index_anew(request, *(text for _, _, text in texts_of([request])))


def _with(word: str, may: Reads) -> Any:
    """The requests that hold it, each once or more; as many as are asked for are looked at."""
    found: list[Select[int]] = [terms.holding(word)]
    if may.kinds:
        found.append(words.of_kinds(word, may.kinds))
    if may.owner is not None:
        latest = (Request.received_at.desc(), Request.id.desc())
        mine = select(Request.id, Request.kind).where(Request.owner_id == may.owner).order_by(*latest)
        their = mine.limit(THEIRS).subquery()
        is_else = their.c.kind.not_in(sorted(may.kinds))
        found.append(select(their.c.id).where(is_else, words.among(word, their.c.id)))
    return union_all(*found) if len(found) > 1 else found[0]
