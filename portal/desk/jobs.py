"""What the desk does by itself: what was answered, and nobody wrote again, is closed."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import select

from portal import hours
from portal.clock import now
from portal.db import db, transaction
from portal.desk import perform
from portal.desk.acts import CLOSE, PORTAL
from portal.errors import Conflict
from portal.intake.models import CloseReason, Request, Status
from portal.jobs import Hand, Job
from portal.settings import settings

CLOSES_AFTER = 5  # business days without a word
BATCH = 50


def close_answered(_hand: Hand) -> bool:
    """Close what was answered five business days ago; whether there may be more."""
    at = now()
    old = select(Request).where(
        Request.status == Status.ANSWERED, Request.changed_at < at - timedelta(days=5)
    )
    due = [
        request
        for request in db.session.scalars(old.order_by(Request.changed_at).limit(BATCH))
        if hours.answer_by(request.changed_at, CLOSES_AFTER, settings().ORG) <= at
    ]
    ids = [(request.id, request.version) for request in due]
    for request_id, version in ids:
        with transaction():
            request = db.session.get(Request, request_id)
            try:
                if request is not None:
                    reason = CloseReason.ANSWERED.value
                    perform.perform(CLOSE, request, by=PORTAL, at=at, version=version, reason=reason)
            except Conflict:
                continue  # somebody was at it at this moment
    return len(ids) == BATCH


JOBS = (
    Job(
        name="desk.close_answered",
        label="Closing what was answered",
        step=close_answered,
        every=timedelta(hours=1),
    ),
)
