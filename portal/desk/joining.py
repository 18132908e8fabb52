"""The acts that join two requests that are one, and part them again. Both references go on, and both are answered."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import select

from portal.db import db
from portal.desk.acts import EVERYBODY, SENIOR, Act, Given, Staff, take
from portal.errors import Conflict, Refused
from portal.intake.models import OPEN, Request, Status
from portal.intake.reference import normalise

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
    if target.status in (Status.SPAM, Status.DUPLICATE):
        raise Conflict(NOT_JOINED_TO)
    if db.session.scalar(select(Request.id).where(Request.duplicate_of == request.id).limit(1)):
        raise Conflict(HAS_DUPLICATES)


def _join(request: Request, _by: Staff, _at: datetime, given: Given) -> None:
    request.duplicate_of = target_of(given).id


DUPLICATE = Act(
    word="duplicate",
    label="Join as a duplicate",
    done="The two requests are joined. An answer to the other one goes to both.",
    audit="request.joined",
    told="Joined to another request",
    roles=EVERYBODY,
    starts=frozenset({*OPEN, Status.ANSWERED}),
    ends=Status.DUPLICATE,
    asks="target",
    missing=GIVE_REFERENCE,
    limit=_may_join,
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
)
JOINING_ACTS = (DUPLICATE, PART)
