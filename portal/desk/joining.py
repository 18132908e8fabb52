"""The acts that join two requests that are one, and part them again. Both references go on, and both are answered."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import func, select

from portal.db import db
from portal.desk import calling
from portal.desk.acts import EVERYBODY, SENIOR, Act, Given, Staff, take
from portal.desk.endings import go_on, over_for_joined
from portal.desk.letters import letter_of
from portal.errors import Conflict, Refused
from portal.intake import submissions
from portal.intake.models import DUE, OPEN, Message, Request, Status
from portal.intake.reference import normalise
from portal.mail import promise as mail
from portal.settings import settings

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
    """What was written already goes to this one too, where it went to another address; not while it can be undone."""
    target = target_of(given)
    for what in (Request.heard_at, Request.call_at):
        if getattr(request, what.key) and getattr(target, what.key) is None:
            over_for_joined(target, what)
    request.duplicate_of = target.id
    if target.possible_duplicate_of == request.id:
        target.possible_duplicate_of = None
    is_owed = None is request.answered_at is request.waiting_since
    if is_owed and target.status in DUE and request.answer_by < target.answer_by:
        target.own_answer_by = target.own_answer_by or target.answer_by
        target.answer_by = request.answer_by  # the sooner promise is kept for both
    if request.heard_at and target.status != Status.CLOSED:
        target.heard_at = max(target.heard_at or request.heard_at, request.heard_at)
    if request.call_at and target.status != Status.CLOSED:  # it keeps its own, for parting
        target.call_at = min(target.call_at or request.call_at, request.call_at)
    letter, words = _said(target)
    if words is not None and not submissions.is_of_the_same(request, target):
        mail.promise(
            letter,
            to=request.reply_email,
            facts={"answer": words.id, "asked": request.id},
            cause=target.subject,
            at=at,
            not_before=max(at, words.written_at + timedelta(seconds=settings().UNDO_SECONDS)),
        )


def _said(target: Request) -> tuple[str, Message | None]:
    """What stands written to whoever asked, by which letter: the question that waits for them, or the answer."""
    if (words := submissions.latest(target)) is None:
        return "", None
    letter, asked = letter_of(target, words), target.waiting_since
    stands = asked and words.written_at >= asked if letter == "desk/question" else target.answered_at
    return letter, words if stands else None


def _part(request: Request, by: Staff, at: datetime, given: Given) -> None:
    """Each has its own again: promise, agreed call and *They wrote more*, unless both were called or answered."""
    go_on(request, by, at, given)
    target = db.session.get(Request, request.duplicate_of) if request.duplicate_of else None
    request.duplicate_of, own = None, request.call_at
    if target is not None:
        _promise_back(target)
        if request.possible_duplicate_of == target.id:
            request.possible_duplicate_of = None  # somebody looked, and it is none
    if target is None or target.heard_at is None:
        request.heard_at = None
    if target is None or target.call_at is None:
        request.call_at = None  # it was made, or is over
    elif target.call_at == own:
        others = select(func.min(Request.call_at)).where(
            Request.duplicate_of == target.id, Request.id != request.id
        )
        left = (calling.owed(target, at), db.session.scalar(others))
        target.call_at = min((moment for moment in left if moment), default=None)


def _promise_back(target: Request) -> None:
    """Its own promise, or the soonest of those that are joined to it still; never sooner than it became since."""
    if target.own_answer_by is None:
        return
    owed = (Request.answered_at.is_(None), Request.waiting_since.is_(None))
    joined = select(func.min(Request.answer_by)).where(Request.duplicate_of == target.id, *owed)
    left = db.session.scalar(joined)
    target.answer_by = max(target.answer_by, min(left or target.own_answer_by, target.own_answer_by))
    if target.answer_by >= target.own_answer_by:
        target.own_answer_by = None


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
    change=lambda by, at: {**take(by, at), "closed_at": None},
    then=_part,
)
JOINING_ACTS = (DUPLICATE, PART)
