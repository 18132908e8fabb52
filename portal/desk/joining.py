"""The acts that join two requests that are one, and part them again. Both references go on, and both are answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from portal.db import db
from portal.desk.acts import EVERYBODY, SENIOR, Act, Given, Staff, take
from portal.desk.endings import go_on
from portal.desk.letters import latest
from portal.errors import Conflict, Refused
from portal.intake.models import DUE, OPEN, Request, Status
from portal.intake.reference import normalise
from portal.mail import promise as mail

GIVE_REFERENCE = "Give the reference of the request that this one repeats"
NO_SUCH_TARGET = "There is no request with this reference"
ITSELF = "A request cannot repeat itself."
NOT_JOINED_TO = "That request is spam or a duplicate itself. Join this one to the request that is answered."
HAS_DUPLICATES = "Other requests are joined to this one. Join that one to this instead."


def target_of(given: Given) -> Request:
    """The request that was named; raises Refused."""
    known = normalise(str(given.get("target") or ""))
    found = db.session.scalar(select(Request).where(Request.reference == known)) if known else None
    if found is None:
        raise Refused(NO_SUCH_TARGET, field="target")
    return found


def _may_join(request: Request, _at: datetime, given: Given) -> None:
    """Never to itself, to spam, to another duplicate, or in a circle: one step is as deep as it goes."""
    target = target_of(given)
    if target.id == request.id:
        raise Conflict(ITSELF)
    _hold(request, target)
    if target.status in (Status.SPAM, Status.DUPLICATE):
        raise Conflict(NOT_JOINED_TO)
    if db.session.scalar(select(Request.id).where(Request.duplicate_of == request.id).limit(1)):
        raise Conflict(HAS_DUPLICATES)


def _hold(*both: Request) -> None:
    """Lock the two in one order (PostgreSQL), and read them anew: of two joins crosswise the later is refused."""
    ids = sorted(one.id for one in both)
    held = select(Request).where(Request.id.in_(ids)).order_by(Request.id).with_for_update()
    db.session.scalars(held.execution_options(populate_existing=True)).all()


def _join(request: Request, _by: Staff, at: datetime, given: Given) -> None:
    """An answer that was given already goes to this one too, where it went to another address."""
    target = target_of(given)
    request.duplicate_of = target.id
    if None is request.answered_at is request.waiting_since and target.status in DUE:
        target.answer_by = min(target.answer_by, request.answer_by)  # the sooner promise is kept for both
    if request.call_at and target.status != Status.CLOSED:
        target.call_at = min(target.call_at or request.call_at, request.call_at)
    request.call_at = None
    answer = latest(target) if target.answered_at else None
    if answer is not None and request.reply_email.casefold() != target.reply_email.casefold():
        facts = {"answer": answer.id, "asked": request.id}
        mail.promise("intake/answer", to=request.reply_email, facts=facts, cause=target.subject, at=at)


def _is_joined(request: Request, given: Given) -> bool:
    target = db.session.get(Request, request.duplicate_of) if request.duplicate_of else None
    return target is not None and target.reference == normalise(str(given.get("target") or ""))


DUPLICATE = Act(
    word="duplicate",
    label="Join as a duplicate",
    done="The two requests are joined. The answer to the other one goes to both, also one that went already.",
    audit="request.joined",
    told="Joined to another request",
    roles=EVERYBODY,
    starts=frozenset({*OPEN, Status.ANSWERED}),
    ends=Status.DUPLICATE,
    asks="target",
    missing=GIVE_REFERENCE,
    limit=_may_join,
    holds=_is_joined,
    then=_join,
)
PART = Act(
    word="part",
    label="Not a duplicate",
    done="The two requests are apart again. This one is open, and yours.",
    audit="request.parted",
    told="Parted again",
    roles=SENIOR,
    starts=frozenset({Status.DUPLICATE}),
    ends=Status.IN_PROGRESS,
    change=lambda by, at: {**take(by, at), "duplicate_of": None, "closed_at": None},
    then=go_on,
)
JOINING_ACTS = (DUPLICATE, PART)
