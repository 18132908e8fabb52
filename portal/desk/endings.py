"""What holds when a request ends, and when one that ended is taken up again."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from sqlalchemy import select, update
from sqlalchemy.orm import InstrumentedAttribute

from portal import hours
from portal.clock import now
from portal.db import db
from portal.errors import Conflict, Refused
from portal.intake import receipts
from portal.intake.models import CLOSE_REASON_LABELS, CloseReason, Request, Status
from portal.settings import settings

NEW_IS_ONLY_WITHDRAWN = "Claim this request before you close it, unless the prescriber withdrew it."
NOT_ANSWERED = "Nobody answered this request. Answer it, or select another reason."
ANSWERS_OTHERS = "Other requests are joined to this one. Part them first, then mark it as spam."


def close_reasons(request: Request) -> Mapping[CloseReason, str]:
    """Why it may be closed as it stands: what is new only as withdrawn, as answered only what was."""
    if request.status == Status.NEW:
        return {CloseReason.WITHDRAWN: CLOSE_REASON_LABELS[CloseReason.WITHDRAWN]}
    was_answered = request.status == Status.ANSWERED or request.answered_at is not None
    return {
        reason: label
        for reason, label in CLOSE_REASON_LABELS.items()
        if was_answered or reason != CloseReason.ANSWERED
    }


def has_good_reason(request: Request, _at: datetime, given: Mapping[str, Any]) -> None:
    """Refuse to close a request for a reason that it does not have."""
    if given.get("reason") not in close_reasons(request):
        is_new = request.status == Status.NEW
        raise Refused(NEW_IS_ONLY_WITHDRAWN if is_new else NOT_ANSWERED, field="reason")


def stands_alone(request: Request, _at: datetime, _given: Mapping[str, Any]) -> None:
    """Whose duplicates wait for its answer is no spam: they are parted first. Locked, for who joins one just now."""
    db.session.scalar(select(Request.id).where(Request.id == request.id).with_for_update())
    joined = select(Request.id).where(Request.duplicate_of == request.id, Request.status == Status.DUPLICATE)
    if db.session.scalar(joined.limit(1)) is not None:
        raise Conflict(ANSWERS_OTHERS)


def is_recent(request: Request) -> bool:
    """Whether it may be taken up again: for 90 days after it was closed."""
    return not receipts.is_past(request, now())


def go_on(request: Request, _by: Any, at: datetime, _given: Mapping[str, Any]) -> None:
    """What was left of the promise when the clock stopped is left of it now; a broken one stays broken."""
    since, org = request.waiting_since, settings().ORG
    for name in ("answer_by", "own_answer_by"):
        promised = getattr(request, name)
        if since is not None and promised is not None and promised > since:
            setattr(request, name, hours.after(at, hours.worked(since, promised, org), org))
    request.waiting_since = None


def over_for_joined(request: Request, what: InstrumentedAttribute[datetime | None]) -> None:
    """What was heard from, or agreed with, those that are joined to it is over: something later takes its place."""
    joined = update(Request).where(Request.duplicate_of == request.id, what.is_not(None))
    db.session.execute(joined.values({what: None}))
