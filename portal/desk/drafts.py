"""What somebody began to write, kept on the server: for each person, request and box of its page.

A session that ends, another button, a colleague who was faster: none of them costs a word. Nobody else reads a draft;
that somebody writes, colleagues may know.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

from sqlalchemy import ColumnElement, bindparam, delete, select, update

from portal import text
from portal.db import db
from portal.desk.models import Draft
from portal.intake.models import Request
from portal.people.models import User

MOST = 40_000  # more than any box takes: what is too long to send is kept all the same
WRITING = timedelta(minutes=5)  # so long after the last word somebody is said to write


def of(request: Request, user_id: int) -> dict[str, Draft]:
    """What this person has not sent about a request, by box."""
    mine = select(Draft).where(Draft.request_id == request.id, Draft.user_id == user_id)
    return {draft.box: draft for draft in db.session.scalars(mine)}


def keep(request: Request, user_id: int, typed: Mapping[str, str], *, at: datetime) -> None:
    """Keep what stands in these boxes now; an empty box has no draft. The others stay as they are."""
    for box, words in typed.items():
        try:
            kept = text.check(words, max_length=MOST, multiline=True)
        except text.TextFault:
            continue  # no box takes it, and the page still shows it
        if not kept:
            drop(request, user_id, box)
            continue
        mine = update(Draft).where(*_place(request, user_id, box)).returning(Draft.id)
        if db.session.scalar(mine.values(text=kept, saved_at=at)) is None:
            db.session.add(Draft(request_id=request.id, user_id=user_id, box=box, text=kept, saved_at=at))
            db.session.flush()


def drop(request: Request, user_id: int, box: str) -> None:
    """Forget a draft: it was sent, or emptied."""
    db.session.execute(delete(Draft).where(*_place(request, user_id, box)))


def writers(requests: Collection[int], *, but: int, at: datetime) -> dict[int, Sequence[str]]:
    """Who else writes about these requests at the moment: names, by request."""
    found: dict[int, list[str]] = {}
    told = {"requests": list(requests), "but": but, "since": at - WRITING}
    for request_id, name in db.session.execute(_writers(), told):
        found.setdefault(request_id, []).append(name)
    return dict(found)


@lru_cache  # to write it down takes longer than to ask it
def _writers() -> Any:
    query = select(Draft.request_id, User.name).join(User, User.id == Draft.user_id).distinct()
    among = Draft.request_id.in_(bindparam("requests", expanding=True))
    recent = among, Draft.user_id != bindparam("but"), Draft.saved_at > bindparam("since")
    return query.where(*recent).order_by(User.name)


def _place(request: Request, user_id: int, box: str) -> tuple[ColumnElement[bool], ...]:
    return Draft.request_id == request.id, Draft.user_id == user_id, Draft.box == box
