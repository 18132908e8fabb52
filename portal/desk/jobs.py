"""What the desk does by itself: closing, taking up again, saying that more time is needed, the morning's mail."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy import select

from portal import hours
from portal.clock import now
from portal.db import db, transaction
from portal.desk import digest, more_time, perform, telling
from portal.desk.actors import PORTAL
from portal.desk.acts import CLOSE, Act
from portal.desk.planning import WAKE
from portal.errors import Conflict
from portal.intake.models import OPEN, CloseReason, Request, Status
from portal.jobs import Hand, Job
from portal.people import accounts
from portal.settings import settings

CLOSES_AFTER = 5  # business days without a word
BATCH = 50


def close_answered(_hand: Hand) -> bool:
    """Close what was answered five business days ago; whether there may be more."""
    at = now()
    old = select(Request).where(
        Request.status == Status.ANSWERED,
        Request.changed_at < at - timedelta(days=5),
        Request.call_at.is_(None),  # somebody is to be called first
    )
    due = [
        request
        for request in db.session.scalars(old.order_by(Request.changed_at).limit(BATCH))
        if hours.answer_by(request.changed_at, CLOSES_AFTER, settings().ORG) <= at
    ]
    return _each(CLOSE, due, at, reason=CloseReason.ANSWERED.value)


def wake(_hand: Hand) -> bool:
    """Take up again what was set aside until now; whether there may be more."""
    at = now()
    due = select(Request).where(Request.snoozed_until <= at, Request.status.in_(OPEN))
    return _each(WAKE, db.session.scalars(due.order_by(Request.snoozed_until).limit(BATCH)).all(), at)


def _each(act: Act, due: Sequence[Request], at: datetime, *, most: int = BATCH, **given: str) -> bool:
    """Do it with each, in a transaction of its own; whether there may be more."""
    ids = [(request.id, request.version) for request in due]
    for request_id, version in ids:
        with transaction():
            request = db.session.get(Request, request_id)
            try:
                if request is not None:
                    perform.perform(act, request, by=PORTAL, at=at, version=version, **given)
            except Conflict:
                continue  # somebody was at it at this moment; the next time asks again
    return len(ids) == most


def tell_more_time(_hand: Hand) -> bool:
    """Tell those whose promise will be missed, before it is; whether there may be more."""
    at = now()
    if not accounts.is_staffed():
        return False  # nothing was promised
    return _each(more_time.MORE_TIME, more_time.due(at, settings().ORG), at, most=more_time.BATCH)


def tell_refused(_hand: Hand) -> bool:
    """Tell who has a request that a mail of it was refused. Who wishes no mail is asked about again, for a day."""
    at, after = now(), 0
    while found := telling.to_tell_of(at, after):
        with transaction():
            for request in db.session.scalars(select(Request).where(Request.id.in_(found))):
                telling.refused(request, at=at)
        after = found[-1]
    return False


def _morning(_hand: Hand) -> bool:
    digest.tell_all()
    return False


JOBS = (
    Job(
        name="desk.more_time",
        label="Saying in time that we need more time",
        step=tell_more_time,
        every=timedelta(minutes=5),
    ),
    Job(
        name="desk.refused",
        label="Telling whose mail was refused",
        step=tell_refused,
        every=timedelta(minutes=5),
    ),
    Job(
        name="desk.morning",
        label="The morning's mail to staff",
        step=_morning,
        every=timedelta(minutes=10),
    ),
    Job(
        name="desk.close_answered",
        label="Closing what was answered",
        step=close_answered,
        every=timedelta(hours=1),
    ),
    Job(
        name="desk.wake",
        label="Bringing back what was set aside",
        step=wake,
        every=timedelta(minutes=5),
    ),
)
