"""The mail that says we need more time: once for each promise, before it is broken and never after."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import and_, exists, or_, select
from sqlalchemy.orm import aliased

from portal import hours
from portal.db import db
from portal.desk import telling
from portal.desk.acts import NOBODY, Act, Given, Staff
from portal.intake import submissions
from portal.intake.models import DUE, Request, Status
from portal.mail import promise as mail
from portal.organisation import Organisation

LEAD = timedelta(hours=2)  # of the pharmacy's own hours
LEAD_OF_A_DAY = timedelta(
    hours=8
)  # where whole days count, so that it goes in the afternoon and not at night
LONGEST_CLOSED = timedelta(days=14)
BATCH = 50
_JOINED = (Request.status == Status.DUPLICATE, Request.answered_at.is_(None), Request.waiting_since.is_(None))


def due(at: datetime, org: Organisation) -> Sequence[Request]:
    """Whose promise ends soon and whom nobody answered yet, the soonest first; what is joined keeps its promise to
    whoever asked it, and comes after the one that it is joined to."""
    lead, other = LEAD if org.hours else LEAD_OF_A_DAY, aliased(Request)
    is_due = exists().where(other.id == Request.duplicate_of, other.status.in_(DUE))
    soon = select(Request).where(
        Request.status.in_((*DUE, Status.DUPLICATE)),
        or_(Request.status.in_(DUE), and_(*_JOINED, is_due)),
        Request.answer_by > at,
        Request.answer_by <= at + LONGEST_CLOSED,
        Request.more_time_at.is_(None),
    )
    found = db.session.scalars(
        soon.order_by(Request.answer_by, Request.duplicate_of.is_not(None), Request.id).limit(BATCH)
    )
    return [request for request in found if hours.worked(at, request.answer_by, org) <= lead]


def _tell(request: Request, _by: Staff, at: datetime, _given: Given) -> None:
    """Whoever asked; not a second time who was told of the request that it is joined to."""
    other = submissions.answered_for(request)
    if other is None or other.more_time_at is None or not submissions.is_of_the_same(request, other):
        facts = {"asked": request.id}
        mail.promise("desk/more_time", to=request.reply_email, facts=facts, cause=request.subject, at=at)
    if other is None:
        telling.of_request("due", request, at=at)


def _is_before(request: Request) -> bool:
    return request.more_time_at is None


MORE_TIME = Act(
    word="more-time",
    label="Say that we need more time",
    done="The mail that we need more time is on its way.",
    audit="request.more_time",
    told="Told that we need more time",
    roles=NOBODY,
    portal_may=True,
    starts=frozenset({*DUE, Status.DUPLICATE}),
    fits=_is_before,
    change=lambda _by, at: {"more_time_at": at},
    then=_tell,
)
