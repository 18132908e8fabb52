"""The words of what was written about a request, kept apart from those of who asked (`terms.py`): not everybody who
searches may read that, and a search asks for them with what its reader may read (`desk/finding.py`).

Rows as there, folded as there, so that one request's words are removed for good in one short transaction.
"""

from __future__ import annotations

from itertools import islice
from typing import Any, cast

from sqlalchemy import ColumnElement, ForeignKey, Index, Select, String, Table, delete, select
from sqlalchemy.orm import Mapped, mapped_column

from portal.db import Base, db, insert_missing
from portal.intake.models import Request
from portal.intake.terms import GONE, TERM_MAX, beginning, words_of

MOST = 500  # different words of one text, the first ones: no text makes others wait long for the lock


class RequestWord(Base):
    """One folded word of what was asked, answered, noted or told about a request."""

    __tablename__ = "request_word"
    __table_args__ = (
        Index("ix_request_word_term", "kind", "term", "request_id"),
        {"sqlite_with_rowid": False},  # two trees to write instead of three; the first grows at its end
    )

    request_id: Mapped[int] = mapped_column(ForeignKey("request.id", ondelete="CASCADE"), primary_key=True)
    term: Mapped[str] = mapped_column(
        String(TERM_MAX, collation="C").with_variant(String(TERM_MAX), "sqlite"), primary_key=True
    )
    kind: Mapped[str] = mapped_column(String(12))  # its request's, which never changes: who may read it


def index(request_id: int, kind: str, *texts: str) -> None:
    """Keep the words of these texts beside those that are there, in the caller's transaction."""
    found = dict.fromkeys(word for text in texts if text != GONE for word in islice(words_of(text), MOST))
    if found:
        rows = [{"request_id": request_id, "term": word, "kind": kind} for word in sorted(found)]
        db.session.execute(insert_missing(cast(Table, RequestWord.__table__)), rows)


def index_anew(request: Request, *texts: str) -> None:
    """Keep the words of these texts, and no other."""
    db.session.execute(delete(RequestWord).where(RequestWord.request_id == request.id))
    index(request.id, request.kind, *texts)


def of_kinds(word: str, kinds: frozenset[str]) -> Select[int]:
    """The requests of these kinds that hold this word, perhaps unfinished: one look into the index for each kind."""
    return select(RequestWord.request_id).where(
        RequestWord.kind.in_(sorted(kinds)), *beginning(RequestWord.term, word)
    )


def among(word: str, request_id: Any) -> ColumnElement[bool]:
    """Whether that request holds it: one look into the index for each request."""
    mine = select(RequestWord.request_id).where(RequestWord.request_id == request_id)
    return mine.where(*beginning(RequestWord.term, word)).exists()
